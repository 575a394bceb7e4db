# SPDX-License-Identifier: BSD-2-Clause
"""What NVM Express disks have beside what test_disks.py has."""
import disks
from machine import PROMPT


def test_several_namespaces_with_blocks_of_4096_bytes(boot, tmp_path):
    paths = [disks.make(tmp_path / f"{name}.img", block_bytes=4096) for name in "ab"]
    machine = disks.run(
        boot, "check",
        "-device", "nvme,serial=1,id=n", *disks.drive(paths[0], "a"), *disks.drive(paths[1], "b"),
        "-device", "nvme-ns,drive=a,bus=n,nsid=1,logical_block_size=512,physical_block_size=512",
        "-device", "nvme-ns,drive=b,bus=n,nsid=9,logical_block_size=4096,physical_block_size=4096",
        name="ld1")
    disks.check(machine, "ld1", paths[1], 4096)
    assert "\nld0 at nvme0 nsid 1: 8 MiB, 16384 blocks of 512 bytes\n" in machine.text()
    assert "\nld1 at nvme0 nsid 9: 8 MiB, 2048 blocks of 4096 bytes\n" in machine.text()


def test_metadata_is_named_and_left_out(boot, tmp_path):
    path = disks.make(tmp_path / "disk.img")
    machine = boot(None, qemu_options=(
        "-device", "nvme,serial=1,id=n", *disks.drive(path, "a"),
        "-device", "nvme-ns,drive=a,bus=n,nsid=1,ms=8"))
    machine.see(r"ld0 at nvme0 nsid 1: \d+ blocks of 2\^9 bytes and 8 of metadata: unsupported\r\n")
    machine.see(PROMPT)
