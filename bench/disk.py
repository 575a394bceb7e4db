# SPDX-License-Identifier: BSD-2-Clause
"""Disks, read and written by Vesper and by Linux at each controller: speed and instructions.

    ./vesper bench disk [--quick] [--profile ROW] [CONTROLLER ...]

CONTROLLER selects those whose names contain it: ide, ahci, nvme, virtio-blk, virtio-scsi.
A disk of 256 MiB is read and written in requests of 1 MiB, and 4,096 times at random in requests
of 4 KiB, one at a time and 32 at once; by Linux with O_DIRECT. --quick: less, and only once.
--profile lists the functions in which Vesper's instructions go in a row, and nothing else.
"""
import argparse
from pathlib import Path

from bench.kit import storage
from bench.kit.counter import FOLDER
from bench.kit.machine import describe
from bench.kit.storage import BLOCK, CONTROLLERS, MIB, SYSTEMS, Row
from workbench.console import Problem, Step

REPEAT, SECONDS = 3, 300
# Row of storage.h, in its order; what it is; whether requests are of a MiB; what Vesper's speed is
# to be at least and its instructions at most, as parts of Linux's.
ROWS = (("read-1", "read 4 KiB, one at a time", False, 1.5, 0.2),
        ("write-1", "write 4 KiB, one at a time", False, 1.5, None),
        ("read-32", "read 4 KiB, 32 at once", False, 1.0, 0.2),
        ("write-32", "write 4 KiB, 32 at once", False, 1.0, None),
        ("read", "read 1 MiB", True, 1.0, None),
        ("write", "write 1 MiB", True, 1.0, None))


def make_disk(mib: int) -> Path:
    """Each of its blocks begins with its mark, as storage.h has it."""
    disk = FOLDER / "disk.img"
    FOLDER.mkdir(parents=True, exist_ok=True)
    rest = bytes(range(256)) * (BLOCK // 256)
    with disk.open("wb") as file:
        for first in range(0, mib * MIB // BLOCK, MIB // BLOCK):
            file.write(b"".join(storage.mark(first + i) + rest[4:] for i in range(MIB // BLOCK)))
    return disk


def machine(name: str, system: str, mib: int, count: int):
    return storage.machine(system, CONTROLLERS[name], make_disk(mib),
                           f"work=disk mib={mib} count={count}")


def measure(name: str, mib: int, count: int, repeat: int) -> dict[str, dict[str, Row]]:
    found = {}
    for system in SYSTEMS:
        with Step(f"Measuring {name}: {system}"):
            rows = storage.best(lambda: machine(name, system, mib, count), SECONDS, repeat)
            found[system] = {row.name: row for row in rows}
    return found


def table(name: str, found: dict[str, dict[str, Row]], mib: int, count: int) -> list[str]:
    """Prints a controller's rows; returns those that are not as they should be."""
    print(f"\n{CONTROLLERS[name].title:32}{'Linux':>9}{'Vesper':>9}{'ratio':>7}{'at least':>9}"
          f"{'Linux':>12}{'Vesper':>9}{'ratio':>7}{'at most':>8}")
    missed = []
    for row, title, large, least, most in ROWS:
        operations = mib if large else count
        speeds, work = [], []
        for system in SYSTEMS:
            one = found[system][row]
            per_second = operations / one.seconds
            speeds.append(per_second * MIB / 1e6 if large else per_second)
            work.append(one.instructions / operations)
        ratios = speeds[1] / speeds[0], work[1] / work[0]
        unit = "MB/s" if large else "IOPS"
        print(f"{title:27}{unit:>5}{speeds[0]:9,.0f}{speeds[1]:9,.0f}{ratios[0]:7.2f}{least:>9}"
              f"{work[0]:12,.0f}{work[1]:9,.0f}{ratios[1]:7.3f}{most or '':>8}".rstrip())
        if ratios[0] < least or (most and ratios[1] > most):
            missed.append(f"{name} {row}")
    return missed


def show_profile(name: str, row: str, mib: int, count: int) -> None:
    number = [wanted for wanted, *_ in ROWS].index(row)
    found = storage.functions(machine(name, "Vesper", mib, count), SECONDS, number)
    print(f"{name} {row}: {found.total():,} instructions")
    for function, instructions in found.most_common(25):
        print(f"{instructions:12,}{100 * instructions / found.total():7.1f} %  {function}")


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./vesper bench disk", usage=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--profile", metavar="ROW", choices=[row[0] for row in ROWS])
    parser.add_argument("controllers", nargs="*")
    options = parser.parse_args(words)
    chosen = [name for name in CONTROLLERS
              if any(part in name for part in options.controllers or [""])]
    if not chosen:
        raise Problem("no such controller", f"There are: {', '.join(CONTROLLERS)}.", code=2)
    mib, count, repeat = (8, 256, 1) if options.quick else (256, 4096, REPEAT)
    if options.profile:
        for name in chosen:
            show_profile(name, options.profile, mib, count)
        return 0
    results = {name: measure(name, mib, count, repeat) for name in chosen}
    print(f"{describe()}\n\n{'':32}{'speed':>25}{'instructions':>45}")
    missed = [row for name in chosen for row in table(name, results[name], mib, count)]
    print(f"\nInstructions are per MiB or per request of 4 KiB; time is the least of {repeat}.")
    if missed:
        print(f"Not as they should be: {', '.join(missed)}")
    (FOLDER / "disk.img").unlink(missing_ok=True)
    return 0
