# SPDX-License-Identifier: BSD-2-Clause
"""NVM Express disks."""
import disks
import pytest
from machine import PROMPT
from workbench.console import ROOT

OBEY = ROOT / "tests/emu/payloads/obey.c"
TIB = 1 << 40


def nvme(drive: str, more: str = "") -> tuple[str, str]:
    return ("-device", f"nvme,drive={drive},serial=1{more}")


@pytest.mark.parametrize("pc, fs", (("pc", "ffs2"), ("pc", "ext2"), ("q35", "ffs2")))
def test_the_root_may_be_on_one(boot, pc, fs):
    machine = boot(OBEY, "--fs", fs, "--machine", pc, change=disks.root_on(*nvme("disk0")))
    machine.see("ready")
    assert "nvme0 at pci0" in machine.text() and ": NVM Express 1.4, <QEMU NVMe Ctrl>, 63 " \
        in machine.text()


def test_reads_and_writes_as_the_host_sees_them(boot, tmp_path):
    path = disks.make(tmp_path / "disk.img")
    machine = boot(disks.PAYLOAD, "--append", "args=ld0 check",
                   qemu_options=(*disks.drive(path, "n"), *nvme("n")))
    disks.check(machine, "ld0", path, 512, disks.SECTORS * 512)


def test_several_namespaces_with_blocks_of_4096_bytes(boot, tmp_path):
    paths = [disks.make(tmp_path / f"{name}.img", block_bytes=4096) for name in "ab"]
    machine = boot(disks.PAYLOAD, "--append", "args=ld1 check", qemu_options=(
        "-device", "nvme,serial=1,id=n", *disks.drive(paths[0], "a"), *disks.drive(paths[1], "b"),
        "-device", "nvme-ns,drive=a,bus=n,nsid=1,logical_block_size=512,physical_block_size=512",
        "-device", "nvme-ns,drive=b,bus=n,nsid=9,logical_block_size=4096,physical_block_size=4096"))
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
    path = disks.make(tmp_path / "disk.img", 3 * TIB)
    machine = boot(disks.PAYLOAD, "--append", "args=ld0 check",
                   qemu_options=(*disks.drive(path, "n"), *nvme("n", ",mdts=3")))
    disks.check(machine, "ld0", path, 512, 3 * TIB)


@pytest.mark.parametrize("what, event, text", [
    ("read", "read_aio", r"ld0: read of block 777: unrecovered read error \(status 2/81\)"),
    ("fill", "write_aio", r"ld0: write of block 777: write fault \(status 2/80\)"),
])
def test_an_error_names_its_block(boot, tmp_path, what, event, text):
    path = disks.make(tmp_path / "disk.img")
    machine = boot(disks.PAYLOAD, "--append", f"args=ld0 {what}", qemu_options=(
        *disks.broken(path, "n", event, 777, tmp_path), *nvme("n")))
    machine.see(text)
    machine.see(f"ld0 {what}: the device reported an error")


def test_unplugged_between_two_reads(boot, tmp_path):
    """Not with reads under way: QEMU 7.2 itself crashes then. NvmeTest.Gone does that."""
    path = disks.make(tmp_path / "disk.img")
    machine = boot(disks.PAYLOAD, "--append", "args=ld0 storm", qemu_options=(
        *disks.drive(path, "n"), *nvme("n", ",id=gone,addr=5")))
    machine.see("ld0: 16384 blocks")
    machine.qmp("device_del", id="gone")
    machine.type("q")
    machine.see("nvme0: it is gone\r\n")
    machine.see("ld0 storm: the device has been removed\r\n")
    machine.see(PROMPT)
