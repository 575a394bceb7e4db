# SPDX-License-Identifier: BSD-2-Clause
"""NVM Express disks."""
import re

import disks
import pytest
from machine import PROMPT
from workbench.console import ROOT

OBEY = ROOT / "tests/emu/payloads/obey.c"


def nvme(drive: str, more: str = "") -> tuple[str, str]:
    return ("-device", f"nvme,drive={drive},serial=1{more}")


@pytest.mark.parametrize("pc, fs", (("pc", "ffs2"), ("pc", "ext2"), ("q35", "ffs2")))
def test_the_root_may_be_on_one(boot, pc, fs):
    machine = boot(OBEY, "--fs", fs, "--machine", pc, change=disks.root_on(*nvme("disk0")))
    machine.see("ready")
    assert "nvme0 at pci0" in machine.text() and ": NVM Express 1.4, <QEMU NVMe Ctrl>, 63 " \
        in machine.text()


def test_reads_and_writes_as_the_host_sees_them(boot, tmp_path):
    disks.reads_and_writes(boot, tmp_path, *nvme("n"))


def test_several_namespaces_with_blocks_of_4096_bytes(boot, tmp_path):
    paths = [disks.make(tmp_path / f"{name}.img", block_bytes=4096) for name in "ab"]
    machine = disks.run(
        boot, "check",
        "-device", "nvme,serial=1,id=n", *disks.drive(paths[0], "a"), *disks.drive(paths[1], "b"),
        "-device", "nvme-ns,drive=a,bus=n,nsid=1,logical_block_size=512,physical_block_size=512",
        "-device", "nvme-ns,drive=b,bus=n,nsid=9,logical_block_size=4096,physical_block_size=4096",
        name="ld1")
    disks.check(machine, "ld1", paths[1], 4096, disks.SECTORS * 512)
    assert "\nld0 at nvme0 nsid 1: 8 MiB, 16384 blocks of 512 bytes\n" in machine.text()
    assert "\nld1 at nvme0 nsid 9: 8 MiB, 2048 blocks of 4096 bytes\n" in machine.text()


def test_metadata_is_named_and_left_out(boot, tmp_path):
    path = disks.make(tmp_path / "disk.img")
    machine = boot(None, qemu_options=(
        "-device", "nvme,serial=1,id=n", *disks.drive(path, "a"),
        "-device", "nvme-ns,drive=a,bus=n,nsid=1,ms=8"))
    machine.see(r"ld0 at nvme0 nsid 1: \d+ blocks of 2\^9 bytes and 8 of metadata: unsupported\r\n")
    machine.see(PROMPT)


def test_beyond_two_tebibytes(boot, tmp_path):
    disks.reads_and_writes(boot, tmp_path, *nvme("n", ",mdts=3"), size=3 * disks.TIB)


@pytest.mark.parametrize("what, event, text", [
    ("read", "read_aio", r"ld0: read of block 777: unrecovered read error \(status 2/81\)"),
    ("fill", "write_aio", r"ld0: write of block 777: write fault \(status 2/80\)"),
])
def test_an_error_names_its_block(boot, tmp_path, what, event, text):
    machine = disks.has_a_bad_block(boot, tmp_path, what, event, *nvme("n"))
    assert re.search(text, machine.text())


def test_unplugged_between_two_reads(boot, tmp_path):
    """Not with reads under way: QEMU 7.2 itself crashes then.
    Nvme.ADeviceThatHasGoneIsSaidToBeSoon, of the host tests, does that."""
    machine = disks.is_unplugged(boot, tmp_path, *nvme("n", ",id=gone,addr=5"), key="q")
    assert "\nnvme0: it is gone\n" in machine.text()
