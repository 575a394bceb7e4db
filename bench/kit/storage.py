# SPDX-License-Identifier: BSD-2-Clause
"""Runs the work of src/storage.h on Vesper and on Linux, with the same disk at the same controller.

One run counts instructions: those that were executed, for a CPU that waits executes none. Without
icount: with it the host's time would be none for a CPU that polls. Others take the time.
"""
import re
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from bench.kit import counter, peers, profile
from bench.kit.counter import FOLDER, MEMORY, SOURCES
from workbench import build, cli, packages, payload, qemu, run
from workbench.compiler import SDK
from workbench.console import ROOT, Problem, tool

SYSTEMS = ("Linux", "Vesper")
LONG = 60  # seconds
BLOCK, MIB = 4096, 1 << 20
INIT = ("-m32", "-march=i686", "-Os", "-ffreestanding", "-nostdlib", "-static", "-fno-pic",
        "-no-pie", "-fno-stack-protector", "-fno-tree-loop-distribute-patterns",
        f"-I{ROOT / 'include'}", f"-I{SDK}")


@dataclass(frozen=True)
class Controller:
    title: str
    options: tuple[str, ...]   # of QEMU's; the drive is "disk"
    modules: tuple[str, ...]   # Linux's
    names: tuple[str, str]     # of the disk: Linux's, Vesper's


CONTROLLERS = {
    "ide": Controller("IDE (PIIX)", ("-device", "ide-hd,drive=disk,bus=ide.0"),
                      ("ata_piix", "sd_mod"), ("/dev/sda", "wd0")),
    "ahci": Controller("AHCI", ("-device", "ich9-ahci,id=sata",
                                "-device", "ide-hd,drive=disk,bus=sata.0"),
                       ("ahci", "sd_mod"), ("/dev/sda", "wd0")),
    "nvme": Controller("NVMe", ("-device", "nvme,drive=disk,serial=1"), ("nvme",),
                       ("/dev/nvme0n1", "ld0")),
    "virtio-blk": Controller("virtio-blk", ("-device", "virtio-blk-pci,drive=disk"),
                             ("virtio_pci", "virtio_blk"), ("/dev/vda", "ld0")),
    "virtio-scsi": Controller("virtio-scsi", ("-device", "virtio-scsi-pci,id=scsi",
                                              "-device", "scsi-hd,drive=disk,bus=scsi.0"),
                              ("virtio_pci", "virtio_scsi", "sd_mod"), ("/dev/sda", "sd0")),
}


@dataclass(frozen=True)
class Row:
    name: str
    instructions: int
    seconds: float


def mark(number: int) -> bytes:
    """What storage.h's mark() is."""
    return ((number + 1) * 2654435761 & 0xffffffff).to_bytes(4, "little")


def linux(words: str, modules: tuple[str, ...]) -> qemu.Pc:
    packages.ensure("g++-multilib")
    kernel, program = peers.linux_image(), FOLDER / "storage-init"
    tool("gcc", *INIT, "-o", program, SOURCES / "storage_linux.c", "-lgcc")
    return qemu.Pc(memory=MEMORY, kernel=kernel, append=f"quiet panic=-1 {words}",
                   module=peers.linux_archive(program, list(modules)))


def vesper(words: str) -> qemu.Pc:
    """Its root is in RAM: there is no disk but the one that is measured."""
    work = FOLDER / "storage"
    binary = payload.make(Path(SOURCES / "storage_vesper.c"), work)
    options = cli.parser().parse_args(["run", "--fs", "tar", "--memory", str(MEMORY),
                                       "--append", f"args={words}"])
    options.qemu = []
    return run.machine(options, build.kernel("GENERIC"), binary, work)


def machine(system: str, controller: Controller, disk: Path, words: str,
            modules: tuple[str, ...] = ()) -> qemu.Pc:
    name = controller.names[SYSTEMS.index(system)]
    words = f"{words} disk={name}"
    pc = vesper(words) if system == "Vesper" else linux(words, controller.modules + modules)
    return counter.with_options(
        pc, *counter.PLAIN, *controller.options, "-drive",
        f"if=none,id=disk,format=raw,cache=writeback,aio=threads,discard=unmap,file={disk}")


def measure(pc: qemu.Pc, seconds: float, counted: bool, more: str = "") -> list[Row]:
    """One run: the rows in the order in which they came. more: options of insnmark.c."""
    log = FOLDER / "marks"
    words = f"file={counter.plugin()},out={log}{more}" + ("" if counted else ",uncounted=on")
    with qemu.Emulator(counter.with_options(pc, "-plugin", words)) as emulator:
        end = emulator.expect(r"@(done|failed ([^\r\n]*))\r?\n", seconds)
        said = emulator.output.decode("latin-1")
    if not end:
        raise Problem(f"no end within {seconds:g} s", said[-500:])
    if end[2]:
        raise Problem(end[2].decode(), said[-500:])
    names = re.findall(r"@row (\S+)", said)
    marks = [line.split() for line in log.read_text().splitlines() if line.startswith("marker")]
    if len(marks) != 2 * len(names):
        raise Problem(f"{len(marks)} markers are not those of {len(names)} rows")
    return [Row(name, int(end[1]) - int(begin[1]), (int(end[2]) - int(begin[2])) / 1e9)
            for name, begin, end in zip(names, marks[::2], marks[1::2])]


def best(make: Callable[[], qemu.Pc], seconds: float, repeat: int) -> list[Row]:
    """Of each row the instructions of one run, and the least time of `repeat` others, or as many as
    can begin in a minute."""
    counted = measure(make(), seconds, True)
    timed, begin = [], time.monotonic()
    while len(timed) < repeat and (not timed or time.monotonic() - begin < LONG):
        timed.append(measure(make(), seconds, False))
    return [Row(row.name, row.instructions, min((run[at].seconds for run in timed), default=0.0))
            for at, row in enumerate(counted)]


def functions(pc: qemu.Pc, seconds: float, number: int) -> Counter:
    """Vesper's instructions in the number-th row, by function."""
    hot = FOLDER / "hot"
    measure(pc, seconds, True, f",hot={hot},marker={2 * number + 2}")
    return profile.by_function(hot, build.kernel("GENERIC"))
