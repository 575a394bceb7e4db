# SPDX-License-Identifier: BSD-2-Clause
"""The two labels that a disk can have: the MBR's table, and NetBSD's disklabel inside it."""
import struct

SECTOR = 512
START = 2048  # sectors before the first partition: room for GRUB
MBR_TYPE = {"ffs1": 0xA9, "ffs2": 0xA9, "ext2": 0x83, "ext4": 0x83, "fat16": 0x0E, "fat32": 0x0C}
MBR_NETBSD = 0xA9

# sys/disklabel.h of NetBSD
MAGIC = 0x82564557
LABEL_SECTOR = 1  # of the NetBSD partition
DTYPE_ESDI = 5    # which is what NetBSD calls ATA disks
FSTYPE = {"ffs1": 7, "ffs2": 7, "ext2": 17, "ext4": 17, "fat16": 8, "fat32": 8}
HEADS, TRACK = 16, 63


def mbr(boot_code: bytes, kind: int, start: int, sectors: int) -> bytes:
    """Sector 0 with one active partition; addressed by LBA, so that the CHS fields say "beyond"."""
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", start, sectors)
    return boot_code[:440].ljust(446, b"\0") + entry.ljust(64, b"\0") + b"\x55\xaa"


def disklabel(fs: str, slice_start: int, slice_sectors: int, a_start: int, a_sectors: int,
              disk_sectors: int) -> bytes:
    """Partition a is the file system, c NetBSD's part of the disk, d the whole disk."""
    partitions = [(a_sectors, a_start, FSTYPE[fs]), (0, 0, 0), (slice_sectors, slice_start, 0),
                  (disk_sectors, 0, 0)]
    table = b"".join(struct.pack("<IIIBBH", size, start, 1024 if kind == 7 else 0, kind,
                                 8 if kind == 7 else 0, 0) for size, start, kind in partitions)

    def label(checksum: int) -> bytes:
        head = struct.pack("<IHH16s16s", MAGIC, DTYPE_ESDI, 0, b"disk", b"vesper")
        head += struct.pack("<6I", SECTOR, TRACK, HEADS, disk_sectors // (HEADS * TRACK),
                            HEADS * TRACK, disk_sectors)
        head += struct.pack("<HHIHHHHIII", 0, 0, 0, 3600, 1, 0, 0, 0, 0, 0)
        head += bytes(40)  # d_drivedata, d_spare
        head += struct.pack("<IHHII", MAGIC, checksum, len(partitions), 8192, 8192)
        return head + table

    checksum = 0
    for (word,) in struct.iter_unpack("<H", label(0)):
        checksum ^= word
    return label(checksum)
