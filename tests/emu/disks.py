# SPDX-License-Identifier: BSD-2-Clause
"""Disks for tests, with a pattern that payloads/disks.c knows, and the root on any of them."""
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

from workbench.console import ROOT

PAYLOAD = Path(__file__).parent / "payloads/disks.c"
SECTORS = 16384  # that have the pattern
LARGEST = 16 << 20
TIB = 1 << 40
CHECKERS = {"ffs1": [sys.executable, ROOT / "tests/ffs_check.py"], "ext2": ["e2fsck", "-fn"],
            "fat12": ["fsck.fat", "-n"], "exfat": ["fsck.exfat", "-n"]}
CHECKERS |= {"ffs2": CHECKERS["ffs1"], "ext4": CHECKERS["ext2"], "fat16": CHECKERS["fat12"],
             "fat32": CHECKERS["fat12"]}


def sectors(first: int, count: int, flip: int = 0) -> bytes:
    """Each 8 bytes of sector n are n."""
    return b"".join(struct.pack("<Q", n ^ flip) * 64 for n in range(first, first + count))


def make(path: Path, size: int = SECTORS * 512, block_bytes: int = 512) -> Path:
    """An image with the pattern at its beginning and in its last block; a hole between."""
    with path.open("wb") as file:
        file.write(sectors(0, min(SECTORS, size // 512)))
        file.truncate(size)
        file.seek(size - block_bytes)
        file.write(sectors((size - block_bytes) // 512, block_bytes // 512))
    return path


def drive(path: Path, name: str, more: str = "") -> tuple[str, ...]:
    return ("-drive", f"if=none,id={name},format=raw,file={path},discard=unmap{more}")


def broken(path: Path, name: str, read: int = 777, write: int = 1555) -> tuple[str, ...]:
    """One whose sector `read` cannot be read, and `write` not be written."""
    errors = [{"event": "none", "iotype": kind, "errno": 5, "sector": sector}
              for kind, sector in (("read", read), ("write", write))]
    return ("-blockdev", json.dumps({"node-name": name, "driver": "raw", "file": {
        "driver": "blkdebug", "inject-error": errors,
        "image": {"driver": "file", "filename": str(path)}}}))


def root_on(*options: str, size: int = 0):
    """A change of the qemu.Pc: its first disk is the drive disk0 of these options alone. It gets
    at least this size."""
    def change(pc):
        with pc.disks[0].open("ab") as image:
            image.truncate(max(size, image.tell()))
        name = str(pc.disks[0]).replace(",", ",,")
        pc.disks = []
        pc.options[:0] = ["-drive", f"if=none,id=disk0,format=raw,file={name}", *options]
    return change


def see(machine, name: str, **results: str) -> None:
    """What disks.c says of one, word for word: spaces are underlines here."""
    for what, wanted in results.items():
        what = what.replace("_", " ").strip()
        said = machine.see(rf"{name} {what}: ([^\r]*)\r\n")[1].decode()
        assert said in wanted.split("|"), f"{name} {what}: {said}"


def check(machine, name: str, path: Path, block_bytes: int = 512) -> None:
    """What "check" says, and what the host sees of it afterwards."""
    size = path.stat().st_size
    machine.see(rf"{name}: {size // block_bytes} blocks of {block_bytes} bytes\r\n")
    see(machine, name, reads="no error", _32_reads_at_once="no error",
        _32_reads_at_once_by_polling="no error", _32_writes_at_once="no error",
        flush="no error", discard="no error|not supported")
    pattern = min(SECTORS, size // 512)
    quarter = pattern // 4
    with path.open("rb") as file:
        data = file.read(pattern * 512)
    assert data[:quarter * 512] == sectors(0, quarter)
    written = sectors(quarter, quarter, 0xffffffffffffffff)
    assert data[quarter * 512:2 * quarter * 512] == written, "what the host sees"
    assert data[3 * quarter * 512:] == sectors(3 * quarter, pattern - 3 * quarter)


def check_large(machine, name: str, path: Path) -> None:
    see(machine, name, _16_MiB="no error")
    with path.open("rb") as file:
        file.seek(LARGEST)
        assert file.read(LARGEST) == sectors(LARGEST // 512, LARGEST // 512), "what the host sees"


def is_consistent(volume: Path, fs: str) -> None:
    """As its checker has it."""
    done = subprocess.run([*CHECKERS[fs], volume], capture_output=True, text=True, timeout=60,
                          env=os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
    assert done.returncode == 0, done.stdout + done.stderr


def run(boot, what: str, *options: str, name: str = "ld0", words=()):
    return boot(PAYLOAD, *words, "--append", f"args={name} {what}", qemu_options=options)
