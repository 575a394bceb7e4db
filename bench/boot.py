# SPDX-License-Identifier: BSD-2-Clause
"""From the kernel's first instruction to the payload's: instructions, time, size, memory.

    ./vesper bench boot [--quick] [--profile] [ROW ...]

ROW selects the rows whose names contain it: linux, u-boot-virtio, u-boot-ide, grub, direct,
vesper-BOOT-FS, size, memory, build. Ratios need the rows linux and u-boot-virtio in the same run.
--quick measures once, leaves out combinations and what takes long. --profile lists the functions
in which the chosen Vesper rows (vesper-multiboot-ffs2) spend their instructions, and nothing else.
"""
import argparse
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import Callable

from bench.kit import counter, elf, memory, peers, profile
from bench.kit.counter import FOLDER, Passage
from bench.kit.machine import describe
from bench.kit.peers import Start
from workbench import build, image
from workbench.console import ROOT, Problem, Step, say, tool

REPEAT, ENOUGH = 3, 30  # runs a row, and seconds after which no further one is begun
USED_MIB = 64
EDIT_LIMIT = 60
COLUMNS = (("million", 9), ("of Linux", 10), ("of U-Boot", 11), ("time", 9),
           ("million", 12), ("of U-Boot", 11), ("time", 9))


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    make: Callable[[], Start]


@dataclass(frozen=True)
class Figures:
    counted: list[Passage]
    timed: list[Passage]

    def least(self, field: str) -> float:
        """Of all runs: what the host does meanwhile can only add to it."""
        runs = self.timed if field.endswith("seconds") else self.counted
        return min(getattr(run, field) for run in runs)

    def spread(self, field: str) -> float:
        values = [getattr(run, field) for run in self.counted]
        return max(values) / max(1, min(values)) - 1 if max(values) else 0.0


def rows(quick: bool) -> list[Row]:
    found = [Row("linux", "Linux", peers.linux),
             Row("u-boot-virtio", "U-Boot, virtio disk", lambda: peers.u_boot("virtio"))]
    if not quick:
        found += [Row("u-boot-ide", "U-Boot, IDE disk", lambda: peers.u_boot("ide")),
                  Row("grub", "GRUB multiboot ffs2", peers.grub)]
    found.append(Row("direct", "no kernel at all", peers.direct))
    for boot in peers.BOOTS:
        for fs in image.FILE_SYSTEMS:
            if not quick or boot == "multiboot" or fs == "ffs2":
                found.append(Row(f"vesper-{boot}-{fs}", f"Vesper {boot} {fs}",
                                 lambda boot=boot, fs=fs: peers.vesper(boot, fs)))
    return found


def measure(row: Row, repeat: int) -> Figures:
    start = row.make()
    figures = Figures([], [])
    begun = time.monotonic()
    with Step(f"Measuring {row.name}"):
        for number in range(repeat):
            if number and time.monotonic() - begun > ENOUGH:
                break
            for runs, counted in ((figures.counted, True), (figures.timed, False)):
                runs.append(pass_once(start, counted))
    return figures


def pass_once(start: Start, counted: bool) -> Passage:
    for _ in range(start.attempts - 1):
        try:
            return counter.pass_once(start.pc, start.entry, start.seconds, counted)
        except Problem as problem:
            say(f"once more, for {problem}")
    return counter.pass_once(start.pc, start.entry, start.seconds, counted)


# ---- the table ----

def ratio(value: float, whole: float | None) -> str:
    if not whole or not value:
        return "-"
    percent = 100 * value / whole
    return f"{percent:,.{0 if percent >= 100 else 1 if percent >= 1 else 4}f} %"


def clock(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def table(results: dict[Row, Figures | Problem]) -> None:
    known = {row.name: figures for row, figures in results.items() if isinstance(figures, Figures)}
    linux = known["linux"].least("instructions") if "linux" in known else None
    u_boot = known["u-boot-virtio"].least("instructions") if "u-boot-virtio" in known else None
    print(f"{'':27}{'entry to payload':>28}{'reset to payload':>39}\n{'':27}"
          + "".join(f"{title:>{width}}" for title, width in COLUMNS))
    for row, figures in results.items():
        if isinstance(figures, Problem):
            cause = str(figures).splitlines()[0]
            print(f"{row.title:27} not measured: {cause}")
            continue
        count, whole = figures.least("instructions"), figures.least("reset_instructions")
        cells = (f"{count / 1e6:,.3f}", ratio(count, linux), ratio(count, u_boot),
                 clock(figures.least("seconds")), f"{whole / 1e6:,.3f}", ratio(whole, u_boot),
                 clock(figures.least("reset_seconds")))
        print(f"{row.title:27}" + "".join(f"{cell:>{width}}"
                                          for cell, (_, width) in zip(cells, COLUMNS)))
    print("\nThe least of each row's runs.")
    for field, since in (("instructions", "entry"), ("reset_instructions", "reset")):
        repeated = [(figures.spread(field), row.title) for row, figures in results.items()
                    if isinstance(figures, Figures) and len(figures.counted) > 1]
        if repeated:
            most, title = max(repeated)
            print(f"Since {since} a row's least and most instructions differ by up to "
                  f"{100 * most:.1f} % ({title}).")


def machine() -> None:
    print(f"{describe()}; U-Boot: {peers.u_boot_version() or 'none'}\n")


# ---- size, memory, build ----

def size(quick: bool) -> None:
    print("\nKernel files, KiB:         whole   stripped   loaded   with .bss")
    for config in ["GENERIC"] if quick else build.configurations():
        kernel = build.kernel(config)
        stripped = FOLDER / "stripped"
        tool("objcopy", "--strip-all", kernel, stripped)
        parts = elf.segments(kernel)
        kib = [kernel.stat().st_size, stripped.stat().st_size,
               sum(part.file_bytes for part in parts), sum(part.memory_bytes for part in parts)]
        print(f"  {config:20}{kib[0] >> 10:10}{kib[1] >> 10:11}{kib[2] >> 10:9}{kib[3] >> 10:12}")
    if peers.U_BOOT.exists():
        print(f"  U-Boot's ROM        {peers.U_BOOT.stat().st_size >> 10:10}")
    for kernel in peers.LINUX.glob("*"):
        print(f"  Linux (compressed)  {kernel.stat().st_size >> 10:10}")


def ram(quick: bool) -> None:
    start = peers.vesper("multiboot", "ffs2")
    used = memory.used(start, peers.direct(), USED_MIB)
    print(f"\nRAM, when the payload of 32 KiB begins (multiboot, ffs2, {USED_MIB} MiB):\n"
          f"  written by the kernel   {used.written >> 10:8} KiB, itself and the payload included\n"
          f"  not given to the payload{used.withheld >> 10:8} KiB: all below it, and the heap")
    if quick:
        return
    print("Smallest RAM that boots:")
    for title, make, seconds in (("Vesper", lambda: start, 10),
                                 ("U-Boot", lambda: peers.u_boot("virtio"), 10),
                                 ("Linux", peers.linux, 30)):
        try:
            with Step(f"Looking for the smallest RAM of {title}"):
                least = memory.smallest(make(), seconds)
            print(f"  {title:24}{least or 'over 128':>8} MiB")
        except Problem as problem:
            print(f"  {title:24} not measured: {str(problem).splitlines()[0]}")


def build_time() -> None:
    folder = FOLDER / "clean"
    shutil.rmtree(folder, ignore_errors=True)
    begun = time.monotonic()
    build.run("GENERIC", folder, "Building the kernel from clean")
    print(f"\nBuild of GENERIC from clean           {time.monotonic() - begun:6.1f} s")
    print(f"From an edit to the running payload   {edit_to_running():6.1f} s")


def edit_to_running() -> float:
    """`./vesper run` of a source that has just been changed, until the payload speaks."""
    build.kernel()
    source = FOLDER / "edited.asm"
    source.write_text(f'%include "{counter.SOURCES}/marker.inc"\nbits 32\nANNOUNCE\nFILL\n')
    begun = time.monotonic()
    with subprocess.Popen([ROOT / "vesper", "run", source], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        said = b""
        while counter.ANNOUNCED.encode() not in said and time.monotonic() - begun < EDIT_LIMIT:
            more = os.read(process.stdout.fileno(), 4096)
            if not more:
                break
            said += more
        seconds = time.monotonic() - begun
        process.terminate()
    if counter.ANNOUNCED.encode() not in said:
        raise Problem("`./vesper run` did not reach the payload")
    return seconds


def show_profile(row: Row) -> None:
    found = profile.functions(row.make(), build.kernel())
    print(f"{row.title}: {found.total():,} instructions from entry to payload")
    for name, count in found.most_common(25):
        print(f"{count:12,}{100 * count / found.total():7.1f} %  {name}")


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./vesper bench boot", usage=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("rows", nargs="*")
    options = parser.parse_args(words)
    extra = ["size", "memory"] + ([] if options.quick else ["build"])
    wanted = options.rows or (["vesper-multiboot-ffs2"] if options.profile else [""])

    def chosen(name: str) -> bool:
        return any(word in name for word in wanted)

    selected = [row for row in rows(options.quick) if chosen(row.name)]
    if options.profile:
        selected = [row for row in selected if row.name.startswith("vesper")]
    if not selected and (options.profile or not any(map(chosen, extra))):
        names = ", ".join([row.name for row in rows(options.quick)] + extra)
        raise Problem(f"no row's name contains {' or '.join(wanted)}", f"There are: {names}.", 2)
    if options.profile:
        for row in selected:
            show_profile(row)
        return 0
    results = {}
    for row in selected:
        try:
            results[row] = measure(row, 1 if options.quick else REPEAT)
        except Problem as problem:
            say(f"{row.name}: {problem}")
            results[row] = problem
    machine()
    if results:
        table(results)
    if chosen("size"):
        size(options.quick)
    if chosen("memory"):
        ram(options.quick)
    if "build" in extra and chosen("build"):
        build_time()
    return int(any(isinstance(result, Problem) and row.name.startswith("vesper")
                   for row, result in results.items()))
