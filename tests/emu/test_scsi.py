# SPDX-License-Identifier: BSD-2-Clause
"""CD drives at every controller, and what else virtio SCSI hosts have but disks."""
import random
import re
import struct
from pathlib import Path

import disks
import pytest
from machine import PROMPT
from workbench.console import ROOT

MEDIA = ROOT / "tests/emu/payloads/media.c"
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


# How a CD drive with the drive "disc" is connected, and what else the workbench is told.
DRIVES = {
    "ide": ((), ("-device", "ide-cd,bus=ide.1,unit=0,drive=disc,id=drive")),
    "sata": (("--machine", "q35"), ("-device", "ide-cd,bus=ide.3,drive=disc,id=drive")),
    "scsi": ((), (*HOST, "-device", "scsi-cd,bus=scsi.0,scsi-id=2,drive=disc,id=drive")),
}


@pytest.fixture(params=DRIVES, ids=str)
def insert(request, boot):
    """insert(OPTIONS) starts a machine with the drive."""
    words, device = DRIVES[request.param]

    def start(options, *more, **how):
        machine = boot(MEDIA, *words, *more, "--append", "args=cd0",
                       qemu_options=(*options, *device), **how)
        machine.see("ready")
        return machine

    return start


def size(machine, blocks: int) -> None:
    machine.type("i")
    machine.see(rf"cd0: {blocks} blocks of 2048 bytes\r\n")


def test_the_root_is_a_cd_and_all_of_it_is_read(insert):
    """More than its file system: the blocks as they are."""
    def change(pc):
        with pc.disks[0].open("ab") as image:
            image.truncate(5678 * 2048)
        pc.options[:0] = cd(pc.disks.pop())

    machine = insert((), "--fs", "iso9660", "--label", "none", change=change)
    assert "\nroot on cd0: iso9660" in machine.text()
    assert re.search(r"\ncd0 at .*: <QEMU (DVD|CD)-ROM>, CD/DVD, 11 MiB, 5678 blocks of 2048 bytes",
                     machine.text())
    machine.type("r")
    machine.see(sum_of(machine.work / "disk.img"))


def test_a_cd_comes_and_goes_and_is_changed(insert, tmp_path):
    images = [disc(tmp_path / f"{blocks}.iso", blocks) for blocks in (500, 2000)]
    machine = insert(cd(None))
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


def test_a_bad_spot_on_a_cd_is_named(insert, tmp_path):
    image = disc(tmp_path / "a.iso", 1000)
    machine = insert(disks.broken(image, "disc", 2800))  # of block 700
    machine.type("r")
    machine.see(r"cd0: read of blocks? [\d.]*(7|6)\d\d")
    machine.see(r"sum \w+, the device reported an error")


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
    disks.check(machine, "sd2", paths[2], 4096)
    for line in ("sd0 at vioscsi0 target 0 lun 5: <QEMU HARDDISK>, 8 MiB, 16384 sectors\n",
                 "sd1 at vioscsi0 target 1 lun 0: <QEMU HARDDISK>, 8 MiB, 16384 sectors, "
                 "write protected\n",
                 "sd2 at vioscsi0 target 255 lun 300: <QEMU HARDDISK>, 8 MiB, 2048 blocks of 4096 "
                 "bytes\n"):
        assert line in machine.text()


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
    assert machine.text().count("\nsd0: ") <= 3, "its size, that it has gone, and one request"
    machine.qmp("device_add", driver="scsi-hd", drive="m", bus="scsi.0",
                **{"scsi-id": 7, "share-rw": True})
    assert "sd1 at target 7 lun 0: <QEMU HARDDISK>, 8 MiB" in machine.ask("devices")
