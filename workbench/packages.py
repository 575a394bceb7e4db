# SPDX-License-Identifier: BSD-2-Clause
"""Installs the Debian packages that a command needs and the machine lacks."""
import glob
import os
import shutil
import subprocess
import sys

from workbench.console import Problem, say

# A package is there if this command, or a file of this pattern, is.
EVIDENCE = {
    "bochs": "bochs",
    "bochs-x": "/usr/lib/*/bochs/plugins/libbx_x_gui.so",
    "bochsbios": "/usr/share/bochs/BIOS-bochs-latest",
    "ccache": "ccache",
    "clang": "clang++",
    "clang-format": "clang-format",
    "clang-tidy": "clang-tidy",
    "cmake": "cmake",
    "cpio": "cpio",
    "dosfstools": "mkfs.fat",
    "dpkg-dev": "dpkg-source",  # which brings make, patch and xz along
    "e2fsprogs": "mke2fs",
    "exfatprogs": "mkfs.exfat",
    "fdisk": "sfdisk",
    "gdb": "gdb",
    "gdisk": "sgdisk",
    "genisoimage": "genisoimage",
    "g++-multilib": "/usr/lib/gcc/*/*/32/libstdc++.a",
    "grub-common": "grub-mkimage",
    "grub-efi-amd64-bin": "/usr/lib/grub/x86_64-efi/multiboot2.mod",
    "grub-pc-bin": "/usr/lib/grub/i386-pc/boot.img",
    "libclang-rt-14-dev": "/usr/lib/llvm-14/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a",
    "libgmock-dev": "/usr/include/gmock/gmock.h",
    "libgtest-dev": "/usr/include/gtest/gtest.h",
    "makefs": "makefs",
    "mtools": "mcopy",
    "nasm": "nasm",
    "ninja-build": "ninja",
    "nodejs": "node",
    "npm": "npm",
    "ovmf": "/usr/share/ovmf/OVMF.fd",
    "python3-pytest": "/usr/lib/python3/dist-packages/pytest",
    "python3-pytest-xdist": "/usr/lib/python3/dist-packages/xdist",
    "qemu-system-gui": "/usr/lib/*/qemu/ui-gtk.so",
    "qemu-system-x86": "qemu-system-i386",
    "rust-src": "/usr/src/rustc-*/library/core/src/lib.rs",
    "rustc": "/usr/bin/rustc",
    "seabios": "/usr/share/seabios/bios.bin",
    "udftools": "mkudffs",
    "u-boot-qemu": "/usr/lib/u-boot/qemu-x86/u-boot.rom",
    "vgabios": "/usr/share/vgabios/vgabios.bin",
    "xorriso": "xorriso",
}

BUILD = ("g++-multilib", "cmake", "ninja-build", "ccache")
GRUB = ("grub-common", "grub-pc-bin")
FILE_SYSTEM = {
    "ffs1": ("makefs",), "ffs2": ("makefs",),
    "ext2": ("e2fsprogs",), "ext4": ("e2fsprogs",),
    "fat16": ("dosfstools", "mtools"), "fat32": ("dosfstools", "mtools"),
    "iso9660": ("genisoimage",), "tar": (), "cpio": ("cpio",),
}
CHECK = ("clang-format", "clang-tidy")
IMAGES = (  # for what the host tests read
    "makefs", "e2fsprogs", "dosfstools", "mtools", "exfatprogs", "fdisk", "gdisk", "genisoimage",
    "xorriso", "udftools", "cpio", "grub-common", "grub-pc-bin", "dpkg-dev")
HOST = BUILD + IMAGES + ("libgtest-dev", "libgmock-dev", "clang", "libclang-rt-14-dev")
EMULATORS = BUILD + GRUB + IMAGES + (
    "clang", "nasm", "python3-pytest", "gdb", "python3-pytest-xdist", "qemu-system-x86", "ovmf",
    "grub-efi-amd64-bin", "bochs", "bochs-x", "bochsbios", "vgabios", "seabios",
    "nodejs", "npm", "rustc", "rust-src")


def present(package: str) -> bool:
    evidence = EVIDENCE[package]
    return bool(glob.glob(evidence) if evidence.startswith("/") else shutil.which(evidence))


def ensure(*packages: str) -> None:
    """Returns when all are installed; says what it installs."""
    missing = sorted({package for package in packages if not present(package)})
    if not missing:
        return
    by_hand = "apt-get install --no-install-recommends " + " ".join(missing)
    if not shutil.which("apt-get"):
        names = ", ".join(f"{EVIDENCE[package]} (Debian's {package})" for package in missing)
        raise Problem(f"missing: {names}", "There is no apt-get here: install them by hand.")
    root = [] if os.geteuid() == 0 else ["sudo"]
    if root and not shutil.which("sudo"):
        raise Problem(f"missing: {' '.join(missing)}", f"Install them as root: {by_hand}")
    say(f"Installing with apt: {' '.join(missing)}")
    install = by_hand.split()[1:] + ["-y"]
    if apt(root, *install).returncode:  # as on a machine without, or with old, package lists
        say("Fetching the package lists ...")
        apt(root, "update")
        result = apt(root, *install)
        if result.returncode:
            raise Problem(f"apt-get could not install them:\n{result.stdout.rstrip()}",
                          f"Mend that, then try again; by hand: {by_hand}")
    absent = [package for package in missing if not present(package)]
    if absent:
        raise Problem(f"installed, but not found: {', '.join(EVIDENCE[name] for name in absent)}",
                      "Vesper's workbench is made for Debian 12.")


def apt(root: list[str], *words: str) -> subprocess.CompletedProcess:
    # env, for sudo passes no variables on. With a terminal sudo may ask for the password.
    command = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", *words]
    terminal = sys.stdin and sys.stdin.isatty()
    return subprocess.run(command, stdin=None if terminal else subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
