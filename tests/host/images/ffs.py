# SPDX-License-Identifier: BSD-2-Clause
"""FFS images: by makefs, and patched where makefs cannot make something (holes, old formats)."""
import os
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tree  # noqa: E402

MAGIC = {0x011954: 1, 0x19540119: 2}
SUPERBLOCK = 8192  # where makefs puts it, in both versions
# The blocks of the file "sparse" that are not holes; ffs_test.cpp computes the same. n is the
# number of pointers in an indirect block.
SPARSE = [lambda n: 1, lambda n: 12 + 5, lambda n: 12 + n - 1, lambda n: 12 + n + 3 * n + 7,
          lambda n: 12 + n + n * n, lambda n: 12 + n + n * n + 2 * n * n + 4 * n + 9]


class Volume:
    """As much of FFS as the patches need."""

    def __init__(self, path: str):
        self.path = path
        with open(path, "rb") as file:
            self.data = bytearray(file.read())
        self.version = MAGIC[self.u32(SUPERBLOCK + 1372)]
        self.iblkno, self.bsize, self.fsize = (self.u32(SUPERBLOCK + at) for at in (16, 48, 52))
        self.ipg, self.fpg = self.u32(SUPERBLOCK + 184), self.u32(SUPERBLOCK + 188)
        self.size = struct.unpack_from("<Q", self.data, SUPERBLOCK + 1080)[0]
        self.pointer = "<I" if self.version == 1 else "<Q"
        self.width = struct.calcsize(self.pointer)
        # Blocks are taken from here, downwards; makefs leaves something in the last.
        self.end = self.size // (self.bsize // self.fsize) - 1

    def u32(self, at: int) -> int:
        return struct.unpack_from("<I", self.data, at)[0]

    def put(self, form: str, at: int, value: int) -> None:
        struct.pack_into(form, self.data, at, value)

    def inode(self, number: int) -> int:
        group, index = divmod(number, self.ipg)
        return (group * self.fpg + self.iblkno) * self.fsize + index * 128 * self.version

    def inode_size(self, inode: int) -> int:
        return struct.unpack_from("<Q", self.data, inode + (8, 16)[self.version - 1])[0]

    def pointers(self, inode: int) -> int:
        return inode + (40, 112)[self.version - 1]

    def blocks_of(self, inode: int):
        """(offset, length) of the first twelve blocks of a file."""
        size = self.inode_size(inode)
        for index in range(min(12, -(-size // self.bsize))):
            first = struct.unpack_from(self.pointer, self.data,
                                       self.pointers(inode) + index * self.width)[0]
            yield first * self.fsize, min(self.bsize, size - index * self.bsize)

    def records(self, directory: int):
        """(offset, inode, name) of the records of a directory."""
        for start, length in self.blocks_of(directory):
            at = start
            while at < start + length:
                number, reclen, _, namlen = struct.unpack_from("<IHBB", self.data, at)
                if number:
                    yield at, number, bytes(self.data[at + 8:at + 8 + namlen]).decode()
                at += reclen

    def find(self, path: str) -> int:
        inode = self.inode(2)
        for part in path.split("/"):
            inode = next(self.inode(n) for _, n, name in self.records(inode) if name == part)
        return inode

    def take_block(self) -> int:
        """An unused block at the end of the volume: its fragment number."""
        self.end -= 1
        fragment = self.end * (self.bsize // self.fsize)
        start = fragment * self.fsize
        assert not any(self.data[start:start + self.bsize]), f"{self.path} is full"
        return fragment

    def pointer_to(self, inode: int, block: int) -> int:
        """The offset of the pointer to a block of a file, with the indirect blocks on the way."""
        n = self.bsize // self.width
        if block < 12:
            return self.pointers(inode) + block * self.width
        block -= 12
        level = 1
        while block >= n ** level:
            block -= n ** level
            level += 1
        at = self.pointers(inode) + (11 + level) * self.width
        for below in range(level - 1, -1, -1):
            table = struct.unpack_from(self.pointer, self.data, at)[0]
            if table == 0:
                table = self.take_block()
                self.put(self.pointer, at, table)
            index, block = divmod(block, n ** below)
            at = table * self.fsize + index * self.width
        return at

    def write_block(self, inode: int, block: int, data: bytes) -> None:
        fragment = self.take_block()
        self.put(self.pointer, self.pointer_to(inode, block), fragment)
        self.data[fragment * self.fsize:fragment * self.fsize + len(data)] = data

    def save(self, path: str = "") -> None:
        with open(path or self.path, "wb") as file:
            file.write(self.data)


def makefs(path: str, folder: str, version: int, bsize: int, fsize: int, *more: str,
           options: str = "") -> str:
    # Volumes that are just large enough sometimes are too small for makefs: hence the free inodes.
    options = f"version={version},bsize={bsize},fsize={fsize},minfree=0{options}"
    subprocess.run(["makefs", "-t", "ffs", "-f", "100", *more, "-o", options, path, folder],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return path


def make_sparse(path: str) -> None:
    """Gives an image's empty file "sparse" holes and all levels of indirect blocks."""
    volume = Volume(path)
    n = volume.bsize // volume.width
    inode = volume.find("sparse")
    for block in (where(n) for where in SPARSE):
        volume.write_block(inode, block, tree.content(f"sparse{block}", volume.bsize))
    volume.put("<Q", inode + (8, 16)[volume.version - 1], SPARSE[-1](n) * volume.bsize + 1234)
    volume.save()


def make_old(path: str, old_path: str) -> None:
    """Makes an FFSv1 image one of 4.2BSD: no superblock's place, no d_type, no links in inodes."""
    volume = Volume(path)
    volume.put("<B", SUPERBLOCK + 211, 0)           # fs_old_flags
    volume.put("<q", SUPERBLOCK + 1000, 0)          # fs_sblockloc
    volume.put("<i", SUPERBLOCK + 1320, 0)          # fs_maxsymlinklen
    volume.put("<i", SUPERBLOCK + 1324, -1)         # fs_old_inodefmt
    for name in tree.LINKS:
        inode = volume.find(name)
        size, pointers = volume.inode_size(inode), volume.pointers(inode)
        if size < 60:
            text = volume.data[pointers:pointers + size]
            volume.data[pointers:pointers + 60] = bytes(60)
            volume.write_block(inode, 0, bytes(text))
            volume.put("<I", inode + 104, volume.bsize // 512)  # di_blocks
    folders = [volume.find(name) for name in ("many", "dir", "dir/sub")] + [volume.inode(2)]
    for at in [at for folder in folders for at, _, _ in volume.records(folder)]:
        volume.data[at + 6], volume.data[at + 7] = volume.data[at + 7], 0
    volume.save(old_path)


def make_all(out: str, work: str) -> None:
    whole, small, tiny, empty = (os.path.join(work, name)
                                 for name in ("whole", "small", "tiny", "empty"))
    tree.make(whole)
    shutil.copytree(whole, small, symlinks=True, ignore=shutil.ignore_patterns("big"))
    open(os.path.join(small, "sparse"), "w").close()
    os.makedirs(os.path.join(tiny, "d"))
    for name, size in {"a": 700, "d/b": 9000, "sparse": 0}.items():
        with open(os.path.join(tiny, name), "wb") as file:
            file.write(tree.content(os.path.basename(name), size))
    os.mkdir(empty)
    os.symlink("a", os.path.join(tiny, "short"))
    os.symlink("./" * 70 + "a", os.path.join(tiny, "long"))
    for version in (1, 2):
        def image(name: str) -> str:
            return os.path.join(out, f"ffs{version}{name}.img")
        for bsize in (4096, 8192, 16384, 32768, 65536):
            makefs(image(f"_{bsize}"), whole, version, bsize, bsize // 8, "-s", "9m")
        for bsize, fsize in ((4096, 4096), (8192, 4096), (16384, 4096)):  # and many groups
            makefs(image(f"_{bsize}_{fsize}"), small, version, bsize, fsize, "-s", "6m",
                   options=",maxbpcg=128")
        make_sparse(makefs(image("_sparse"), small, version, 4096, 512, "-s", "3m"))
        # To write on: several groups, and one; inodes that have never been written.
        for bsize, fsize, size, inodes in (
                (4096, 512, "1m", 100), (8192, 1024, "2m", 100), (16384, 2048, "3m", 300),
                (32768, 4096, "4m", 300), (65536, 8192, "6m", 300), (4096, 4096, "3m", 600)):
            makefs(image(f"_empty_{bsize}_{fsize}"), empty, version, bsize, fsize,
                   "-f", str(inodes), "-s", size, options=",maxbpcg=64")
        makefs(image("_small"), tiny, version, 4096, 512, "-s", "512k")
        # The copy of the superblock is at 65536, and at 262144 are only the groups' counts.
        makefs(image("_places"), tiny, version, 65536, 8192, "-s", "2m")
        make_sparse(makefs(image("_tiny"), tiny, version, 4096, 512, "-s", "160k"))
    make_old(os.path.join(out, "ffs1_4096_4096.img"), os.path.join(out, "ffs1_old.img"))


if __name__ == "__main__":
    os.makedirs(sys.argv[1], exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        make_all(sys.argv[1], scratch)
