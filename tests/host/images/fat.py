#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""FAT volumes by mkfs.fat and mtools. Beside each NAME.img: NAME.list, what mtools sees on it (a
path
a line), and NAME.free, how many bytes it says are free."""
import os
import re
import subprocess
import sys
import tempfile

import tree

ENVIRONMENT = {**os.environ, "MTOOLS_SKIP_CHECK": "1", "LC_ALL": "C.UTF-8", "TZ": "UTC",
               "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}

# name: (KiB, mkfs.fat's options, with the big file)
VOLUMES = {
    "fat12_floppy": (1440, [], False),
    "fat12": (8000, ["-F", "12", "-s", "4", "-f", "1", "-n", "TWELVE"], True),
    "fat16": (12000, ["-F", "16", "-s", "2", "-n", "SIXTEEN"], True),
    "fat16_2k_clusters": (9000, ["-F", "16", "-s", "4", "-r", "64"], True),
    "fat32": (35000, ["-F", "32", "-s", "1", "-n", "THIRTY TWO"], True),
    "fat12_4k_sectors": (9000, ["-F", "12", "-S", "4096", "-s", "1"], True),
    "fat12_8k_clusters": (6000, ["-F", "12", "-S", "1024", "-s", "8"], False),
}
EMPTY = {  # that are written
    "empty_fat12": (700, ["-F", "12", "-s", "1", "-n", "EMPTY"]),
    "empty_fat16": (2400, ["-F", "16", "-s", "1", "-r", "64"]),
    "empty_fat32": (3000, ["-F", "32", "-s", "2"]),
    "empty_fat16_4k_clusters": (17000, ["-F", "16", "-s", "8"]),
    "empty_fat12_4k_sectors": (6000, ["-F", "12", "-S", "4096", "-s", "1"]),
    "empty_fat32_4k_sectors": (9000, ["-F", "32", "-S", "4096", "-s", "2", "-f", "1"]),
}
FACES = "☺☻"  # mtools knows no surrogate pairs: these two units become one
NAMES = ["ä.txt", "日本語.txt", f"smile {FACES}.txt", "lower.txt", "UPPER.TXT", "mixed.TXT",
         "Mixed Case.Txt", "no_ext", "two.dots.txt", "+plus,[brackets];=.txt", "x" * 255, "ü" * 120]


def run(*command: str) -> str:
    return subprocess.run(command, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, encoding="utf-8").stdout


def make_volume(image: str, kibibytes: int, options: list[str]) -> None:
    if os.path.exists(image):
        os.unlink(image)
    run("mkfs.fat", "-C", *options, image, str(kibibytes))


def copy(image: str, *files: str, to: str = "/") -> None:
    run("mcopy", "-i", image, "-s", "-Q", "-m", *files, "::" + to)


def describe(image: str) -> None:
    stem = os.path.splitext(image)[0]
    lines = run("mdir", "-i", image, "-/", "-b", "::").splitlines()
    paths = sorted(line.removeprefix("::").rstrip("/") for line in lines if line)
    with open(stem + ".list", "w", encoding="utf-8") as file:
        file.write("".join(path + "\n" for path in paths))
    free = re.search(r"([\d ]+) bytes free", run("mdir", "-i", image, "::"))
    with open(stem + ".free", "w", encoding="utf-8") as file:
        file.write(free.group(1).replace(" ", "") + "\n")


def write(folder: str, name: str, size: int, content_of: str | None = None) -> str:
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(tree.content(content_of or name, size))
    os.utime(path, (1078058096, 1078058096))  # 2004-02-29 12:34:56 UTC
    return path


def make_fragmented(image: str, folder: str) -> None:
    """Small files, every other one deleted, the holes filled by larger ones: these are in
    pieces."""
    make_volume(image, 2000, ["-F", "12", "-s", "1"])
    copy(image, *(write(folder, f"small{i:03}", 512) for i in range(400)))
    run("mdel", "-i", image, *(f"::/small{i:03}" for i in range(0, 400, 2)))
    copy(image, write(folder, "scattered", 80_000))
    copy(image, write(folder, "partly", 60_001))  # the last holes, then in one piece


def make_names(image: str, folder: str) -> None:
    make_volume(image, 4000, ["-F", "12", "-n", "NAMES"])
    copy(image, *(write(folder, name, 1000) for name in NAMES))
    copy(image, write(folder, "a name that will be deleted.txt", 10))
    run("mdel", "-i", image, "::/a name that will be deleted.txt")
    for i in range(1000):
        write(folder, f"long/{i:04} is the number of this file with a long name.text", i % 7, "n")
    copy(image, os.path.join(folder, "long"))
    run("mattrib", "-i", image, "+r", "::/UPPER.TXT")


def make_pairs(image: str) -> None:
    """U+1F600 in the place of FACES."""
    with open(image, "r+b") as file:
        data = file.read()
        assert data.count(FACES.encode("utf-16-le")) == 1
        file.seek(data.index(FACES.encode("utf-16-le")))
        file.write("😀".encode("utf-16-le"))
    listing = os.path.splitext(image)[0] + ".list"
    with open(listing, encoding="utf-8") as file:
        text = file.read()
    with open(listing, "w", encoding="utf-8") as file:
        # mdir -b knows no lower case beyond ASCII; without -b it says ä, and so does Windows.
        file.write(text.replace(FACES, "😀").replace("/Ä", "/ä"))


def make_small(folder: str, files: str) -> None:
    """Bases for the fuzzer."""
    names = [write(files, "kexec", 3000), write(files, "a file with a long name ä.txt", 700)]
    for name in ("first", "second", "third"):
        names.append(write(files, name, 600))
    write(files, "directory/sub/deep.txt", 100, "deep.txt")
    for i in range(20):
        write(files, f"directory/long name number {i}", i, "n")
    bases = (12, 100, []), (16, 2200, ["-r", "64"]), (32, 33500, ["-f", "1"])
    for bits, kibibytes, options in bases:
        image = os.path.join(folder, f"small_fat{bits}.img")
        make_volume(image, kibibytes, ["-F", str(bits), "-s", "1", "-n", "SMALL", *options])
        copy(image, *names, os.path.join(files, "directory"))
        run("mdel", "-i", image, "::/first", "::/third")
        copy(image, write(files, "in pieces", 5000))


def main(folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        trees = {big: os.path.join(temporary, f"tree{big}") for big in (False, True)}
        for big, path in trees.items():
            os.mkdir(path)
            tree.make(path, links=False, big=big)
        for name, (kibibytes, options, big) in VOLUMES.items():
            image = os.path.join(folder, name + ".img")
            make_volume(image, kibibytes, options)
            entries = sorted(os.listdir(trees[big]))
            copy(image, *(os.path.join(trees[big], entry) for entry in entries))
            describe(image)
        for name, (kibibytes, options) in EMPTY.items():
            make_volume(os.path.join(folder, name + ".img"), kibibytes, options)
        for name, maker in (("fat_fragmented", make_fragmented), ("fat_names", make_names)):
            image = os.path.join(folder, name + ".img")
            maker(image, os.path.join(temporary, name))
            describe(image)
        make_pairs(os.path.join(folder, "fat_names.img"))
        with open(os.path.join(folder, "cp437.txt"), "w", encoding="utf-8") as file:
            file.write(bytes(range(0x80, 0x100)).decode("cp437"))
        make_small(folder, os.path.join(temporary, "small"))


if __name__ == "__main__":
    main(sys.argv[1])
