#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes the images of ext2, ext3 and ext4, with mke2fs, debugfs and e2fsck of e2fsprogs 1.47."""
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import tree

# A file with 1 KiB blocks: offset and size of its data, by the pointers that lead to them.
SPARSE = {
    "direct": (0, 2048), "direct 2": (5000, 3000), "single": (100_000, 5000),
    "double": (1_000_000, 70_000),
    "end of double": (67_380_000, 4000), "triple": (70_000_000, 50_001),
}


def run(*command: str, changed: bool = False) -> str:
    """What a program says. changed: it may end with 1, as e2fsck does when it has changed
    something."""
    environment = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin", TZ="UTC",
                       E2FSPROGS_FAKE_TIME="1000000000", MKE2FS_CONFIG="/dev/null")
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode > changed:
        sys.exit(f"{' '.join(command)}: {done.stdout}")
    return done.stdout


def debugfs(image: str, request: str) -> str:
    return run("debugfs", "-w", "-R", request, image)


class Maker:
    def __init__(self, output: str, work: str):
        self.output, self.work = output, work

    def folder(self, name: str, **arguments) -> str:
        path = os.path.join(self.work, name)
        if not os.path.isdir(path):
            os.mkdir(path)
            tree.make(path, **arguments)
            for where, _, names in os.walk(path):
                for each in names:
                    os.utime(os.path.join(where, each), (1234567890,) * 2, follow_symlinks=False)
            os.chmod(os.path.join(path, "hello.txt"), 0o4711)
        return path

    def image(self, name: str, size: str, folder: str, *options: str) -> str:
        path = os.path.join(self.output, name)
        if os.path.exists(path):
            os.unlink(path)
        run("mke2fs", "-q", "-F", "-L", "vesper " + name[:4], "-d", folder, *options, path, size)
        run("e2fsck", "-fn", path)
        return path


def write_sparse(path: str, pieces) -> None:
    """Data where pieces say so, holes elsewhere: content() of the whole, with zeros in the
    holes."""
    whole = tree.content(os.path.basename(path), 1 << 16)
    with open(path, "wb") as file:
        for offset, size in pieces:
            file.seek(offset)
            start = offset % len(whole)
            file.write((whole[start:] + whole * (size // len(whole) + 1))[:size])


def make_plain(make: Maker) -> None:
    """The tree of tree.py on every kind of volume."""
    big, small = make.folder("big"), make.folder("small", big=False)
    make.image("ext2-1k.img", "12M", big, "-t", "ext2", "-b", "1024", "-I", "128")
    make.image("ext2-2k.img", "12M", big, "-t", "ext2", "-b", "2048")
    make.image("ext2-4k.img", "12M", big, "-t", "ext2", "-b", "4096")
    make.image("ext2-64k.img", "32M", small, "-t", "ext2", "-b", "65536")
    make.image("ext2-r0.img", "4M", small, "-t", "ext2", "-r", "0", "-b", "1024", "-O", "none")
    make.image("ext3.img", "24M", big, "-t", "ext3", "-b", "1024", "-J", "size=1", "-O",
               "has_journal,dir_index,filetype,sparse_super")
    make.image("ext4.img", "24M", big, "-t", "ext4", "-b", "4096", "-I", "256", "-J", "size=4",
               "-O",
               "has_journal,extents,64bit,metadata_csum,flex_bg,huge_file,dir_nlink,extra_isize,"
               "dir_index,filetype,sparse_super,large_file")
    make.image("ext4-gdt.img", "12M", big, "-t", "ext4", "-b", "1024", "-I", "128", "-O",
               "extents,uninit_bg,^has_journal")
    make.image("ext4-bigalloc.img", "32M", small, "-t", "ext4", "-b", "1024", "-C", "16384", "-O",
               "extents,bigalloc,^resize_inode")
    make.image("ext4-sparse2.img", "8M", small, "-t", "ext4", "-b", "1024", "-O",
               "extents,sparse_super2,^resize_inode")
    # 96 groups in 3 meta block groups, and so few inodes in each that the files reach the second
    path = make.image("ext4-meta.img", "24M", small, "-t", "ext4", "-b", "1024", "-g", "256", "-N",
                      "768", "-O",
                      "meta_bg,extents,^resize_inode,^64bit,^flex_bg")
    assert int(debugfs(path, "imap /many/file299").split("block group ")[1].split()[0]) > 32


def make_inline(make: Maker) -> None:
    folder = make.folder("inline", big=False)
    os.mkdir(os.path.join(folder, "few"))
    open(os.path.join(folder, "few", "first"), "wb").close()
    os.symlink("./" * 40 + "hello.txt", os.path.join(folder, "inlinelink"))
    path = make.image("ext4-inline.img", "8M", folder, "-t", "ext4", "-b", "4096", "-I", "512",
                      "-O",
                      "inline_data,extents,^has_journal")
    # Linux continues a full directory in an attribute, libext2fs does not: a second name for
    # hello.txt there
    inode = int(debugfs(path, "stat /hello.txt").split("Inode: ")[1].split()[0])
    value = os.path.join(make.work, "value")
    with open(value, "wb") as file:
        file.write(struct.pack("<IHBB32s", inode, 40, 9, 1, b"continued"))
    for request in ("ea_set /few system.data -f " + value, "sif /few size 100",
                    "sif /hello.txt links_count 2"):
        debugfs(path, request)
    run("e2fsck", "-fn", path)
    for name in ("hello.txt", "many/file060", "many/file061", "many/file150", "dir", "few",
                 "inlinelink"):
        assert "system.data" in debugfs(path, f"stat /{name}"), name


def make_sparse(make: Maker) -> None:
    """Holes, in block maps of each depth and in extents."""
    folder = os.path.join(make.work, "sparse")
    os.mkdir(folder)
    write_sparse(os.path.join(folder, "sparse"), SPARSE.values())
    with open(os.path.join(folder, "sparse"), "r+b") as file:
        file.truncate(71_000_000)  # ends in a hole
    with open(os.path.join(folder, "hole"), "wb") as file:
        file.truncate(3_000_000)
    make.image("ext2-sparse.img", "2M", folder, "-t", "ext2", "-b", "1024")
    # every second block: 1,000 extents, 84 to a node; and blocks that were reserved but never
    # written
    write_sparse(os.path.join(folder, "fragments"), [(n * 2048, 1024) for n in range(1000)])
    path = make.image("ext4-sparse.img", "8M", folder, "-t", "ext4", "-b", "1024", "-I", "256",
                      "-O", "extents,^has_journal")
    debugfs(path, "fallocate /hole 100 299")
    debugfs(path, "set_inode_field /fragments mtime_extra 1")
    run("e2fsck", "-fy", "-E", "no_optimize_extents", path)
    assert " 2/ 2 " in debugfs(path, "extents /fragments")
    assert "Uninit" in debugfs(path, "extents /hole")


def make_directories(make: Maker) -> None:
    """A directory of 2,000 files, with an index."""
    folder = os.path.join(make.work, "directories")
    os.makedirs(os.path.join(folder, "index"))
    for number in range(2000):
        open(os.path.join(folder, "index", f"some file with number {number}"), "wb").close()
    for name, options in ("ext4-index.img", ("-t", "ext4", "-O",
                                             "extents,dir_index,metadata_csum,^has_journal")), (
            "ext3-index.img", ("-t", "ext2", "-O", "dir_index,filetype")):
        path = make.image(name, "8M", folder, "-b", "1024", "-N", "2400", *options)
        run("e2fsck", "-fyD", path, changed=True)
        run("e2fsck", "-fn", path)
        assert "Root node dump" in debugfs(path, "htree_dump /index")


def make_fuzz(make: Maker) -> None:
    """Small ones, with something of everything, for the fuzzer and the tests of damage."""
    folder = os.path.join(make.work, "fuzz")
    os.makedirs(os.path.join(folder, "dir", "sub"))
    for name, size in ("file", 30_000), ("dir/small", 50), ("dir/sub/medium", 120):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(tree.content(os.path.basename(name), size))
    write_sparse(os.path.join(folder, "fragments"), [(n * 2048, 1024) for n in range(20)])
    write_sparse(os.path.join(folder, "far"), [(0, 1024), (400_000, 2000), (68_000_000, 1024)])
    os.symlink("dir/small", os.path.join(folder, "link"))
    os.symlink("./" * 100 + "file", os.path.join(folder, "longlink"))
    make.image("ext2-fuzz.img", "192K", folder, "-t", "ext2", "-b", "1024", "-N", "32", "-O",
               "filetype,sparse_super")
    for name, options in (("ext4-fuzz.img", "inline_data,"), ("ext4-fuzz-write.img", "")):
        make.image(name, "192K", folder, "-t", "ext4", "-b", "1024", "-I", "256", "-N", "32", "-O",
                   options + "extents,64bit,dir_index,filetype,extra_isize,^has_journal,"
                   "^resize_inode")


def make_power(make: Maker) -> None:
    """Small and nearly empty, for the tests that cut the power."""
    folder = os.path.join(make.work, "power")
    os.makedirs(folder)
    for name, size, options in (
            ("cut-ext2.img", "2M", ("-t", "ext2", "-b", "1024", "-I", "128", "-O", "^dir_index")),
            ("cut-ext2-index.img", "2M", ("-t", "ext2", "-b", "1024", "-O", "dir_index")),
            ("cut-ext2-4k.img", "4M", ("-t", "ext2", "-b", "4096", "-O", "dir_index")),
            ("cut-ext3.img", "4M", ("-t", "ext3", "-b", "1024", "-J", "size=1", "-O",
                                    "has_journal,dir_index,filetype,sparse_super")),
            ("cut-ext4.img", "4M", ("-t", "ext4", "-b", "1024", "-I", "256", "-J", "size=1", "-O",
                                    "has_journal,extents,64bit,metadata_csum,flex_bg,huge_file,"
                                    "dir_nlink,extra_isize,dir_index")),
            ("cut-ext4-4k.img", "12M", ("-t", "ext4", "-b", "4096", "-J", "size=4", "-O",
                                        "has_journal,extents,metadata_csum,dir_index"))):
        make.image(name, size, folder, *options)


def make_journals(make: Maker) -> None:
    """Journals, written by debugfs, with what has not reached its place: blocks, one of which looks
    like the journal's own, one of which is revoked later, and one that has not been committed."""
    plain, magic, commands = (os.path.join(make.work, n) for n in ("plain", "magic", "commands"))
    folder = os.path.join(make.work, "journals")
    os.makedirs(folder)
    sums = "has_journal,extents,metadata_csum,"
    for name, size, kib, how, options in (
            ("journal-ext3.img", "4M", 1, "jo", ("-t", "ext3", "-J", "size=1")),
            ("journal-v2.img", "4M", 1, "jo -c -v 2",
             ("-t", "ext4", "-J", "size=1", "-O", sums + "^64bit")),
            ("journal-v3.img", "4M", 1, "jo -c -v 3",
             ("-t", "ext4", "-J", "size=1", "-O", sums + "64bit")),
            ("journal-4k.img", "12M", 4, "jo -c -v 3",
             ("-t", "ext4", "-J", "size=4", "-O", sums + "64bit"))):
        path = make.image(name, size, folder, "-b", str(kib << 10), *options)
        with open(plain, "wb") as file:
            file.write(b"A" * (kib << 10))
        with open(magic, "wb") as file:
            file.write(b"\xc0\x3b\x39\x98" + b"B" * ((kib << 10) - 4))
        with open(commands, "w", encoding="ascii") as file:
            print(how, f"jw -b 2500 {plain}", f"jw -b 2501 {magic}", f"jw -b 2502 {plain}",
                  "jw -r 2502", f"jw -b 2503 {magic}", f"jw -b 2503 {plain}",
                  f"jw -b 2504 -c {plain}", "jc", sep="\n", file=file)
        run("debugfs", "-w", "-f", commands, path)
        assert "needs_recovery" in debugfs(path, "features")


def make_large(make: Maker) -> None:
    """Nearly empty, with room for many names and long files; and with few inodes."""
    folder = os.path.join(make.work, "large")
    os.makedirs(folder)
    for name, size, options in (
            ("large-ext2.img", "16M", ("-t", "ext2", "-b", "1024", "-O", "dir_index,large_file")),
            ("large-ext3.img", "16M", ("-t", "ext3", "-b", "1024", "-J", "size=2", "-O",
                                       "has_journal,dir_index,filetype,sparse_super")),
            ("large-ext4.img", "16M", ("-t", "ext4", "-b", "1024", "-I", "256", "-J", "size=2",
                                       "-O", "has_journal,extents,64bit,metadata_csum,flex_bg,"
                                       "huge_file,dir_nlink,extra_isize,dir_index")),
            ("few-ext2.img", "4M", ("-t", "ext2", "-b", "1024", "-N", "64")),
            ("few-ext4.img", "4M", ("-t", "ext4", "-b", "1024", "-N", "64", "-J", "size=1", "-O",
                                    "has_journal,extents,metadata_csum,dir_index"))):
        make.image(name, size, folder, *options)


def main() -> None:
    output = sys.argv[1]
    os.makedirs(output, exist_ok=True)
    work = tempfile.mkdtemp()
    try:
        for step in (make_plain, make_inline, make_sparse, make_directories, make_fuzz, make_power,
                     make_journals, make_large):
            step(Maker(output, work))
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
