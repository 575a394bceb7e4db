# SPDX-License-Identifier: BSD-2-Clause
"""SCSI disks and CD drives: ATAPI, and virtio SCSI hosts by each of their interfaces."""
import random
import struct
from pathlib import Path

import disks
import pytest
from machine import PROMPT
from workbench.console import ROOT

MEDIA = ROOT / "tests/emu/payloads/media.c"
OBEY = ROOT / "tests/emu/payloads/obey.c"
TIB = 1 << 40
INTERFACES = {"": "modern", ",disable-legacy=on,vectors=0": "modern",
              ",disable-modern=on": "legacy"}
HOST = ("-device", "virtio-scsi-pci,id=scsi")


def disc(path: Path, blocks: int) -> Path:
    path.write_bytes(random.Random(blocks).randbytes(blocks * 2048))
    return path


def sum_of(path: Path) -> str:
    """As payloads/media.c says it."""
    result, data = 2166136261, path.read_bytes()
    for (word,) in struct.iter_unpack("<I", data):
        result = (result ^ word) * 16777619 & 0xffffffff
    return f"sum {result:08x}, no error\r\n"


def cd(path: Path | None) -> tuple[str, str]:
    return ("-drive", "if=none,id=disc,media=cdrom" + (f",format=raw,file={path}" if path else ""))


# How a CD drive with the drive "disc" is connected.
DRIVES = {
    "ide": ("-device", "ide-cd,bus=ide.1,unit=0,drive=disc,id=drive"),
    "scsi": (*HOST, "-device", "scsi-cd,bus=scsi.0,scsi-id=2,drive=disc,id=drive"),
}


@pytest.fixture(params=DRIVES, ids=str)
def drive(request):
    return DRIVES[request.param]


def size(machine, blocks: int) -> None:
    machine.type("i")
    machine.see(rf"cd0: {blocks} blocks of 2048 bytes\r\n")


def test_a_cd_is_read_as_it_is(boot, tmp_path, drive):
    image = disc(tmp_path / "a.iso", 1234)
    machine = boot(MEDIA, "--append", "args=cd0", qemu_options=(*cd(image), *drive))
    machine.see("ready")
    assert "<QEMU DVD-ROM>, CD/DVD, 2 MiB, 1234 blocks of 2048 bytes" in machine.text().replace(
        "QEMU CD-ROM", "QEMU DVD-ROM")
    machine.type("r")
    machine.see(sum_of(image))


def test_a_cd_comes_and_goes_and_is_changed(boot, tmp_path, drive):
    images = [disc(tmp_path / f"{blocks}.iso", blocks) for blocks in (500, 2000)]
    machine = boot(MEDIA, "--append", "args=cd0", qemu_options=(*cd(None), *drive))
    machine.see("ready")
    assert "CD/DVD, no medium" in machine.text()
    machine.type("r")
    machine.see("sum 811c9dc5, not found")
    for image in images + images:  # one after another, in a drive that is in use
        machine.qmp("blockdev-change-medium", id="drive", filename=str(image), format="raw")
        machine.type("r")
        if machine.see(r"sum \w+, (no error|not found)")[1] != b"no error":
            machine.type("r")  # the first read told that it is another one
            machine.see("sum ")
        machine.type("r")
        machine.see(sum_of(image))
        size(machine, image.stat().st_size // 2048)
    machine.type("h")
    machine.qmp("eject", id="drive", force=True)
    machine.see(r"sum \w+, not found")
    machine.type("i")
    machine.see("cd0: 0 blocks")


def test_a_bad_spot_on_a_cd_is_named(boot, tmp_path):
    image = disc(tmp_path / "a.iso", 1000)
    (tmp_path / "n.conf").write_text('[inject-error]\nevent = "read_aio"\nsector = "2800"\n'
                                     'errno = "5"\n')  # of block 700
    options = ("-drive", f"if=none,id=disc,media=cdrom,format=raw,file.driver=blkdebug,"
               f"file.config={tmp_path}/n.conf,file.image.driver=file,"
               f"file.image.filename={image}")
    machine = boot(MEDIA, "--append", "args=cd0", qemu_options=(*options, *DRIVES["scsi"]))
    machine.see("ready")
    machine.type("r")
    machine.see(r"cd0: read of blocks? [\d.]*(7|6)\d\d")
    machine.see(r"sum \w+, the device reported an error")


@pytest.mark.parametrize("how", INTERFACES, ids=lambda how: how.lstrip(",") or "transitional")
def test_reads_and_writes_as_the_host_sees_them(boot, tmp_path, how):
    path = disks.make(tmp_path / "disk.img")
    machine = boot(disks.PAYLOAD, "--append", "args=sd0 check", qemu_options=(
        *disks.drive(path, "n"), HOST[0], HOST[1] + how,
        "-device", "scsi-hd,drive=n,bus=scsi.0"))
    disks.check(machine, "sd0", path, 512, disks.SECTORS * 512)
    assert f"virtio SCSI host, {INTERFACES[how]} interface" in machine.text()
    assert "polled" not in machine.text()


def test_targets_and_units_and_blocks_of_4096_bytes(boot, tmp_path):
    paths = [disks.make(tmp_path / f"{name}.img", block_bytes=4096) for name in "abc"]
    machine = boot(disks.PAYLOAD, "--append", "args=sd2 check", qemu_options=(
        *HOST,
        *disks.drive(paths[0], "a"), "-device", "scsi-hd,bus=scsi.0,scsi-id=0,lun=5,drive=a",
        *disks.drive(paths[1], "b", ",readonly=on"),
        "-device", "scsi-hd,bus=scsi.0,scsi-id=1,lun=0,drive=b,rotation_rate=1",
        *disks.drive(paths[2], "c"),
        "-device", "scsi-hd,bus=scsi.0,scsi-id=255,lun=300,drive=c,"
                   "logical_block_size=4096,physical_block_size=4096"))
    disks.check(machine, "sd2", paths[2], 4096, disks.SECTORS * 512)
    for line in ("sd0 at vioscsi0 target 0 lun 5: <QEMU HARDDISK>, 8 MiB, 16384 sectors\n",
                 "sd1 at vioscsi0 target 1 lun 0: <QEMU HARDDISK>, 8 MiB, 16384 sectors, "
                 "write protected\n",
                 "sd2 at vioscsi0 target 255 lun 300: <QEMU HARDDISK>, 8 MiB, 2048 blocks of 4096 "
                 "bytes\n"):
        assert line in machine.text()


def test_beyond_two_tebibytes(boot, tmp_path):
    path = disks.make(tmp_path / "disk.img", 3 * TIB)
    machine = boot(disks.PAYLOAD, "--append", "args=sd0 check", qemu_options=(
        *HOST, *disks.drive(path, "n"), "-device", "scsi-hd,drive=n,bus=scsi.0"))
    disks.check(machine, "sd0", path, 512, 3 * TIB)


@pytest.mark.parametrize("what, event, text", [
    ("read", "read_aio", r"sd0: read of blocks? [\d.]+: "),
    ("fill", "write_aio", r"sd0: write of blocks? [\d.]+: "),
])
def test_an_error_names_its_blocks(boot, tmp_path, what, event, text):
    path = disks.make(tmp_path / "disk.img")
    machine = boot(disks.PAYLOAD, "--append", f"args=sd0 {what}", qemu_options=(
        *HOST, *disks.broken(path, "n", event, 777, tmp_path),
        "-device", "scsi-hd,drive=n,bus=scsi.0,werror=report,rerror=report"))
    machine.see(text)
    machine.see(f"sd0 {what}: the device reported an error")


def test_the_root_may_be_on_one(boot):
    machine = boot(OBEY, change=disks.root_on(*HOST, "-device", "scsi-hd,drive=disk0,bus=scsi.0"))
    machine.see("ready")
    assert "\nsd0 at vioscsi0 target 0 lun 0: " in machine.text()


def test_a_disk_is_unplugged_under_load_and_another_one_comes(boot, tmp_path):
    path = disks.make(tmp_path / "disk.img")
    machine = boot(disks.PAYLOAD, "--append", "args=sd0 storm", qemu_options=(
        *HOST, *disks.drive(path, "n"), *disks.drive(path, "m", ",file.locking=off,readonly=on"),
        "-device", "scsi-hd,drive=n,bus=scsi.0,id=gone,share-rw=on"))
    machine.see("sd0: 16384 blocks")
    machine.qmp("device_del", id="gone")
    machine.see("sd0 storm: the device has been removed\r\n")
    machine.see(PROMPT)
    assert "sd1" not in machine.text()
    machine.qmp("device_add", driver="scsi-hd", drive="m", bus="scsi.0",
                **{"scsi-id": 7, "share-rw": True})
    assert "sd1 at target 7 lun 0: <QEMU HARDDISK>, 8 MiB" in machine.ask("devices")


def test_the_host_is_unplugged_under_load(boot, tmp_path):
    path = disks.make(tmp_path / "disk.img")
    machine = boot(disks.PAYLOAD, "--append", "args=sd0 storm", qemu_options=(
        *disks.drive(path, "n"), HOST[0], HOST[1] + ",addr=5",
        "-device", "scsi-hd,drive=n,bus=scsi.0"))
    machine.see("sd0: 16384 blocks")
    machine.qmp("device_del", id="scsi")
    machine.type("e")
    machine.see("sd0 storm: the device has been removed\r\n")
    machine.see(PROMPT)
