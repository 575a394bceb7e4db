# SPDX-License-Identifier: BSD-2-Clause
"""What a payload does to the files of a volume of each kind, each on another controller, as that
file system's checker sees it afterwards, and as Linux does in a guest of its own."""
import os
import re
import shutil
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import disks
import pytest
from bench import fs as bench_fs
from bench.kit import peers
from machine import PROMPT, Machine
from workbench import packages, qemu
from workbench.console import ROOT, tool

pytestmark = pytest.mark.xdist_group("files")
HERE = Path(__file__).parent
PIECE, PIECES, NAMES, BEYOND = 50000, 20, 600, 5 << 30
MIB = 1 << 20
FFS_CHECK = (sys.executable, str(ROOT / "tests/ffs_check.py"))
MODULES = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic", "ufs", "vfat", "exfat",
           "nls_cp437", "nls_ascii", "nls_utf8")
FAT_HAS_NOT = {"link: not supported", "make_link: not supported"}


@dataclass(frozen=True)
class Kind:
    make: str                # by which command; the disk follows
    mib: int
    device: tuple[str, ...]  # where the disk is connected
    check: tuple[str, ...]
    linux: str               # its type and options there
    label: str = "vesper"
    has_not: frozenset[str] = frozenset()


def makefs(more: str) -> str:
    return f"makefs -t ffs -o density=4096,{more}"


KINDS = {
    "ffs1": Kind(makefs("version=1"), 16, ("ide-hd,drive=ffs1,bus=ide.1",), FFS_CHECK,
                 "ufs/ufstype=44bsd", label=""),
    # Blocks as large as bench_fs.copy_super_block() wants them.
    "ffs2": Kind(makefs("version=2,bsize=32768,fsize=4096"), 16,
                 ("ich9-ahci,id=sata", "ide-hd,drive=ffs2,bus=sata.2"), FFS_CHECK,
                 "ufs/ufstype=ufs2", label=""),
    "ext2": Kind("mke2fs -q -t ext2 -L vesper", 16, ("virtio-blk-pci,drive=ext2",),
                 ("e2fsck", "-fn"), "ext2/"),
    "ext4": Kind("mke2fs -q -t ext4 -L vesper", 24, ("nvme,serial=1,drive=ext4",),
                 ("e2fsck", "-fn"), "ext4/"),
    "fat16": Kind("mkfs.fat -F 16 -n VESPER", 32, ("sdhci-pci", "sd-card,drive=fat16"),
                  ("fsck.fat", "-n"), "vfat/utf8", "VESPER",
                  FAT_HAS_NOT | {"huge: too large"}),
    "fat32": Kind("mkfs.fat -F 32 -s 1 -n VESPER", 64, ("ide-hd,drive=fat32,bus=sata.4",),
                  ("fsck.fat", "-n"), "vfat/utf8", "VESPER",
                  FAT_HAS_NOT | {"huge: too large"}),
    "exfat": Kind("mkfs.exfat -L vesper", 6 << 10, ("virtio-scsi-pci", "scsi-hd,drive=exfat"),
                  ("fsck.exfat", "-n"), "exfat/iocharset=utf8", has_not=FAT_HAS_NOT),
}


@dataclass(frozen=True)
class Found:
    kind: str
    mode: int
    links: int
    size: int
    time: int
    crc: int
    target: str


@dataclass
class Written:
    disks: dict[str, Path]
    text: str
    free: dict[str, int]  # as Vesper has said


def make_volume(path: Path, fs: str) -> Path:
    """An empty one."""
    kind = KINDS[fs]
    with path.open("wb") as file:
        file.truncate(kind.mib * MIB)
    words = kind.make.split()
    if words[0] == "makefs":
        empty = path.parent / "empty"
        empty.mkdir(exist_ok=True)
        tool(*words, "-s", f"{kind.mib}m", path, empty)
    else:
        tool(*words, path)
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Written:
    """All that is made and done in one boot of Vesper, whose power is cut afterwards."""
    work = tmp_path_factory.mktemp("files")
    paths, options = {}, []
    for fs, kind in KINDS.items():
        paths[fs] = make_volume(work / f"{fs}.img", fs)
        options += disks.drive(paths[fs], fs)
        options += [word for device in kind.device for word in ("-device", device)]
    # So much memory that no volume's cache is short of it.
    machine = Machine.start(HERE / "payloads/files.c", "--memory", "512", work=work,
                            qemu_options=tuple(options))
    try:
        machine.see("DONE", seconds=300)
        machine.see("the payload returned 0 ")
    finally:
        machine.process.kill()  # without a word
        machine.process.wait()
        machine.close()
    text = machine.text()
    free = {fs: int(count) for fs, count in re.findall(r"^volume (\w+) (\d+)", text, re.M)}
    return Written(paths, text, free)


@pytest.mark.parametrize("fs", KINDS)
def test_a_payload_changes_a_volume_and_the_checker_finds_nothing(written, fs):
    kind = KINDS[fs]
    print(written.text)
    assert set(re.findall(rf"^FAIL {fs} (.*)$", written.text, re.M)) == kind.has_not
    assert re.search(rf"^volume {fs} \d+ {kind.label}$", written.text, re.M)
    assert "read-only" not in written.text
    done = subprocess.run([*kind.check, written.disks[fs]], capture_output=True, text=True,
                          env=os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
    print(done.stdout + done.stderr)
    assert done.returncode == 0


def test_long_files_that_others_made_are_read(tmp_path, boot):
    """Longer than one block of pointers, one extent, or one line of a FAT leads to, in blocks of
    4 KiB; each byte counts."""
    tree = tmp_path / "tree"
    tree.mkdir()
    content = os.urandom(13 * MIB + 777)
    (tree / "big").write_bytes(content)
    ext, ffs = "mke2fs -q -b 4096 -d {tree} -t ", "makefs -t ffs -s 32m -o "
    options = []
    for fs, make in {"ext2": ext + "ext2 {disk}", "ext4": ext + "ext4 {disk}",
                     "ffs1": ffs + "version=1,bsize=8192,fsize=1024 {disk} {tree}",
                     "ffs2": ffs + "version=2,bsize=4096,fsize=4096 {disk} {tree}",
                     "fat32": "mkfs.fat -F 32 -s 8 {disk}"}.items():
        disk = tmp_path / f"{fs}.img"
        with disk.open("wb") as file:
            file.truncate((300 if fs == "fat32" else 32) * MIB)
        tool(*make.format(tree=tree, disk=disk).split())
        if fs == "fat32":
            tool("mcopy", "-i", disk, tree / "big", "::big")
        options += [*disks.drive(disk, fs), "-device", f"virtio-blk-pci,drive={fs}"]
    machine = boot(HERE / "payloads/sum.c", "--fs", "tar", qemu_options=tuple(options))
    machine.see("the payload returned 0 ", seconds=120)
    said = re.findall(r"^(\w+) from (\d+): ([0-9a-f]+), 0$", machine.text(), re.M)
    wanted = {start: f"{zlib.crc32(content[start:]):x}" for start in (12345, 0)}
    assert sorted(said) == sorted((fs, str(start), crc) for start, crc in wanted.items()
                                  for fs in ("ext2", "ext4", "ffs1", "ffs2", "fat32"))


@pytest.mark.parametrize("key, ends", (("r", "reset"), ("o", "off"), ("s", "reset")))
def test_nothing_is_lost_when_the_machine_is_started_anew(tmp_path, boot, key, ends):
    """By the payload, or by the monitor when the payload stands still."""
    options = []
    volumes = {fs: make_volume(tmp_path / fs, fs) for fs in ("ext4", "fat32", "ffs2")}
    for fs, path in volumes.items():
        options += [*disks.drive(path, fs), "-device", f"virtio-blk-pci,drive={fs}"]
    machine = boot(HERE / "payloads/dirty.c", qemu_options=tuple(options))
    machine.see("dirty")
    machine.type(key)
    if key == "s":
        machine.see(PROMPT)
        machine.type("reboot\n")
    machine.ends(ends)
    assert "FAIL" not in machine.text()
    data = bytes((i * 7 + (i >> 8)) & 255 for i in range(300000))
    for fs, path in volumes.items():
        disks.is_consistent(path, fs)
        image = path.read_bytes()
        for at in range(0, len(data) - 4096, 4096):
            assert data[at:at + 4096] in image, f"{fs} lacks what is at {at}"
        for name in (f"file{i}" for i in range(20)):
            assert (name.upper() if fs == "fat32" else name).encode() in image, f"{fs} {name}"


def places_with_data(disk: Path) -> list[int]:
    """Where the file has something, MiB by MiB."""
    places, at = [], 0
    with disk.open("rb") as file:
        while True:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:  # nothing any more
                return places
            places.append(at // MIB)
            at = (at // MIB + 1) * MIB


@pytest.mark.parametrize("fs, device", (
    ("ext4", ("nvme,serial=1,drive=far",)), ("fat32", ("virtio-blk-pci,drive=far",)),
    ("ffs2", ("virtio-scsi-pci", "scsi-hd,drive=far"))))
def test_a_partition_beyond_2_tib(tmp_path, boot, fs, device):
    kind = KINDS[fs]
    first = 5 << 19  # MiB: a number of sectors that 32 bits do not hold
    volume, disk = make_volume(tmp_path / "volume", fs), tmp_path / "disk"
    with disk.open("wb") as file:
        file.truncate(3 << 40)
    tool("/usr/sbin/sgdisk", "-n", f"1:{first}M:+{kind.mib}M", disk)
    tool("dd", f"if={volume}", f"of={disk}", "bs=1M", f"seek={first}", "conv=notrunc,sparse",
         "status=none")
    before = [place for place in places_with_data(disk) if not first <= place < first + kind.mib]
    machine = boot(HERE / "payloads/files.c", "--memory", "512", qemu_options=(
        *disks.drive(disk, "far"), *(word for each in device for word in ("-device", each))))
    machine.see("DONE", seconds=100)
    machine.see("the payload returned 0 ")
    assert set(re.findall(rf"^FAIL {fs} (.*)$", machine.text(), re.M)) == kind.has_not
    assert f"volume {fs} " in machine.text()
    machine.process.kill()
    machine.process.wait()
    assert before == [place for place in places_with_data(disk)
                      if not first <= place < first + kind.mib], "it wrote elsewhere"
    tool("dd", f"if={disk}", f"of={volume}", "bs=1M", f"skip={first}", f"count={kind.mib}",
         "status=none")
    disks.is_consistent(volume, fs)


# ---- Linux ----

def linux() -> tuple[Path, Path]:
    """Its kernel, which is fetched once (peers.py), and the initial RAM disk."""
    peers.FOLDER.mkdir(parents=True, exist_ok=True)
    packages.ensure(*packages.BUILD)
    kernel = peers.linux_image()
    tool("gcc", "-m32", "-O2", "-static", "-Wall", "-Wextra", "-Werror", "-o",
         peers.FOLDER / "show", HERE / "linux/init.c")
    return kernel, peers.linux_archive(peers.FOLDER / "show", list(MODULES))


@pytest.fixture(scope="module")
def seen(written) -> str:
    """What it says of all volumes, which it cannot change."""
    kernel, archive = linux()
    options, volumes = [], []
    for letter, (fs, path) in zip("abcdefg", written.disks.items()):
        if fs == "ffs2":
            path = Path(shutil.copyfile(path, path.with_suffix(".copy")))
            bench_fs.copy_super_block(path)
        options += [*disks.drive(path, fs, ",readonly=on"), "-device",
                    f"virtio-blk-pci,drive={fs}"]
        volumes.append(f"vd{letter}/{KINDS[fs].linux}")
    pc = qemu.Pc(memory=256, kernel=kernel, module=archive, options=["-nodefaults", *options],
                 append=f"console=ttyS0 quiet panic=-1 volumes={','.join(volumes)}")
    machine = Machine(pc, archive.parent)
    try:
        machine.see("ALL SHOWN", seconds=300)
    finally:
        machine.close()
    return machine.output.decode(errors="replace").replace("\r\n", "\n")


def listed(text: str, device: str) -> dict[str, Found]:
    found = {}
    pattern = rf"^{device} (\w) (\d+) (\d+) (\d+) (\d+) (\w+) (.*?)>(.*)$"
    for line in re.finditer(pattern, text, re.M):
        kind, mode, links, size, time, crc, path, target = line.groups()
        found[path] = Found(kind, int(mode, 8), int(links), int(size), int(time), int(crc, 16),
                            target)
    return found


@pytest.mark.parametrize("fs", KINDS)
def test_linux_reads_it(written, seen, fs):
    print(seen)
    device = f"vd{'abcdefg'[list(KINDS).index(fs)]}"
    assert "FAIL" not in seen
    found = listed(seen, device)
    has_links = not KINDS[fs].has_not

    def has(path: str, content: bytes) -> Found:
        file = found[path]
        assert (file.kind, file.size, file.crc) == ("f", len(content), zlib.crc32(content)), path
        return file

    kept = b"".join(bytes((p + n * 7) & 255 for n in range(PIECE)) for p in range(PIECES))
    has("/d/large", kept[:-12345].ljust(2 * len(kept), b"\0") + b"the end")
    has("/d/grown", b"012XYZ6789abc")
    has("/d/Grün Ωmega", b"named")
    old = has("/d/old", b"new")
    assert (old.time, old.mode) == (1000000000, 0o440 if has_links else 0o555)
    if has_links:
        end = bytes(4096 - 7) + b"the end"
        assert (found["/d/huge"].size, found["/d/huge"].crc) == (BEYOND + 7, zlib.crc32(end))
        assert old.links == 2 and found["/moved/second"] == old
        assert (found["/leads"].kind, found["/leads"].target) == ("l", "d/old")
    else:  # of a file on exFAT Linux 6.1 shows only what has been written
        has("/d/huge", b"begin")
    many = {f"/many/a file with the number {i}" for i in range(1, NAMES, 2)}
    more = {"", "/d", "/d/large", "/d/huge", "/d/grown", "/d/Grün Ωmega", "/d/old", "/many",
            "/moved"} | ({"/moved/second", "/leads"} if has_links else set())
    assert found.keys() - {"/lost+found"} == many | more
    free = re.search(rf"^{device} free (\d+)$", seen, re.M)
    assert int(free[1]) == written.free[fs]
    if fs == "exfat":  # the rest of the large file has its clusters
        assert written.free[fs] <= KINDS[fs].mib * MIB - BEYOND
