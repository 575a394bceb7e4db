# SPDX-License-Identifier: BSD-2-Clause
"""Floppy disks."""
import subprocess
from pathlib import Path

import disks
import pytest
from machine import PROMPT, WITHOUT_WAITING
from test_scsi import MEDIA, sum_of
from workbench import payload
from workbench.console import ROOT

COPY = ROOT / "samples/copy.c"
# What mkfs.fat calls a size, and which drive QEMU takes for it.
FORMATS = {360: ("120", "1.2 MB, 5.25"), 1200: ("120", "1.2 MB, 5.25"),
           1440: ("144", "1.44 MB, 3.5"), 2880: ("288", "2.88 MB, 3.5")}  # below: 720


def run(*words) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def fat(path: Path, kib: int, *files: Path) -> Path:
    run("/usr/sbin/mkfs.fat", "-C", path, str(kib))
    for file in files:
        run("mcopy", "-i", path, file, "::")
    return path


def floppy(image: Path | None, kind: str = "auto", more: str = "") -> tuple[str, ...]:
    if not image:
        return ("-device", f"floppy,id=drive,drive-type={kind}")
    return ("-drive", f"if=none,id=disk,format=raw,file={image}{more}",
            "-device", f"floppy,id=drive,drive=disk,drive-type={kind}")


@pytest.fixture
def boot(boot):
    """Motors and seeks take the machine's time, not ours; there are no other disks."""
    def start(kexec, *words: str, qemu_options: tuple[str, ...] = (), **more):
        return boot(kexec, "--fs", "tar", *words, qemu_options=(*qemu_options, *WITHOUT_WAITING),
                    **more)

    return start


@pytest.fixture
def content(tmp_path):
    path = tmp_path / "long name.bin"
    path.write_bytes(bytes(n * n >> 7 & 255 for n in range(150_001)))
    return path


@pytest.mark.parametrize("kib", FORMATS, ids=str)
def test_files_are_read_and_written(boot, tmp_path, content, kib):
    image = fat(tmp_path / "disk.img", kib, content)
    kind, name = FORMATS[kib]
    content.rename(tmp_path / "x")
    machine = boot(COPY, "--append", "args=fd0:/LONGNA~1.BIN fd0:/made/copy",
                   qemu_options=floppy(image, kind))
    machine.see(r"fd0:/LONGNA~1.BIN to fd0:/made/copy: 150001 bytes\r\n")
    machine.see("fd0: fat12, ")
    machine.see(PROMPT)
    assert f"\nfd0 at fdc0 drive 0: {name}\" drive\n" in machine.text()
    run("/usr/sbin/fsck.fat", "-n", image)
    run("mcopy", "-n", "-i", image, "::made/copy", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "x").read_bytes()


def test_disks_come_and_go_and_are_changed(boot, tmp_path):
    images = [disks.make(tmp_path / f"{kib}.img", kib << 10) for kib in (1440, 720)]
    for image in images:
        image.write_bytes(image.read_bytes()[:int(image.stem) << 10])
    machine = boot(MEDIA, "--append", "args=fd0", qemu_options=floppy(None, "144"))
    machine.see("ready")
    machine.type("r")
    machine.see("sum 811c9dc5, not found")
    for image in images + images:
        machine.qmp("blockdev-change-medium", id="drive", filename=str(image), format="raw")
        machine.type("r")
        machine.see(r"sum \w+, (no error|not found)")
        machine.type("r")
        machine.see(sum_of(image))
        machine.type("i")
        machine.see(rf"fd0: {image.stat().st_size // 512} blocks of 512 bytes\r\n")
    machine.qmp("eject", id="drive", force=True)
    machine.type("r")
    machine.see(r"sum \w+, not found")
    machine.type("i")
    machine.see("fd0: 0 blocks")


def test_another_disk_is_not_taken_for_the_old_one(boot, tmp_path, content):
    """Nothing of a volume reaches the disk that is in its drive now."""
    image = fat(tmp_path / "old.img", 1440, content)
    other = fat(tmp_path / "new.img", 1440)
    machine = boot(ROOT / "tests/emu/payloads/floppy.c", qemu_options=floppy(image, "144"))
    machine.see("written")
    machine.qmp("blockdev-change-medium", id="drive", filename=str(other), format="raw")
    before = other.read_bytes()
    machine.type("x")
    machine.see(r"sync: (not found|the device has been removed)\r\n")
    machine.see(r"look: no such file or device|look: not found")
    machine.see("made: no error")
    machine.see("done")
    assert before != other.read_bytes()
    assert run("mdir", "-b", "-i", other, "::").split() == ["::/after"]
    run("/usr/sbin/fsck.fat", "-n", other)


def test_a_write_protected_disk(boot, tmp_path, content):
    image = fat(tmp_path / "disk.img", 1440, content)
    machine = boot(COPY, "--append", "args=fd0:/LONGNA~1.BIN fd0:/copy",
                   qemu_options=floppy(image, "144", ",readonly=on"))
    machine.see("fd0:/LONGNA~1.BIN to fd0:/copy: read-only")
    machine.see("fd0: fat12, .*read only")


def test_an_error_names_its_place(boot, tmp_path):
    """Of reading QEMU's controller tells none: it gives zeros."""
    path = disks.make(tmp_path / "disk.img")
    path.write_bytes(path.read_bytes()[:2880 << 10])
    machine = boot(disks.PAYLOAD, "--append", "args=fd0 fill", qemu_options=(
        *disks.broken(path, "disk", write=777),
        "-device", "floppy,drive=disk,drive-type=288"))
    machine.see(r"fd0: write of block 777 \(track 10, head 1, sector 22\): it failed \(ST0 [46]")
    machine.see("fd0 fill: the device reported an error")


@pytest.mark.parametrize("words", ((), ("--machine", "q35")), ids=("drives", "controller"))
def test_a_machine_without_one(boot, words):
    machine = boot(None, *words)
    machine.see(PROMPT)
    assert "fdc0" not in machine.text() and "fd0" not in machine.text()


def test_the_root_is_one_on_a_machine_with_isa_alone_and_two_drives(boot, tmp_path):
    kexec = payload.make(disks.PAYLOAD, tmp_path).rename(tmp_path / "kexec")
    images = [fat(tmp_path / "a.img", 720, kexec), disks.make(tmp_path / "b.img", 720 << 10)]
    options = floppy(images[0], "144") + (
        "-drive", f"if=none,id=b,format=raw,file={images[1]}",
        "-device", "floppy,drive=b,drive-type=144,unit=1,id=gone")
    machine = boot(None, "--machine", "isapc", "--append", "args=fd1 check fd0 exhaust fd1 storm",
                   qemu_options=options, change=lambda pc: pc.disks.clear())
    machine.see("root on fd0: fat12")
    disks.check(machine, "fd1", images[1])
    disks.see(machine, "fd0", full="no space left", sync="no error", full_again="no space left",
              files="no error")
    machine.see("fd1: 1440 blocks")
    machine.qmp("eject", id="gone", force=True)
    machine.see("fd1 storm: not found")
    machine.see(PROMPT)
    disks.is_consistent(images[0], "fat12")
