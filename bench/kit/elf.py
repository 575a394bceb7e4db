# SPDX-License-Identifier: BSD-2-Clause
"""The little of an ELF32 file that the benchmarks want to know."""
import struct
from dataclasses import dataclass
from pathlib import Path

LOAD = 1  # p_type
# XEN_ELFNOTE_PHYS32_ENTRY; the address follows.
PVH_NOTE = struct.pack("<III4s", 4, 4, 18, b"Xen\0")


@dataclass(frozen=True)
class Segment:
    offset: int
    virtual: int
    physical: int
    file_bytes: int
    memory_bytes: int


def segments(kernel: Path) -> list[Segment]:
    """What a loader loads."""
    data = kernel.read_bytes()
    (table,) = struct.unpack_from("<I", data, 28)
    size, count = struct.unpack_from("<HH", data, 42)
    headers = (struct.unpack_from("<6I", data, table + size * i) for i in range(count))
    return [Segment(*header[1:]) for header in headers if header[0] == LOAD]


def physical_entry(kernel: Path) -> int:
    """Where the kernel's first instruction is while paging is off."""
    (entry,) = struct.unpack_from("<I", kernel.read_bytes(), 24)
    for part in segments(kernel):
        if part.virtual <= entry < part.virtual + part.file_bytes:
            return entry - part.virtual + part.physical
    return entry


def pvh_entry(kernel: Path) -> int:
    data = kernel.read_bytes()
    return struct.unpack_from("<I", data, data.index(PVH_NOTE) + len(PVH_NOTE))[0]
