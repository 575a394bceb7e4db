# SPDX-License-Identifier: BSD-2-Clause
"""Runs PCs up to the payload's first instruction, and counts what that took.

The TCG plugin insnmark counts every instruction since reset. With -icount each takes one nanosecond
of the guest's time, so that the count is the same whatever else the host does; a busy wait of 1 ms
is a million instructions. A payload marks its first instruction, then announces itself.
"""
import dataclasses
from dataclasses import dataclass
from pathlib import Path

from workbench import packages, qemu
from workbench.console import BUILD, ROOT, Problem, tool

FOLDER = BUILD / "bench"
SOURCES = ROOT / "bench/src"
MEMORY = 256  # MiB
PLAIN = ["-nodefaults", "-no-user-config"]
DETERMINISTIC = ["-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm", "-seed", "1"]
ANNOUNCED = "@payload"


@dataclass(frozen=True)
class Passage:
    """What it took to get to the payload's first instruction; seconds are the host's."""
    instructions: int  # from entry, or from reset for what starts there
    seconds: float
    reset_instructions: int  # from reset
    reset_seconds: float


def assembled(name: str, *options: str, suffix: str = ".o") -> Path:
    """What nasm makes of src/NAME.asm."""
    packages.ensure("nasm")
    FOLDER.mkdir(parents=True, exist_ok=True)
    result = FOLDER / (name + suffix)
    tool("nasm", *options, "-I", f"{SOURCES}/", "-o", result, SOURCES / f"{name}.asm")
    return result


def linked(name: str, *options: str) -> Path:
    """A static i386 program made of src/NAME.asm."""
    packages.ensure("g++-multilib")  # for ld
    program = FOLDER / name
    tool("ld", "-m", "elf_i386", *options, "-o", program, assembled(name, "-f", "elf32"))
    return program


def payload() -> Path:
    return assembled("payload", "-f", "bin", suffix=".bin")


def plugin() -> Path:
    packages.ensure("g++-multilib", "qemu-system-x86")
    source, library = SOURCES / "insnmark.c", FOLDER / "insnmark.so"
    if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
        FOLDER.mkdir(parents=True, exist_ok=True)
        tool("gcc", "-O2", "-shared", "-fPIC", "-o", library, source)
    return library


def with_options(pc: qemu.Pc, *options: str) -> qemu.Pc:
    return dataclasses.replace(pc, options=[*pc.options, *options])


def run_up_to_payload(pc: qemu.Pc, seconds: float) -> qemu.Emulator | None:
    """The PC, with the payload just announced; None if that does not come to pass."""
    emulator = qemu.Emulator(with_options(pc, *PLAIN))
    if emulator.expect(ANNOUNCED, seconds):
        return emulator
    emulator.close()
    return None


def pass_once(pc: qemu.Pc, entry: int | None, seconds: float, counted: bool = True,
              hot: Path | None = None) -> Passage:
    """Boots once. entry: the address of the first instruction that counts; None: it is reset.

    Counting slows the guest down; without it, `seconds` of the result are those of an ordinary run.
    hot: a file for how often each address was executed on the way."""
    log = FOLDER / "marks"
    words = f"file={plugin()},out={log}"
    words += f",entry={entry:x}" if entry is not None else ""
    words += f",hot={hot}" if hot else ""
    words += "" if counted else ",uncounted=on"
    options = ["-plugin", words, *(DETERMINISTIC if counted else [])]
    emulator = run_up_to_payload(with_options(pc, *options), seconds)
    if not emulator:
        raise Problem(f"the payload was not reached within {seconds:g} s")
    emulator.close()
    marks = [line.split() for line in log.read_text().splitlines()]
    at = next(i for i, mark in enumerate(marks) if mark[0] == "marker")
    # A loader may have had code of its own at that address: the last time it is the kernel's.
    begin, end = marks[at - 1], marks[at]
    if entry is not None and begin[0] != "entry":
        raise Problem(f"no instruction at {entry:#x} was executed")
    between = [[int(number) - int(earlier) for earlier, number in zip(mark[1:], end[1:])]
               for mark in (begin, marks[0])]
    return Passage(*(value for count, ns in between for value in (count, ns / 1e9)))
