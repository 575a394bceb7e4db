# SPDX-License-Identifier: BSD-2-Clause
"""How much RAM a kernel has used by the time that the payload begins, and how much it needs."""
import dataclasses
import re
import struct
from dataclasses import dataclass

from bench.kit import counter, elf
from bench.kit.counter import FOLDER
from bench.kit.peers import Start
from workbench import qemu

PAGE = 4096
FRESH = b"\xa5" * PAGE  # RAM as it was; not zeros, so that a page cleared is a page written
MIB = 1 << 20
HIGH_MAP = 0xC0000000
ARENA_END = 0x1C  # in struct vesper
KEXEC = 0x430000


@dataclass(frozen=True)
class Used:
    written: int   # bytes of RAM, in whole pages, that were written before the payload began
    withheld: int  # bytes of RAM that the payload is not given
    memory: int    # bytes of RAM in all


def snapshot(pc: qemu.Pc, mib: int, seconds: float) -> tuple[bytes, int]:
    """All RAM at the payload's start, every page of which was FRESH at reset; and esp."""
    file = FOLDER / "ram"
    file.write_bytes(FRESH * (mib * MIB // PAGE))
    pc = counter.with_options(
        dataclasses.replace(pc, memory=mib), "-machine", "memory-backend=ram", "-object",
        f"memory-backend-file,id=ram,size={mib}M,mem-path={file},share=on")
    with counter.run_up_to_payload(pc, seconds) as emulator:
        emulator.qmp("stop")
        registers = emulator.qmp("human-monitor-command", **{"command-line": "info registers"})
    ram = file.read_bytes()
    file.unlink()
    return ram, int(re.search(r"ESP=([0-9a-f]{8})", registers)[1], 16)


def written_pages(ram: bytes) -> set[int]:
    return {at for at in range(0, len(ram), PAGE) if ram[at:at + PAGE] != FRESH}


def used(vesper: Start, direct: Start, mib: int) -> Used:
    """Of Vesper, without what the BIOS and QEMU's loader write, which `direct` tells."""
    bios = written_pages(snapshot(direct.pc, mib, direct.seconds)[0])
    bios -= {at for part in elf.segments(direct.pc.kernel)
             for at in range(part.physical, part.physical + part.memory_bytes)}
    ram, esp = snapshot(vesper.pc, mib, vesper.seconds)
    (api,) = struct.unpack_from("<I", ram, esp + 4 - HIGH_MAP)
    assert ram[api + 12 - HIGH_MAP:api + 16 - HIGH_MAP] == b"VSPR"
    (arena_end,) = struct.unpack_from("<I", ram, api + ARENA_END - HIGH_MAP)
    payload_owns = arena_end - HIGH_MAP - KEXEC
    return Used(PAGE * len(written_pages(ram) - bios), mib * MIB - payload_owns, mib * MIB)


def smallest(start: Start, seconds: float, most: int = 128) -> int | None:
    """The fewest MiB of RAM with which the payload is reached; None: `most` is too few."""
    fails, boots = 0, most + 1
    mib = most
    while boots - fails > 1:
        emulator = counter.run_up_to_payload(dataclasses.replace(start.pc, memory=mib), seconds)
        if emulator:
            emulator.close()
            boots = mib
        elif mib == most:
            return None
        else:
            fails = mib
        mib = (fails + boots) // 2
    return boots
