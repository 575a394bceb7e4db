# SPDX-License-Identifier: BSD-2-Clause
"""File systems, used by Vesper and by Linux on a virtio disk: speed, instructions, and curves.

    ./vesper bench fs [--quick] [--profile N] [files] [folders] [volumes] [FILE SYSTEM ...]

files: a file of 64 MiB is read and written in requests of 1 MiB, and 10,000 files of 1 KiB are made
and listed, all with the cache cold before and synced after. folders: what making and finding a file
costs among 100 to 100,000. volumes: what the first file of 1 MiB costs on 64 MiB to 1 TiB. Without
one of these words: all. --quick: less, and only once. --profile lists the functions in which
Vesper's instructions go in the N-th row that it measures (storage.h; from 0), and nothing else.
"""
import argparse
import os
import shutil
import statistics
from pathlib import Path

from bench.kit import storage
from bench.kit.counter import FOLDER, SOURCES
from bench.kit.machine import describe
from bench.kit.storage import CONTROLLERS, MIB, SYSTEMS, Row
from workbench import packages, qemu
from workbench.console import Problem, Step, say, tool

CONTROLLER = CONTROLLERS["virtio-blk"]
REPEAT, SECONDS = 3, 3600
# Linux's modules, its name, and its options of mount(2). It only reads FFS.
WORKS = ("files", "folders", "volumes")
LINUX = {"ffs1": (("ufs",), "ufs", "ufstype=44bsd"),
         "ffs2": (("ufs",), "ufs", "ufstype=ufs2"),
         "ext2": (("ext4", "crc32c_generic"), "ext2", ""),
         "ext4": (("ext4", "crc32c_generic"), "ext4", ""),
         "fat32": (("vfat", "nls_cp437", "nls_ascii", "nls_utf8"), "vfat", ""),
         "exfat": (("exfat", "nls_utf8"), "exfat", "iocharset=utf8")}
PACKAGES = {"exfat": ("exfatprogs",)} | packages.FILE_SYSTEM
FILES = (("read", "read a file, by MiB", True), ("write", "write a file, by MiB", True),
         ("make", "make a file of 1 KiB", False), ("list", "list an entry", False))
FOLDER_ROWS = (("make", "make one"), ("find", "find one"), ("miss", "miss one"),
               ("first", "first after mounting"))
VOLUME_ROWS = (("mount", "mount"), ("make", "make a file of 1 MiB"), ("sync", "sync"),
               ("find", "find it"))
VOLUMES = {"64 MiB": 64 * MIB, "1 GiB": 1 << 30, "32 GiB": 32 << 30, "1 TiB": 1 << 40}


# ---- volumes ----

def make_volume(fs: str, size: int, files: int, tree: Path | None = None) -> Path:
    """Made by the tools that everyone uses, with room for so many files, and what is in `tree`
    where they can do that."""
    packages.ensure(*PACKAGES[fs])
    volume = FOLDER / "volume.img"
    volume.unlink(missing_ok=True)
    with volume.open("wb") as file:
        file.truncate(size)
    density = min(max(4096, size // (files + 1000)), 8 * MIB)  # bytes for each inode
    if fs.startswith("ffs"):
        empty = FOLDER / "empty"
        empty.mkdir(exist_ok=True)
        tool("makefs", "-t", "ffs", "-s", size, "-o",
             f"version={fs[3]},bsize=32768,fsize=4096,density={density}", volume, tree or empty,
             env=os.environ | {"LD_PRELOAD": str(sparse())})
        os.truncate(volume, size)
    elif fs.startswith("ext"):
        tool("mke2fs", "-q", "-F", "-t", fs, "-b", 4096, "-m", 0, "-i", density,
             *(["-J", "size=16"] if fs == "ext4" else []), *(["-d", tree] if tree else []), volume)
    elif fs == "fat32":
        tool("mkfs.fat", "-F", 32, *(["-s", 1] if size < 256 * MIB else []), volume)
    else:
        tool("mkfs.exfat", volume)
    return volume


def sparse() -> Path:
    library = FOLDER / "sparse.so"
    tool("gcc", "-O2", "-shared", "-fPIC", "-o", library, SOURCES / "sparse.c")
    return library


def copy_super_block(volume: Path) -> None:
    """makefs puts UFS2's at 8 KiB; Linux looks only at 64 KiB. What is there, the first cylinder
    group's header, is of no use to who only reads. For Linux alone."""
    with volume.open("r+b") as file:
        file.seek(8192)
        data = file.read(8192)
        file.seek(65536)
        file.write(data)


def make_tree(mib: int, count: int) -> Path:
    """A file "big" whose MiBs begin with their marks, and "many" small ones."""
    tree = FOLDER / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "many").mkdir(parents=True)
    with (tree / "big").open("wb") as file:
        for number in range(mib):
            file.write(storage.mark(number) + os.urandom(MIB - 4))
    for number in range(count):
        (tree / f"many/F{number:07}").write_bytes(os.urandom(1024))
    return tree


def machine(fs: str, system: str, words: str, volume: Path) -> qemu.Pc:
    modules, kind, how = LINUX[fs]
    if system == "Linux":
        words += f" type={kind} how={how}" if how else f" type={kind}"
        if fs == "ffs2":
            copy_super_block(volume)
    return storage.machine(system, CONTROLLER, volume, words, modules)


# ---- what is measured ----

def files(fs: str, system: str, quick: bool) -> qemu.Pc:
    mib, count = (8, 200) if quick else (64, 10000)
    tree = make_tree(mib, count)
    size = (4 * mib + 16) * MIB + 4 * 4096 * count
    volume = make_volume(fs, size - size % MIB, 2 * count + 10, tree)
    words = f"work=files mib={mib} count={count} size={size // MIB}"
    return machine(fs, system, words, volume)


def folders(fs: str, system: str, quick: bool) -> qemu.Pc:
    # A folder of FAT has room for 65,536 names, of which these take one each.
    count = 1000 if quick else 10000 if fs == "fat32" else 100000
    return machine(fs, system, f"work=folder count={count}",
                   make_volume(fs, 64 * MIB if quick else 512 * MIB, count))


def volumes(fs: str, system: str, size: str) -> qemu.Pc:
    return machine(fs, system, "work=volume", make_volume(fs, VOLUMES[size], 1000))


def measure(title: str, make, repeat: int) -> dict[str, list[Row]]:
    """Of both systems; nothing of one that cannot do it."""
    found = {}
    for system in SYSTEMS:
        with Step(f"Measuring {title}: {system}"):
            try:
                found[system] = storage.best(lambda: make(system), SECONDS, repeat)
            except Problem as problem:
                say(f"{title}, {system}: {problem}")
                found[system] = []
    return found


# ---- tables ----

def show_files(names: list[str], quick: bool, repeat: int) -> None:
    mib, count = (8, 200) if quick else (64, 10000)
    print(f"\n{'':32}{'speed':>27}{'instructions':>37}")
    for fs in names:
        found = measure(f"files on {fs}", lambda system: files(fs, system, quick), repeat)
        linux, vesper = (by_name(found[system]) for system in SYSTEMS)
        print(f"\n{fs:32}{'Linux':>10}{'Vesper':>10}{'ratio':>7}{'Linux':>14}{'Vesper':>11}"
              f"{'ratio':>7}")
        for name, title, large in FILES:
            if name not in linux and name not in vesper:
                continue
            done = mib if large else count
            print(f"{title:27}{'MB/s' if large else '/s':>5}"
                  + pair(linux.get(name), vesper.get(name), 10, 10,
                         lambda row: done * (MIB / 1e6 if large else 1) / row.seconds, 2)
                  + pair(linux.get(name), vesper.get(name), 14, 11,
                         lambda row: row.instructions / done, 3), flush=True)
        if "read" in vesper:
            print(f"  the file is read at {share_of_raw(found['Vesper']):.2f} "
                  "of the raw device's speed", flush=True)


def share_of_raw(rows: list[Row]) -> float:
    """The median of the turns: one of the least times of each may be from a moment that the other
    had not."""
    raw, read = ([row.seconds for row in rows if row.name == name] for name in ("raw", "read"))
    return statistics.median(device / file for device, file in zip(raw, read))


def by_name(rows: list[Row]) -> dict[str, Row]:
    """Of those that come several times the least."""
    found = {}
    for row in rows:
        old = found.get(row.name, row)
        found[row.name] = Row(row.name, min(row.instructions, old.instructions),
                              min(row.seconds, old.seconds))
    return found


def pair(linux: Row | None, vesper: Row | None, width: int, other: int, figure, digits: int) -> str:
    values = [figure(row) if row else None for row in (linux, vesper)]
    ratio = f"{values[1] / values[0]:.{digits}f}" if None not in values else "-"
    shown = ["-" if value is None else f"{value:,.0f}" for value in values]
    return f"{shown[0]:>{width}}{shown[1]:>{other}}{ratio:>7}"


def show_curve(title: str, rows, columns: list[str], found: dict[str, list[list[Row]]],
               done: int) -> None:
    """Instructions of each row at each size. found: of each system, the rows at each size."""
    print(f"\n{title:28}" + "".join(f"{column:>12}" for column in columns))
    for system in SYSTEMS:
        for name, what in rows:
            cells = []
            for at in found[system]:
                count = next((row.instructions for row in at if row.name == name), None)
                each = done if name in ("make", "find", "miss") else 1
                cells.append("-" if count is None else f"{count / each:,.0f}")
            if any(cell != "-" for cell in cells):
                print(f"  {system:7}{what:19}" + "".join(f"{cell:>12}" for cell in cells),
                      flush=True)


def show_folders(names: list[str], quick: bool) -> None:
    print("\nInstructions by the number of files in the folder")
    for fs in names:
        found = measure(f"folders on {fs}", lambda system: folders(fs, system, quick), 0)
        counts = [f"{100 * 10 ** n:,}" for n in range(2 if quick else 4)]
        groups = {system: [rows[at:at + len(FOLDER_ROWS)]
                           for at in range(0, len(rows), len(FOLDER_ROWS))]
                  for system, rows in found.items()}
        show_curve(fs, FOLDER_ROWS, counts, groups, 100)


def show_volumes(names: list[str], quick: bool) -> None:
    print("\nInstructions by the size of the volume")
    sizes = list(VOLUMES)[:2 if quick else None]
    for fs in names:
        found = {system: [] for system in SYSTEMS}
        for size in sizes:
            one = measure(f"{size} of {fs}", lambda system: volumes(fs, system, size), 0)
            for system in SYSTEMS:
                found[system].append(one[system])
        show_curve(fs, VOLUME_ROWS, sizes, found, 1)


def show_profile(fs: str, work: str, number: int, quick: bool) -> None:
    make = {"files": lambda: files(fs, "Vesper", quick),
            "folders": lambda: folders(fs, "Vesper", quick),
            "volumes": lambda: volumes(fs, "Vesper", "1 GiB")}[work]
    found = storage.functions(make(), SECONDS, number)
    print(f"{fs} {work}, row {number}: {found.total():,} instructions")
    for function, instructions in found.most_common(25):
        print(f"{instructions:12,}{100 * instructions / found.total():7.1f} %  {function}")


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./vesper bench fs", usage=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--profile", metavar="ROW", type=int)
    parser.add_argument("what", nargs="*")
    options = parser.parse_args(words)
    works = [word for word in options.what if word in WORKS] or list(WORKS)
    names = [word for word in options.what if word not in WORKS] or list(LINUX)
    if not set(names) <= set(LINUX):
        raise Problem("no such file system", f"There are: {', '.join(LINUX)}.", code=2)
    FOLDER.mkdir(parents=True, exist_ok=True)
    if options.profile is not None:
        for fs in names:
            show_profile(fs, works[0], options.profile, options.quick)
        return 0
    print(describe(), flush=True)
    if "files" in works:
        show_files(names, options.quick, 1 if options.quick else REPEAT)
    if "folders" in works:
        show_folders(names, options.quick)
    if "volumes" in works:
        show_volumes(names, options.quick)
    (FOLDER / "volume.img").unlink(missing_ok=True)
    shutil.rmtree(FOLDER / "tree", ignore_errors=True)
    return 0
