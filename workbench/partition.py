# SPDX-License-Identifier: BSD-2-Clause
"""The labels that a disk can have: the MBR's table, NetBSD's disklabel inside it, and a GPT."""
import struct
import uuid
import zlib

SECTOR = 512
START = 2048  # sectors before the first partition: room for GRUB
MBR_TYPE = {"ffs1": 0xA9, "ffs2": 0xA9, "ext2": 0x83, "ext4": 0x83, "fat16": 0x0E, "fat32": 0x0C,
            "iso9660": 0x96}
MBR_NETBSD = 0xA9
MBR_GPT = 0xEE

# sys/disklabel.h of NetBSD
MAGIC = 0x82564557
LABEL_SECTOR = 1  # of the NetBSD partition
DTYPE_ESDI = 5    # which is what NetBSD calls ATA disks
FSTYPE = {"ffs1": 7, "ffs2": 7, "ext2": 17, "ext4": 17, "fat16": 8, "fat32": 8, "iso9660": 12}
HEADS, TRACK = 16, 63

# UEFI 2.10, 5.3
NETBSD_FFS = "49F48D5A-B10E-11DC-B99B-0019D1879648"
LINUX, DATA = "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
GPT_TYPE = {"ffs1": NETBSD_FFS, "ffs2": NETBSD_FFS, "ext2": LINUX, "ext4": LINUX}
GPT_ENTRIES, GPT_ENTRY = 128, 128
GPT_SECTORS = 1 + GPT_ENTRIES * GPT_ENTRY // SECTOR  # of each copy: its header, and its table


def mbr(boot_code: bytes, kind: int, start: int, sectors: int) -> bytes:
    """Sector 0 with one partition; addressed by LBA, so that the CHS fields say "beyond"."""
    active = 0 if kind == MBR_GPT else 0x80
    entry = struct.pack("<B3sB3sII", active, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", start, sectors)
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


def gpt(fs: str, start: int, sectors: int, disk_sectors: int) -> tuple[bytes, bytes]:
    """What follows the MBR, and what ends the disk: both copies of a table with one partition."""
    entry = uuid.UUID(GPT_TYPE.get(fs, DATA)).bytes_le
    entry += uuid.uuid5(uuid.NAMESPACE_OID, "vesper").bytes_le
    entry += struct.pack("<QQQ72s", start, start + sectors - 1, 0, "root".encode("utf-16-le"))
    table = entry.ljust(GPT_ENTRIES * GPT_ENTRY, b"\0")

    def header(here: int, other: int, table_at: int) -> bytes:
        def whole(crc: int) -> bytes:
            return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, crc, 0, here, other,
                               1 + GPT_SECTORS, disk_sectors - 1 - GPT_SECTORS,
                               uuid.uuid5(uuid.NAMESPACE_OID, "disk").bytes_le, table_at,
                               GPT_ENTRIES, GPT_ENTRY, zlib.crc32(table))
        return whole(zlib.crc32(whole(0))).ljust(SECTOR, b"\0")

    last = disk_sectors - 1
    return header(1, last, 2) + table, table + header(last, 1, disk_sectors - GPT_SECTORS)
