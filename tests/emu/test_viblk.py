# SPDX-License-Identifier: BSD-2-Clause
"""What virtio block devices have beside what test_disks.py has."""
import disks


def viblk(drive: str, more: str = "") -> tuple[str, str]:
    return ("-device", f"virtio-blk-pci,drive={drive}{more}")


def test_blocks_of_4096_bytes_and_a_second_disk(boot, tmp_path):
    paths = [disks.make(tmp_path / f"{name}.img", block_bytes=4096) for name in "ab"]
    machine = disks.run(
        boot, "check", *disks.drive(paths[0], "a", ",readonly=on"), *viblk("a", ",addr=6"),
        *disks.drive(paths[1], "b"),
        *viblk("b", ",addr=7,logical_block_size=4096,physical_block_size=4096"), name="ld1")
    disks.check(machine, "ld1", paths[1], 4096)
    assert "\nld0 at viblk0: 8 MiB, 16384 blocks of 512 bytes, read-only\n" in machine.text()
    assert "\nld1 at viblk1: 8 MiB, 2048 blocks of 4096 bytes\n" in machine.text()


def test_another_size_is_seen(boot, tmp_path):
    path = disks.make(tmp_path / "disk.img")
    machine = disks.run(boot, "storm", *disks.drive(path, "n"), *viblk("n"))
    machine.see("ld0: 16384 blocks")
    machine.qmp("block_resize", device="n", size=disks.SECTORS * 1024)
    machine.see("ld0: 32768 blocks, instead of 16384\r\n")
