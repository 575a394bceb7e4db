# SPDX-License-Identifier: BSD-2-Clause
"""Disks for tests, with a pattern that payloads/disks.c knows, and the root on any of them."""
import struct
from pathlib import Path

from machine import PROMPT

PAYLOAD = Path(__file__).parent / "payloads/disks.c"
SECTORS = 16384  # that have the pattern
TIB = 1 << 40


def sectors(first: int, count: int, flip: int = 0) -> bytes:
    """Each 8 bytes of sector n are n."""
    return b"".join(struct.pack("<Q", n ^ flip) * 64 for n in range(first, first + count))


def make(path: Path, size: int = SECTORS * 512, block_bytes: int = 512) -> Path:
    """An image with the pattern at its beginning and in its last block; a hole between."""
    with path.open("wb") as file:
        file.write(sectors(0, SECTORS))
        file.truncate(size)
        file.seek(size - block_bytes)
        file.write(sectors((size - block_bytes) // 512, block_bytes // 512))
    return path


def drive(path: Path, name: str, more: str = "") -> tuple[str, ...]:
    return ("-drive", f"if=none,id={name},format=raw,file={path},discard=unmap{more}")


def broken(path: Path, name: str, event: str, sector: int, work: Path) -> tuple[str, ...]:
    """One whose sector fails at "read_aio" or "write_aio"."""
    config = work / f"{name}.conf"
    config.write_text(f'[inject-error]\nevent = "{event}"\nsector = "{sector}"\nerrno = "5"\n')
    return ("-drive", f"if=none,id={name},format=raw,file.driver=blkdebug,file.config={config},"
                      f"file.image.driver=file,file.image.filename={path}")


def root_on(*options: str):
    """A change of the qemu.Pc: its first disk is the drive disk0 of these options alone."""
    def change(pc):
        name = str(pc.disks[0]).replace(",", ",,")
        pc.disks = []
        pc.options += ["-drive", f"if=none,id=disk0,format=raw,file={name}", *options]
    return change


def check(machine, name: str, path: Path, block_bytes: int, size: int) -> None:
    """What "check" says, and what the host sees of it afterwards."""
    machine.see(rf"{name}: {size // block_bytes} blocks of {block_bytes} bytes\r\n")
    for what in ("reads", "32 reads at once", "32 writes at once", "flush"):
        said = machine.see(rf"{name} {what}: ([^\r]*)\r\n")[1]
        assert said == b"no error", f"{what}: {said}"
    said = machine.see(rf"{name} discard: ([^\r]*)\r\n")[1]
    assert said in (b"no error", b"not supported"), said
    machine.see("done\r\n")
    data = path.read_bytes() if size < 1 << 30 else None
    if data:
        assert data[:4096 * 512] == sectors(0, 4096)
        flip = 0xffffffffffffffff
        assert data[4096 * 512:8192 * 512] == sectors(4096, 4096, flip), "what the host sees"
        assert data[12288 * 512:SECTORS * 512] == sectors(12288, SECTORS - 12288)


# ---- what every controller's disks have to do. `device`: the options that connect drive "n";
# `words`: what else the workbench is told.

def run(boot, what: str, *options: str, name: str = "ld0", words=()):
    return boot(PAYLOAD, *words, "--append", f"args={name} {what}", qemu_options=options)


def reads_and_writes(boot, folder: Path, *device: str, size: int = SECTORS * 512, name="ld0",
                     words=()):
    """As the host sees it."""
    path = make(folder / "disk.img", size)
    machine = run(boot, "check", *drive(path, "n"), *device, name=name, words=words)
    check(machine, name, path, 512, size)
    return machine


def has_a_bad_block(boot, folder: Path, what: str, event: str, *device: str, name="ld0", words=()):
    """Block 777 fails: the payload is told."""
    path = make(folder / "disk.img")
    machine = run(boot, what, *broken(path, "n", event, 777, folder), *device, name=name,
                  words=words)
    machine.see(f"{name} {what}: the device reported an error")
    return machine


def is_unplugged(boot, folder: Path, *device: str, key: str, name="ld0"):
    """The device whose id is "gone" goes in the middle of many reads, and the key is typed."""
    machine = run(boot, "storm", *drive(make(folder / "disk.img"), "n"), *device, name=name)
    machine.see(f"{name}: {SECTORS} blocks")
    machine.qmp("device_del", id="gone")
    machine.type(key)
    machine.see(f"{name} storm: the device has been removed\r\n")
    machine.see(PROMPT)
    return machine
