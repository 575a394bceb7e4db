# SPDX-License-Identifier: BSD-2-Clause
"""Partitioned disks: tables by sfdisk, fdisk, sgdisk and mkfs.fat. fdisk writes plain disklabels
only: the others are put together here, and fdisk reads them.

Every partition's first block says which one it is: "vesper NAME"."""
import os
import struct
import subprocess
import sys

MIB = 1 << 20


def disklabel(partitions, sector_bytes: int = 512, total: int = 16384) -> bytes:
    """struct disklabel of NetBSD's <sys/disklabel.h>. partitions: (offset, size, fstype)."""
    head = struct.pack(
        "<IHH16s16s6I", 0x82564557, 5, 0, b"fictitious", b"vesper",
        sector_bytes, 32, 64, total // 2048, 2048, total)
    head += struct.pack("<HHIHHHHIII", 0, 0, 0, 3600, 1, 0, 0, 0, 0, 0)
    head += struct.pack("<5I5I", *(0,) * 10)
    table = b"".join(struct.pack("<IIIBBH", size, offset, 2048, fstype, 8, 16)
                     for offset, size, fstype in partitions)

    def whole(checksum: int) -> bytes:
        count = len(partitions)
        return head + struct.pack("<IHHII", 0x82564557, checksum, count, 8192, 65536) + table

    checksum = 0
    for (word,) in struct.iter_unpack("<H", whole(0)):
        checksum ^= word
    return whole(checksum)


def blank(path: str, mib: int = 8) -> str:
    with open(path, "wb") as file:
        file.truncate(mib * MIB)
    return path


def put(path: str, offset: int, data: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def mark(path: str, places, sector_bytes: int = 512) -> None:
    for name, block in places.items():
        put(path, block * sector_bytes, b"vesper " + name.encode() + b"\0")


def run(command, script: str = "") -> None:
    # fdisk ends with an error where it cannot tell the kernel: the image is what counts.
    tool = subprocess.run(command, input=script, text=True, capture_output=True, check=False)
    if tool.returncode:
        sys.exit(f"{' '.join(command)}: {tool.stdout}{tool.stderr}")


def sfdisk(path: str, script: str) -> None:
    run(["/usr/sbin/sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", path], script)


def mbr(out: str) -> None:
    path = blank(f"{out}/part-mbr.img")
    sfdisk(path, "label: dos\n"
                 "1: start=2048, size=2048, type=83, bootable\n"
                 "2: start=4096, size=1024, type=c\n"
                 "3: start=5120, size=1000, type=39\n"
                 "4: start=6144, type=f\n"
                 "5: start=6208, size=1000, type=83\n"
                 "6: start=8192, size=2048, type=82\n"
                 "7: start=10304, size=6080, type=7\n")
    mark(path, {"p1": 2048, "p2": 4096, "p3": 5120, "p5": 6208, "p6": 8192, "p7": 10304})


def mbr_4096(out: str) -> None:
    path = blank(f"{out}/part-mbr4096.img")
    run(["/usr/sbin/fdisk", "--sector-size", "4096", path],
        "o\nn\np\n1\n256\n767\nn\np\n2\n1024\n1535\nt\n2\na9\nw\n")
    put(path, (1024 + 1) * 4096, disklabel([(1024, 256, 7), (1280, 256, 1)], 4096, 2048))
    mark(path, {"p1": 256, "a": 1024, "b": 1280}, 4096)


def netbsd(out: str) -> None:
    path = blank(f"{out}/part-netbsd.img")
    sfdisk(path, "label: dos\n"
                 "1: start=63, size=1985, type=6\n"
                 "2: start=2048, size=14336, type=a9, bootable\n")
    label = [(2048, 8192, 7), (10240, 2048, 1), (2048, 14336, 0), (0, 16384, 0), (63, 1985, 8)]
    label += [(0, 0, 0)] * 10 + [(12288, 4096, 17)]
    put(path, (2048 + 1) * 512, disklabel(label))
    mark(path, {"a": 2048, "b": 10240, "e": 63, "p": 12288})


def label_by_fdisk(out: str) -> None:
    path = blank(f"{out}/part-fdisk.img")
    sfdisk(path, "label: dos\n1: start=2048, size=14336, type=a9\n")
    run(["/usr/sbin/fdisk", path],
        "b\ny\nn\na\n2048\n8191\nt\na\n7\nn\nb\n8192\n16383\nt\nb\n1\nw\nq\n")
    mark(path, {"a": 2048, "b": 8192})


def label_alone(out: str) -> None:
    path = blank(f"{out}/part-label.img")
    put(path, 512, disklabel([(0, 8192, 7), (8192, 4096, 1), (0, 16384, 0), (0, 16384, 0),
                              (12288, 4096, 99)]))
    mark(path, {"a": 0, "b": 8192, "e": 12288})


def logical_label(out: str) -> None:
    path = blank(f"{out}/part-logical.img")
    sfdisk(path, "label: dos\n1: start=2048, type=5\n5: start=4096, size=8192, type=a9\n")
    put(path, (4096 + 1) * 512, disklabel([(4096, 8192, 7)]))
    mark(path, {"a": 4096})


def freebsd(out: str) -> None:
    """Offsets from the start of the MBR partition, and (raw partition not at 0) of the disk."""
    for name, start in ("freebsd", 0), ("freebsd-absolute", 4096):
        path = blank(f"{out}/part-{name}.img")
        sfdisk(path, "label: dos\n1: start=4096, size=8192, type=a5\n")
        put(path, (4096 + 1) * 512,
            disklabel([(start + 16, 4000, 7), (start + 4016, 4000, 1), (start, 8192, 0)]))
        mark(path, {"a": 4096 + 16, "b": 4096 + 4016})


def whole_disks(out: str) -> None:
    """FAT volumes without a partition table."""
    for bits in "12", "16", "32":
        path = blank(f"{out}/part-fat{bits}.img", {"12": 2, "16": 5, "32": 34}[bits])
        run(["/usr/sbin/mkfs.fat", "-F", bits, "-s", "1", path])
    path = blank(f"{out}/part-fat-then-mbr.img")  # a stick that was partitioned later
    run(["/usr/sbin/mkfs.fat", "-F", "16", "-s", "1", path])
    with open(path, "rb") as file:
        before = file.read(446)
    sfdisk(path, "label: dos\n1: start=2048, size=2048, type=83\n")
    put(path, 0, before)
    mark(path, {"p1": 2048})


def gpt(out: str) -> None:
    """Of two tools, with blocks of 512 and 4096 bytes, and on a disk of 3 TiB."""
    path = blank(f"{out}/part-gpt.img")
    run(["/usr/sbin/sgdisk", "-a", "1", "-n", "1:2048:+1M", "-t", "1:ef00", "-c", "1:boot ☺",
         "-n", "3:4096:+2M", "-t", "3:a902", "-n", "4:8192:9000", "-t", "4:8300", "-n",
         "128:10000:16000", "-u", "128:01234567-89ab-cdef-0123-456789abcdef", "-t",
         "128:12345678-9abc-def0-1234-56789abcdef0", path])
    mark(path, {"p1": 2048, "p3": 4096, "p4": 8192, "p128": 10000})
    path = blank(f"{out}/part-gpt4096.img")
    run(["/usr/sbin/fdisk", "--sector-size", "4096", path],
        "g\nn\n1\n256\n511\nn\n2\n512\n1023\nw\n")
    mark(path, {"p1": 256, "p2": 512}, 4096)
    path = blank(f"{out}/part-gpt3t.img", 3 << 20)
    run(["/usr/sbin/sgdisk", "-n", "1:2048:+1M", "-n", "2:6000000000:+1G", path])
    mark(path, {"p1": 2048, "p2": 6000000000 // 2048 * 2048})
    path = blank(f"{out}/part-gpt-openbsd.img")
    run(["/usr/sbin/sgdisk", "-n", "1:2048:16000", "-t", "1:a600", path])
    put(path, 2049 * 512, disklabel([(4096, 8192, 7), (0, 0, 0), (0, 16384, 0)]))
    mark(path, {"a": 4096})


def main(out: str) -> None:
    os.makedirs(out, exist_ok=True)
    for make in (mbr, mbr_4096, netbsd, label_by_fdisk, label_alone, logical_label, freebsd,
                 whole_disks, gpt):
        make(out)


if __name__ == "__main__":
    main(sys.argv[1])
