# SPDX-License-Identifier: BSD-2-Clause
"""What Vesper is compared with, each as a Start: a PC that boots it to the same 32 KiB payload."""
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from bench.kit import counter, elf
from bench.kit.counter import FOLDER, MEMORY
from workbench import build, cli, image, packages, qemu, run
from workbench.console import Problem, Step, tool

BOOTS = ("multiboot", "multiboot2", "pvh", "netbsd")
SETUP = 0x10200   # where QEMU's loader has a bzImage's 16-bit code begin
BOOT_SECTOR = 0x7C00
U_BOOT = Path("/usr/lib/u-boot/qemu-x86/u-boot.rom")
LINUX, MODULES = FOLDER / "linux", FOLDER / "linux-modules"


@dataclass(frozen=True)
class Start:
    pc: qemu.Pc
    entry: int | None  # the address of its first instruction; None: it begins at reset
    seconds: float     # by which the payload is running, counted or not
    attempts: int = 1  # of which one must get there


# ---- Vesper ----

def vesper(boot: str, fs: str, config: str = "GENERIC") -> Start:
    """As `./vesper run --boot --fs` boots it."""
    kernel = build.kernel(config)
    options = cli.parser().parse_args(["run", "--boot", boot, "--fs", fs, "--memory", str(MEMORY)])
    options.qemu = []
    pc = run.machine(options, kernel, counter.payload(), FOLDER / "vesper")
    entry = elf.pvh_entry(kernel) if boot == "pvh" else elf.physical_entry(kernel)
    return Start(pc, entry, 60)


# ---- no kernel at all ----

def direct() -> Start:
    """What everything that is given to `-kernel` takes: the BIOS, and QEMU's loader."""
    kernel = counter.linked("direct", "-n", "-Ttext", "0x200000")
    return Start(qemu.Pc(memory=MEMORY, kernel=kernel), elf.physical_entry(kernel), 60)


def grub() -> Start:
    """From GRUB's boot sector; core image, menu-less, from the gap behind the MBR."""
    kernel = counter.linked("direct", "-n", "-Ttext", "0x200000")
    disk = FOLDER / "grub.img"
    image.make_disk(disk, fs="ffs2", label="mbr", loader=image.Loader("multiboot", kernel),
                    work=FOLDER / "grub")
    return Start(qemu.Pc(memory=MEMORY, disks=[disk], boot_disk=disk), BOOT_SECTOR, 60)


# ---- U-Boot, which is the firmware too ----

def u_boot(disk: str) -> Start:
    """Debian's ROM with another default environment: no delay, and load and go without a script."""
    packages.ensure("u-boot-qemu")
    payload, image_file = counter.payload(), FOLDER / "u-boot.img"
    image.make_disk(image_file, fs="fat16", label="mbr", kexec=payload, work=FOLDER / "u-boot")
    probe = {"virtio": "virtio scan", "ide": "ide reset"}[disk]
    rom = FOLDER / f"u-boot-{disk}.rom"
    rom.write_bytes(changed_environment(
        U_BOOT.read_bytes(), f"{probe}; load {disk} 0:1 0x2000000 kexec; go 0x2000000"))
    pc = qemu.Pc(memory=MEMORY, options=["-bios", str(rom)])
    if disk == "ide":
        pc.disks.append(image_file)
    else:
        pc.options += ["-drive", f"if=none,id=disk,format=raw,file={image_file}",
                       "-device", "virtio-blk-pci,drive=disk"]
    # One boot of eighty stops for ever after "Loading Environment", when it is not counted.
    return Start(pc, None, 120, attempts=2)


def changed_environment(rom: bytes, command: str) -> bytes:
    found = re.search(rb"\0distro_bootcmd=([^\0]*)\0", rom)
    if not found or rom.count(b"\0bootdelay=2\0") != 1 or len(found[1]) < len(command):
        raise Problem(f"{U_BOOT} is not the U-Boot that is known here")
    rom = (rom[:found.start(1)] + command.encode().ljust(len(found[1])) + rom[found.end(1):])
    return rom.replace(b"\0bootdelay=2\0", b"\0bootdelay=0\0")


def u_boot_version() -> str | None:
    found = re.search(rb"U-Boot (20[\w.+]+)", U_BOOT.read_bytes()) if U_BOOT.exists() else None
    return found[1].decode() if found else None


# ---- Linux ----

def linux() -> Start:
    """Debian's kernel for i386, and an initial RAM disk whose /init is the payload."""
    kernel = linux_image()
    pc = qemu.Pc(memory=MEMORY, kernel=kernel, append="quiet panic=-1",
                 module=linux_archive(counter.linked("init", "-s"), []))
    return Start(pc, SETUP, 400)


def linux_archive(init: Path, modules: list[str]) -> Path:
    """An initial RAM disk: /init, the modules and what they need, and /modules, their list."""
    needed = linux_modules(modules)
    archive = FOLDER / "linux.cpio"
    folders = [(name, 0o40755, b"", (0, 0)) for name in ("dev", "mnt", "lib")]
    files = [(f"lib/{path.name}", 0o100644, path.read_bytes(), (0, 0)) for path in needed]
    listed = "".join(f"/lib/{path.name}\n" for path in needed).encode()
    archive.write_bytes(cpio([*folders, ("dev/console", 0o20600, b"", (5, 1)),
                              ("init", 0o100755, init.read_bytes(), (0, 0)), *files,
                              ("modules", 0o100644, listed, (0, 0)),
                              ("TRAILER!!!", 0, b"", (0, 0))]))
    return archive


def linux_modules(names: list[str]) -> list[Path]:
    """Their files, each after those that it depends on."""
    linux_image()
    files = {path.stem.replace("-", "_"): path for path in MODULES.rglob("*.ko")}
    order: list[Path] = []

    def add(name: str) -> None:
        path = files.get(name.replace("-", "_"))
        if not path or path in order:  # what has no file is a part of the kernel
            return
        depends = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        for other in depends[1].decode().split(",") if depends else []:
            add(other)
        order.append(path)

    for name in names:
        add(name)
    return order


def linux_image() -> Path:
    """vmlinuz, fetched from Debian once, with its modules. apt works in a folder of its own: this
    machine's architectures, lists and packages stay as they are, and it need not be root's."""
    for kernel in LINUX.glob("*") if MODULES.is_dir() else ():
        return kernel
    if not shutil.which("apt-get"):
        raise Problem("Linux: there is no apt-get to fetch Debian's kernel with")
    apt = FOLDER / "apt"
    for needed in ("lists/partial", "cache/archives/partial"):
        (apt / needed).mkdir(parents=True, exist_ok=True)
    own = [f"-o{name}={value}" for name, value in {
        "Dir::State": apt, "Dir::State::lists": apt / "lists", "Dir::State::status": "/dev/null",
        "Dir::Cache": apt / "cache", "APT::Architecture": "i386", "APT::Architectures": "i386",
        "APT::Sandbox::User": "", "Acquire::Languages": "none"}.items()]
    with Step("Fetching Debian's Linux for i386 (52 MB, once)"):
        packages.apt([], *own, "update")  # one list of many may fail; the next line tells
        names = re.findall(r"Depends: (linux-image-\S+)",
                           tool("apt-cache", *own, "depends", "linux-image-686",
                                cause="Linux: Debian's list of i386 packages cannot be fetched"))
        if not names:
            raise Problem("Linux: Debian has no linux-image-686")
        tool("apt-get", "-q", *own, "download", names[0], cwd=apt,
             cause=f"Linux: {names[0]} cannot be fetched")
        for package in apt.glob("linux-image-*.deb"):
            tool("dpkg-deb", "-x", package, apt / "unpacked")
        shutil.rmtree(MODULES, ignore_errors=True)
        next(apt.glob("unpacked/lib/modules/*/kernel")).rename(MODULES)
        LINUX.mkdir(exist_ok=True)
        kernel = next(apt.glob("unpacked/boot/vmlinuz-*")).rename(LINUX / names[0][12:])
    shutil.rmtree(apt)
    return kernel


def linux_version() -> str | None:
    return next((kernel.name for kernel in LINUX.glob("*")), None)


def cpio(entries: list[tuple[str, int, bytes, tuple[int, int]]]) -> bytes:
    """An archive in cpio's "newc" format of (name, mode, data, device number)."""
    archive = bytearray()
    for inode, (name, mode, data, device) in enumerate(entries, 1):
        words = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
        archive += b"070701" + b"".join(b"%08x" % word for word in words)
        archive += name.encode() + b"\0"
        archive += bytes(-len(archive) % 4) + data
        archive += bytes(-len(archive) % 4)
    return bytes(archive)
