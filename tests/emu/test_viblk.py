# SPDX-License-Identifier: BSD-2-Clause
"""virtio block devices, by each of their interfaces."""
import disks
import pytest
from workbench.console import ROOT

OBEY = ROOT / "tests/emu/payloads/obey.c"
INTERFACES = {"": "modern", ",disable-legacy=on,vectors=0": "modern",
              ",disable-modern=on": "legacy",
              ",disable-modern=on,vectors=0,event_idx=off": "legacy"}


def viblk(drive: str, more: str = "") -> tuple[str, str]:
    return ("-device", f"virtio-blk-pci,drive={drive}{more}")


@pytest.mark.parametrize("pc", ("pc", "q35"))
def test_the_root_may_be_on_one(boot, pc):
    machine = boot(OBEY, "--machine", pc, change=disks.root_on(*viblk("disk0")))
    machine.see("ready")
    assert "\nld0 at viblk0: " in machine.text()


@pytest.mark.parametrize("how", INTERFACES, ids=lambda how: how.lstrip(",") or "transitional")
def test_reads_and_writes_as_the_host_sees_them(boot, tmp_path, how):
    machine = disks.reads_and_writes(boot, tmp_path, *viblk("n", how))
    assert f"virtio block device, {INTERFACES[how]} interface\n" in machine.text()
    assert "polled" not in machine.text()


def test_blocks_of_4096_bytes_and_a_second_disk(boot, tmp_path):
    paths = [disks.make(tmp_path / f"{name}.img", block_bytes=4096) for name in "ab"]
    machine = disks.run(
        boot, "check", *disks.drive(paths[0], "a", ",readonly=on"), *viblk("a", ",addr=6"),
        *disks.drive(paths[1], "b"),
        *viblk("b", ",addr=7,logical_block_size=4096,physical_block_size=4096"), name="ld1")
    disks.check(machine, "ld1", paths[1], 4096, disks.SECTORS * 512)
    assert "\nld0 at viblk0: 8 MiB, 16384 blocks of 512 bytes, read-only\n" in machine.text()
    assert "\nld1 at viblk1: 8 MiB, 2048 blocks of 4096 bytes\n" in machine.text()


def test_beyond_two_tebibytes(boot, tmp_path):
    disks.reads_and_writes(boot, tmp_path, *viblk("n"), size=3 * disks.TIB)


@pytest.mark.parametrize("what, event, text", [
    ("read", "read_aio", "ld0: read of block 777: I/O error"),
    ("fill", "write_aio", "ld0: write of block 777: I/O error"),
])
def test_an_error_names_its_block(boot, tmp_path, what, event, text):
    machine = disks.has_a_bad_block(boot, tmp_path, what, event, *viblk("n"))
    assert text in machine.text()


def test_another_size_is_seen(boot, tmp_path):
    path = disks.make(tmp_path / "disk.img")
    machine = disks.run(boot, "storm", *disks.drive(path, "n"), *viblk("n"))
    machine.see("ld0: 16384 blocks")
    machine.qmp("block_resize", device="n", size=disks.SECTORS * 1024)
    machine.see("ld0: 32768 blocks, instead of 16384\r\n")


@pytest.mark.parametrize("how", ("", ",disable-modern=on"), ids=("modern", "legacy"))
def test_unplugged_under_load(boot, tmp_path, how):
    machine = disks.is_unplugged(boot, tmp_path, *viblk("n", ",id=gone,addr=5" + how), key="e")
    assert "\nviblk0: it is gone\n" in machine.text()
