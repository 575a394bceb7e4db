# SPDX-License-Identifier: BSD-2-Clause
"""What is missing, damaged or badly behaved: a message says what and where, the monitor's prompt
comes and answers, and no disk has been written."""
import hashlib
import json
import random
import re
import struct
from pathlib import Path

import pytest
from machine import CALLED, PROMPT, WITHOUT_WAITING, Machine

PAYLOADS = Path(__file__).parent / "payloads"
RETURN = PAYLOADS / "return.asm"
MARK = b"in the midst of a payload"
CONTENT = bytes(30000) + MARK + bytes(30000)
FILES = {"kexec": CONTENT, "folder/file": b"x"}


class Victim:
    """boot(), with the disks' digests taken as the machine starts."""

    def __init__(self, boot):
        self.boot = boot
        self.digests: dict[Path, bytes] = {}

    def __call__(self, kexec, *words: str, harm=None, **more) -> "Victim":
        """harm(pc, disk) changes the PC or its disk before it starts."""
        def change(pc):
            disk = pc.disks[0]
            if harm:
                harm(pc, disk)
            self.digests = {disk: hashlib.sha256(disk.read_bytes()).digest()}

        self.machine: Machine = self.boot(kexec, *words, change=change, **more)
        return self

    def says(self, *messages: str) -> None:
        """Each of these, one after another; then there is an unharmed machine with an operator."""
        for message in messages:
            self.machine.see(message)
        self.machine.see(PROMPT)
        assert self.machine.ask("poke.l 0x600000 0x21232524") == ""
        assert self.machine.ask("peek 0x600000 4").endswith("  $%#!")
        assert self.machine.ended is None
        self.is_unchanged()

    def has_called_nothing(self) -> None:
        assert not re.search(CALLED, self.machine.output)

    def is_unchanged(self) -> None:
        for disk, digest in self.digests.items():
            assert hashlib.sha256(disk.read_bytes()).digest() == digest


@pytest.fixture
def victim(boot):
    return Victim(boot)


# ---- nothing to load ----

def test_no_disk(victim):
    victim(RETURN, harm=lambda pc, disk: pc.disks.clear()).says("no root: no disk was found\r")


def test_a_disk_of_garbage(victim):
    def garbage(pc, disk):
        disk.write_bytes(random.Random(1).randbytes(1 << 20))

    victim(RETURN, harm=garbage).says(
        "no root: no disk has a file system that this kernel can read\r")


def test_an_unknown_root(victim):
    victim(RETURN, "--append", "root=wd7z").says(
        "root=wd7z: there is no such disk or partition; there are: wd0 wd0p1\r")


def test_a_root_without_a_file_system(victim):
    victim(RETURN, "--append", "root=wd0").says(
        "root=wd0: no file system that this kernel knows\r")


def test_no_kexec(victim):
    victim(None, files={"other": b"x"}).says(
        "/kexec is on none of the 1 file systems\r", "root on wd0p1: ffs2")
    assert victim.machine.ask("ls").endswith("1  other")


def test_no_kexec_on_the_root_that_was_named(victim):
    victim(None, "--append", "root=wd0p1", files={"other": b"x"}).says(
        "root on wd0p1", "/kexec on wd0p1: not found\r")


def test_the_kexec_that_was_named_is_missing(victim):
    victim(RETURN, "--append", "root=wd0p1 kexec=/folder/none").says(
        "/folder/none on wd0p1: not found\r")


def test_an_empty_kexec(victim):
    victim(None, files={"kexec": b""}).says("/kexec: the file is empty\r")


def test_a_kexec_larger_than_memory(victim):
    victim(bytes(9 << 20), "--memory", "8").says(
        r"/kexec: 9437184 bytes do not fit into the payload's \d+ bytes of memory\r")


def test_kexec_is_a_directory(victim):
    victim(None, "--append", "root=wd0p1", files={"kexec/file": b"x"}).says(
        "/kexec: not a plain file\r")


def test_too_little_memory(victim):
    victim(RETURN, "--memory", "4").machine.see("too little memory: at least 8 MiB of RAM")
    victim.machine.see(PROMPT)
    assert victim.machine.ask("ls") == "ls: there is no root file system"
    assert "too little memory" in victim.machine.ask("dmesg")


# ---- damaged file systems ----

def patch(find: bytes, offset: int, content: bytes):
    """Harm: writes `content` at an offset from wherever something is found."""
    def harm(pc, disk):
        data = bytearray(disk.read_bytes())
        at, count = data.find(find), 0
        while at >= 0:
            data[at + offset:at + offset + len(content)] = content
            at, count = data.find(find, at + max(1, offset + len(content))), count + 1
        assert count
        disk.write_bytes(data)

    return harm


def at(place: int, content: bytes):
    def harm(pc, disk):
        with open(disk, "r+b") as file:
            file.seek(place)
            file.write(content)

    return harm


# Entries of directories: FFS has inode, length of the entry, type, length of the name; ext2 has the
# two lengths before the type.
FFS_ENTRY = b"\x08\x05kexec\0"
EXT_ENTRY = b"\x05\x01kexec"
FAT_ENTRY = b"KEXEC      "


@pytest.mark.parametrize("fs, harm, message", [
    # Superblocks: gone, and with a size that cannot be.
    ("ffs2", at(8192 + 1372, bytes(4)), "no disk has a file system"),
    ("ffs2", at(8192 + 48, struct.pack("<I", 3)), "wd0: ffs: "),
    ("ffs1", at(8192 + 48, struct.pack("<I", 0xFFFFFFFF)), "wd0: ffs: "),
    ("ext2", at(1024 + 56, bytes(2)), "no disk has a file system"),
    ("ext2", at(1024 + 24, struct.pack("<I", 40)), "wd0: ext2: "),
    ("ext4", at(1024 + 40, bytes(4)), "wd0: ext[24]: "),
    ("fat16", at(11, bytes(2)), "no disk has a file system"),
    ("fat16", at(14, b"\xff\xff"), r"wd0: fat: \d+ sectors of 512, data from 65\d+, on"),
    # The root's entry for /kexec: a length of 0, one beyond the block, an inode that cannot be, one
    # that is not in use; with FAT a first cluster that cannot be.
    ("ffs2", patch(FFS_ENTRY, -2, bytes(2)), "wd0: ffs: directory 2: a record of 0 bytes"),
    ("ffs2", patch(FFS_ENTRY, -2, b"\xfc\xff"), "wd0: ffs: directory 2: a record of 65532 bytes"),
    ("ffs2", patch(FFS_ENTRY, -6, b"\xff\xff\xff\x7f"), "wd0: ffs: [^\n]*inode 2147483647"),
    ("ffs1", patch(FFS_ENTRY, -6, b"\x50\x00\x00\x00"), "wd0: ffs: inode 80"),
    ("ext2", patch(EXT_ENTRY, -2, bytes(2)), r"wd0: ext2: inode 2: the entry at \d+ has 0 bytes"),
    ("ext4", patch(EXT_ENTRY, -2, b"\xfc\xff"), "wd0: ext4: inode 2: block 0 of the directory does "
                                                 "not match its checksum"),
    ("ext2", patch(EXT_ENTRY, -6, b"\xff\xff\xff\x7f"), "wd0: ext2: [^\n]*inode 2147483647"),
    ("fat16", patch(FAT_ENTRY, 26, b"\xf0\xee"), "wd0: fat: [^\n]*61168"),
])
def test_a_damaged_file_system(victim, fs, harm, message):
    victim(None, "--fs", fs, "--label", "none", files=FILES, harm=harm).says(message)
    victim.has_called_nothing()


@pytest.mark.parametrize("start, sectors, message", [
    (2048, 0x7FFFFFFF, "wd0p1: ends at sector 2147485694, but wd0 has only"),
    (0x7FFFFFFF, 10240, "wd0p1: begins at sector 2147483647, but wd0 has only"),
])
def test_a_damaged_partition_table(victim, start, sectors, message):
    entry = struct.pack("<B3xB3xII", 0x80, 0xA9, start, sectors)
    victim(RETURN, harm=at(446, entry)).says(message)


# ---- disks that return errors ----

def unreadable(find):
    """Harm: reading the sector in which something is found, or of this number, is an error."""
    def harm(pc, disk):
        sector = find if isinstance(find, int) else disk.read_bytes().index(find) // 512
        error = {"event": "none", "iotype": "read", "errno": 5, "sector": sector, "once": False}
        node = {"node-name": "bad", "driver": "raw", "file": {
            "driver": "blkdebug", "inject-error": [error],
            "image": {"driver": "file", "filename": str(disk)}}}
        pc.disks.clear()
        pc.options += ["-blockdev", json.dumps(node)]
        pc.options += ["-device", "ide-hd,drive=bad,bus=ide.0,unit=0"]

    return harm


@pytest.mark.parametrize("fs, find, message", [
    ("ffs2", 16, "wd0: the device reported an error"),  # the superblock
    ("ffs2", FFS_ENTRY, "wd0: /kexec: the device reported an error"),
    ("ffs2", MARK, "/kexec: the device reported an error"),
    ("ext2", 2, "wd0: the device reported an error"),
    ("ext2", EXT_ENTRY, "wd0: /kexec: the device reported an error"),
    ("ext2", MARK, "/kexec: the device reported an error"),
    ("fat32", FAT_ENTRY, "wd0: [^\n]*the device reported an error"),
    ("fat32", MARK, "/kexec: the device reported an error"),
])
def test_a_sector_that_cannot_be_read(victim, fs, find, message):
    victim(None, "--fs", fs, "--label", "none", files=FILES, harm=unreadable(find)).says(
        r"wd0: read of blocks \d+\.\.\.\d+: ", message)
    victim.has_called_nothing()


def test_a_disk_that_does_not_answer(victim):
    """It identifies itself, but a read takes hours."""
    def harm(pc, disk):
        pc.disks.clear()
        pc.options += ["-drive", f"if=none,id=slow,format=raw,file={disk},throttling.bps-total=1",
                       "-device", "ide-hd,drive=slow,bus=ide.0,unit=0", *WITHOUT_WAITING]

    victim(None, "--label", "none", harm=harm).says(
        "wd0: read of block 0: ", "wd0: does not answer, and is left alone", "no root: ")


def test_a_disk_without_its_first_sector_still_boots(victim):
    victim(RETURN, "--label", "none", harm=unreadable(0)).says(
        "wd0: read of block 0: ", "returned 42")


@pytest.mark.parametrize("fs", ["ffs2", "ext4", "fat32"])
def test_the_rest_of_a_disk_with_a_bad_sector_can_be_read(victim, fs):
    victim(None, "--fs", fs, "--label", "none", files=FILES, harm=unreadable(MARK)).says("/kexec: ")
    assert victim.machine.ask("cat /folder/file") == "x"
    victim.machine.type("cat /kexec\n")
    victim.machine.see("cat: /kexec: the device reported an error")


# ---- payloads ----

@pytest.mark.parametrize("name, messages", [
    ("return", [r"kexec: the payload returned 42 \(0x2a\)\r"]),
    ("divide_by_zero", [r"\*\*\* divide error .* at 0xc0430004 \(/kexec \+ 0x4\)",
                        "code: f7 f1"]),
    ("jump_to_null", [r"\*\*\* .* at 0x0000", "called from:", r"0xc0430004 \(/kexec \+ 0x4\)"]),
    ("write_to_null", [r"\*\*\* page fault .* at 0xc0430002 \(/kexec \+ 0x2\)",
                       "a write of address 0x00000000: read-only"]),
    ("overrun_stack", [r"\*\*\* double fault .* at 0xc0430000 \(/kexec \+ 0x0: again\+0x0\)",
                       "the stack has run out: .* below the payload's stack"]),
    ("lose_stack", [r"\*\*\* double fault .* at 0xc0430005 \(/kexec \+ 0x5\)",
                    "the stack has run out: esp 0xe8000000"]),
])
@pytest.mark.parametrize("cpu", ["486", "pentium3"])
def test_a_payload_that_fails(victim, name, messages, cpu):
    victim(PAYLOADS / f"{name}.asm", "--cpu", cpu).says(*messages)


def test_a_payload_that_never_ends(victim):
    """With interrupts off nothing can be done about it; but nothing else happens either."""
    machine = victim(PAYLOADS / "hang.asm").machine
    machine.see(CALLED)
    machine.type("help\n")
    assert machine.wait(1) is None
    assert re.search(r"EIP=c0430001", machine.qmp("human-monitor-command",
                                                  **{"command-line": "info registers"}))
    assert not machine.expect(PROMPT, 0.1)


def test_a_hook_that_faults_is_not_called_again(victim):
    """Also not while what the payload had claimed is given back."""
    bad = victim(PAYLOADS / "bad_hook.c")
    bad.says("hook 0, 4 devices claimed", "invalid opcode", "the payload has been ended")
    assert bad.machine.text().count("invalid opcode") == 1
    assert "pckbd0 at" in bad.machine.ask("devices")
