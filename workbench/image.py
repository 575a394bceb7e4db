# SPDX-License-Identifier: BSD-2-Clause
"""Makes disks: a tree of files as a file system, in a partition, with GRUB before it."""
import os
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

from workbench import packages, partition, payload
from workbench.console import Problem, shown, tool
from workbench.partition import SECTOR, START

FILE_SYSTEMS = ("ffs2", "ffs1", "ext2", "ext4", "fat16", "fat32", "iso9660")
ARCHIVES = ("tar", "cpio")  # which a loader puts into memory
LABELS = ("mbr", "bsd", "gpt", "none")
LOADERS = ("multiboot", "multiboot2", "netbsd")  # that GRUB speaks
GRUB = Path("/usr/lib/grub/i386-pc")
MIB = 1 << 20
BOOT_NEXT, CORE_NEXT = 0x5C, 0x1F4  # where GRUB's code has the sector of what follows it


@dataclass(frozen=True)
class Loader:
    """GRUB on the disk itself: by which protocol it starts which kernel, with which words."""
    boot: str
    kernel: Path
    append: str = ""
    mode: str = "text"  # of the screen: or "1024x768x32", as GRUB's gfxpayload
    module: Path | None = None  # a file that it loads beside the kernel


def make_disk(disk: Path, *, fs: str, label: str, kexec: Path | None = None,
              root: Path | None = None, loader: Loader | None = None, work: Path) -> None:
    """Writes `disk`: what is below root, kexec as /kexec, what it has of symbols as
    /kexec.sym; with a loader GRUB and /vesper too."""
    packages.ensure(*packages.FILE_SYSTEM[fs], *(packages.GRUB if loader else ()))
    if loader and label == "none":
        raise Problem("GRUB has no room on a disk without a label", "Use --label mbr, bsd or gpt.")
    work.mkdir(parents=True, exist_ok=True)
    tree, volume = work / "root", work / "volume"
    copy_tree(tree, root, kexec, loader, links=not fs.startswith("fat"))
    make_volume(volume, tree, fs, first_sector=0 if label == "none" else START)
    if label == "none":
        volume.replace(disk)
        return
    core = make_core(loader, fs, label, work) if loader else b""
    write_labelled(disk, volume, fs, label, core)
    volume.unlink()


def copy_tree(tree: Path, root: Path | None, kexec: Path | None, loader: Loader | None,
              links: bool) -> None:
    shutil.rmtree(tree, ignore_errors=True)
    if root:
        if tree.resolve().is_relative_to(root.resolve()):
            raise Problem(f"{shown(root)} contains the folder that its copy is made in",
                          "Put the root's files into a folder of their own.")
        try:
            shutil.copytree(root, tree, symlinks=links)
        except shutil.Error as error:
            raise Problem(f"cannot copy {shown(root)}: {error.args[0][0][2]}") from error
    else:
        tree.mkdir(parents=True)
    if kexec:
        for source, copy in ((kexec, tree / "kexec"), (payload.symbol_file(kexec),
                                                       tree / "kexec.sym")):
            if source.exists():
                copy.unlink(missing_ok=True)
                shutil.copyfile(source, copy)
    if loader:
        tool("objcopy", "--strip-debug", loader.kernel, tree / "vesper")
        if loader.module:
            shutil.copyfile(loader.module, tree / "module")


def make_archive(archive: Path, kind: str, *, kexec: Path | None, root: Path | None,
                 work: Path) -> None:
    """Writes an archive of what make_disk() puts on a disk."""
    packages.ensure(*packages.FILE_SYSTEM[kind])
    work.mkdir(parents=True, exist_ok=True)
    tree = work / "root"
    copy_tree(tree, root, kexec, None, links=True)
    cause = f"cannot make the {kind} archive"
    if kind == "tar":
        tool("tar", "--create", "--format=pax", "--file", archive, "--directory", tree, ".",
             cause=cause)
    else:
        names = "".join(f"{path.relative_to(tree)}\n" for path in sorted(tree.rglob("*")))
        tool("cpio", "--quiet", "-o", "-H", "newc", "-F", archive.absolute(), cause=cause,
             cwd=tree, input=names)


def make_volume(volume: Path, tree: Path, fs: str, first_sector: int) -> None:
    """A file system with some free space, by the tools that everyone uses."""
    content = sum(-(-path.lstat().st_size // 4096) * 4096 + 4096 for path in tree.rglob("*"))
    size = 4 * MIB + content + content // 4  # inodes, bitmaps, a journal
    size += -size % MIB
    volume.unlink(missing_ok=True)
    cause = f"cannot make the {fs} file system"
    if fs.startswith("ffs"):
        tool("makefs", "-t", "ffs", "-s", size, "-o", f"version={fs[3]},density=4096", volume, tree,
             cause=cause)
    elif fs.startswith("ext"):
        tool("mke2fs", "-q", "-t", fs, "-m", 0, "-L", "vesper", "-d", tree, volume,
             f"{size >> 10}k", cause=cause)
    elif fs == "iso9660":
        tool("genisoimage", "-quiet", "-R", "-iso-level", 3, "-V", "vesper", "-o", volume, tree,
             cause=cause)
    else:
        make_fat(volume, tree, int(fs[3:]), size, first_sector, cause)


def make_fat(volume: Path, tree: Path, bits: int, size: int, first_sector: int, cause: str) -> None:
    # The number of clusters decides what it is: FAT16 has 4,085 to 65,524, FAT32 more.
    least = 4200 if bits == 16 else 66000
    sectors = 1
    while bits == 16 and size // (sectors * SECTOR) > 65000:
        sectors *= 2
    if sectors > 64:
        raise Problem(f"{size >> 20} MiB do not fit FAT16", "Use --fs fat32.")
    size = max(size, (least * sectors + 1200) * SECTOR)
    size += -size % MIB
    tool("mkfs.fat", "-C", "-F", bits, "-s", sectors, "-n", "VESPER", "-h", first_sector, volume,
         size >> 10, cause=cause)
    files = sorted(tree.iterdir())
    if files:
        tool("mcopy", "-s", "-m", "-Q", "-i", volume, *files, "::", cause=cause,
             env=os.environ | {"MTOOLS_SKIP_CHECK": "1", "LC_ALL": "C.UTF-8"})


def make_core(loader: Loader, fs: str, label: str, work: Path) -> bytes:
    """GRUB's core image: its commands are inside, so that the disk needs nothing else."""
    device = {"bsd": "hd0,netbsd1", "gpt": "hd0,gpt1"}.get(label, "hd0,msdos1")
    commands = work / "grub.cfg"
    commands.write_text("serial --unit=0 --speed=115200\nterminal_output console serial\n"
                        f"root={device}\n{boot_command(loader)}\n"
                        f"gfxpayload={loader.mode}\nboot\n")  # after what the kernel's header asks
    modules = ["biosdisk", "part_msdos", "part_bsd", "part_gpt", "serial", "terminal", "boot",
               {"ffs1": "ufs1", "ffs2": "ufs2", "ext2": "ext2", "ext4": "ext2",
                "iso9660": "iso9660"}.get(fs, "fat"),
               {"netbsd": "bsd"}.get(loader.boot, loader.boot),
               *(["vbe"] if loader.mode != "text" else [])]
    core = work / "core.img"
    tool("grub-mkimage", "-O", "i386-pc", "-o", core, "-p", f"({device})/", "-c", commands,
         *modules)
    code = bytearray(core.read_bytes())
    if label == "gpt":  # its first sector says where the others are
        struct.pack_into("<Q", code, CORE_NEXT, 1 + partition.GPT_SECTORS + 1)
    return bytes(code)


def boot_command(loader: Loader) -> str:
    if loader.boot not in LOADERS:
        raise Problem(f"a disk does not boot by {loader.boot}",
                      f"Use --boot {' or '.join(LOADERS)}.")
    if loader.boot != "netbsd":
        module = {"multiboot": "module", "multiboot2": "module2"}[loader.boot]
        return f"{loader.boot} /vesper {loader.append}" + (
            f"\n{module} /module module" if loader.module else "")
    if loader.module:
        raise Problem("NetBSD's boot protocol loads no archive here", "Use another --boot.")
    words = []
    for word in loader.append.split():
        if not word.startswith(("root=", "-")):
            raise Problem(f"NetBSD's boot protocol cannot pass on '{word}'",
                          "It has flags (-s -v ...) and root=wd0a only; use another --boot.")
        words.append("--" + word if word.startswith("root=") else word)
    return " ".join(["knetbsd", *words, "/vesper"])


def write_labelled(disk: Path, volume: Path, fs: str, label: str, core: bytes) -> None:
    """MBR, GRUB behind it (and the GPT), the partition at sector 2048; the disklabel in that one's
    sector 1, the GPT's copy at the end."""
    core_at = 1 + (partition.GPT_SECTORS if label == "gpt" else 0)
    if len(core) > (START - core_at) * SECTOR:
        raise Problem("GRUB is too large for the gap before the first partition")
    # FAT uses the sector in which the disklabel lies.
    inset = 64 if label == "bsd" and fs.startswith("fat") else 0
    volume_sectors = volume.stat().st_size // SECTOR
    sectors = inset + volume_sectors
    total = START + sectors + (partition.GPT_SECTORS if label == "gpt" else 0)
    total += -total % 2048
    kind = {"bsd": partition.MBR_NETBSD, "gpt": partition.MBR_GPT}.get(label,
                                                                       partition.MBR_TYPE[fs])
    extent = (1, total - 1) if label == "gpt" else (START, sectors)
    with open(disk, "wb") as out, open(volume, "rb") as data:
        out.write(partition.mbr(boot_code(core_at) if core else b"", kind, *extent))
        out.seek(core_at * SECTOR)
        out.write(core)
        out.truncate(total * SECTOR)
        copy_sparse(data, out, (START + inset) * SECTOR)
        if label == "bsd":
            out.seek((START + partition.LABEL_SECTOR) * SECTOR)
            out.write(partition.disklabel(fs, START, sectors, START + inset, volume_sectors, total))
        elif label == "gpt":
            first, copy = partition.gpt(fs, START, sectors, total)
            out.seek(SECTOR)
            out.write(first)
            out.seek(total * SECTOR - len(copy))
            out.write(copy)


def boot_code(core_at: int) -> bytes:
    """GRUB's first sector, which loads the first of the core image."""
    code = bytearray((GRUB / "boot.img").read_bytes())
    # As grub-install does for disks: do not trust the drive number of a BIOS that gives none.
    code[0x66:0x68] = b"\x90\x90"
    struct.pack_into("<Q", code, BOOT_NEXT, core_at)
    return bytes(code)


def copy_sparse(source, target, at: int) -> None:
    nothing = bytes(1 << 16)
    while block := source.read(len(nothing)):
        if block != nothing[:len(block)]:
            target.seek(at)
            target.write(block)
        at += len(block)
