#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""ISO 9660 images by genisoimage, xorriso and makefs: with Rock Ridge, Joliet and without, of two
sessions, bootable, and as a hybrid with partitions."""
import os
import shutil
import subprocess
import sys
import tempfile

import tree

GRUB = "/usr/lib/grub/i386-pc"
DEEP = "a/b/c/d/e/f/g/h/i/j/k"
LONG = "n" * 200 + ".text"
UNICODE = ["äöü.txt", "日本語.txt", "A file with a name of some length.text"]


def run(*command: str) -> None:
    environment = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin", TZ="UTC",
                       SOURCE_DATE_EPOCH="1234567890")
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stdout}")


def write(folder: str, name: str, size: int) -> None:
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(tree.content(os.path.basename(name), size))


def genisoimage(path: str, folder: str, *options: str) -> None:
    run("genisoimage", "-quiet", "-input-charset", "utf-8", *options, "-o", path, folder)


def whole_trees(out: str, work: str) -> None:
    """The tree of tree.py, with what Rock Ridge is there for."""
    folder = tree.make(os.path.join(work, "tree"))
    write(folder, DEEP + "/deepest", 3000)
    write(folder, LONG, 1000)
    for where, _, names in os.walk(folder):
        for name in names:
            os.utime(os.path.join(where, name), (1234567890,) * 2, follow_symlinks=False)
    os.chmod(os.path.join(folder, "hello.txt"), 0o4711)
    genisoimage(f"{out}/iso-rr.iso", folder, "-R", "-J", "-V", "ROCK_RIDGE")
    # The others write this one wrongly, or not at all.
    os.symlink("/".join(["a" * 100] * 8) + "/../end", os.path.join(folder, "verylonglink"))
    run("xorriso", "-as", "mkisofs", "-quiet", "-V", "XORRISO", "-o", f"{out}/iso-xorriso.iso",
        folder)
    os.unlink(os.path.join(folder, "verylonglink"))
    run("makefs", "-t", "cd9660", "-o", "rockridge,label=MAKEFS", f"{out}/iso-makefs.iso", folder)


def without_rock_ridge(out: str, work: str) -> None:
    folder = tree.make(os.path.join(work, "names"), links=False, big=False)
    genisoimage(f"{out}/iso-plain.iso", folder, "-iso-level", "1", "-V", "PLAIN")
    for name in UNICODE:
        write(folder, name, 2500)
    genisoimage(f"{out}/iso-joliet.iso", folder, "-J", "-V", "Joliet volume")


def sessions(out: str, work: str) -> None:
    """A second session, which has all of the first and two files more."""
    for number in 1, 2, 3:
        write(os.path.join(work, f"session{number}"), f"of session {number}", 1000 * number)
    path = f"{out}/iso-sessions.iso"
    genisoimage(path, os.path.join(work, "session1"), "-R", "-V", "ONE")
    before = 0
    for number in 2, 3:
        sectors = os.path.getsize(path) // 2048
        added = os.path.join(work, "added.iso")
        genisoimage(added, os.path.join(work, f"session{number}"), "-R", "-V", f"SESSION{number}",
                    "-C", f"{before},{sectors}", "-M", path)
        with open(path, "ab") as file, open(added, "rb") as more:
            shutil.copyfileobj(more, file)
        before = sectors


def fat(path: str, kib: int, name: str, size: int) -> None:
    run("mkfs.fat", "-C", path, str(kib))
    write(os.path.dirname(path), name, size)
    run("mcopy", "-i", path, os.path.join(os.path.dirname(path), name), "::")


def bootable(out: str, work: str) -> None:
    """El Torito: a floppy, an image for EFI, code without a file system."""
    folder = os.path.join(work, "boot")
    write(folder, "kexec", 5000)
    fat(os.path.join(folder, "floppy.img"), 1440, "floppy", 3000)
    fat(os.path.join(folder, "efi.img"), 400, "efi", 2000)
    shutil.copy(GRUB + "/cdboot.img", folder)
    genisoimage(f"{out}/iso-torito.iso", folder, "-R", "-b", "floppy.img", "-c", "catalog",
                "-eltorito-alt-boot", "-b", "cdboot.img", "-no-emul-boot", "-boot-load-size", "4",
                "-eltorito-alt-boot", "-e", "efi.img", "-no-emul-boot")
    # As grub-mkrescue does, for CDs and sticks alike: GPT and MBR before the file system.
    run("xorriso", "-as", "mkisofs", "-quiet", "-b", "cdboot.img", "-no-emul-boot",
        "-boot-load-size", "4", "--grub2-mbr", GRUB + "/boot_hybrid.img", "-partition_offset", "16",
        "-append_partition", "2", "0xef", os.path.join(folder, "efi.img"), "-appended_part_as_gpt",
        "-o", f"{out}/iso-hybrid.iso", folder)


def small(out: str, work: str) -> None:
    """For what is patched."""
    folder = os.path.join(work, "small")
    for name, size in {"one": 4096, "two": 3000, "d/three": 5000}.items():
        write(folder, name, size)
    os.symlink("d/three", os.path.join(folder, "link"))
    write(folder, "x" * 220, 10)
    genisoimage(f"{out}/iso-small.iso", folder, "-R", "-J", "-no-pad")
    genisoimage(f"{out}/iso-small-plain.iso", folder, "-no-pad")


def main(out: str) -> None:
    os.makedirs(out, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        for make in whole_trees, without_rock_ridge, sessions, bootable, small:
            make(out, work)


if __name__ == "__main__":
    main(sys.argv[1])
