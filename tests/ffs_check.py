#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A checker for FFS volumes, which shares nothing with the kernel: what is stored is compared with
what follows from the inodes alone, as McKusick and Kowalski's Fsck paper has it in five phases.

    ffs_check.py [--after-cut] IMAGE...
    ffs_check.py [--after-cut] --stream     volumes from standard input: length (8 bytes), bytes

Prints what is wrong; the exit status is 1 if anything is. With --after-cut a volume that does not
claim to be clean may have lost space, counts that are too high and names that are still there: what
a power cut leaves behind an ordered writer, and fsck mends without a question."""
import struct
import sys
from collections import Counter, defaultdict

UFS1, UFS2, UFS2_EXTENDED = 0x011954, 0x19540119, 0x19012038
DIRECTORY, FILE, LINK = 4, 8, 10
TYPES = (1, 2, DIRECTORY, 6, FILE, LINK, 12)
PIECE = 512


class Inode:
    def __init__(self, volume: "Volume", raw: bytes):
        if volume.ufs2:
            self.mode, self.links = struct.unpack_from("<Hh", raw)
            self.size, self.blocks = struct.unpack_from("<QQ", raw, 16)
            self.extra, self.pointers = raw[96:112], struct.unpack_from("<15Q", raw, 112)
            self.extra_size = struct.unpack_from("<I", raw, 92)[0]
        else:
            self.mode, self.links = struct.unpack_from("<Hh", raw)
            self.size = struct.unpack_from("<Q", raw, 8)[0]
            self.pointers = struct.unpack_from("<15I", raw, 40)
            self.blocks = struct.unpack_from("<I", raw, 104)[0]
            self.extra, self.extra_size = b"", 0
        self.type = self.mode >> 12
        self.places: list[tuple[int, int]] = []  # of its data: fragment, fragments


class Volume:
    def __init__(self, data: bytes, after_cut: bool = False):
        self.data, self.after_cut = data, after_cut
        self.wrong: list[str] = []
        self.inodes: dict[int, Inode] = {}
        self.found = self.find_superblock()
        if not self.found:
            self.wrong.append("there is no superblock")

    def u32(self, at: int) -> int:
        return struct.unpack_from("<I", self.data, at)[0]

    def u64(self, at: int) -> int:
        return struct.unpack_from("<Q", self.data, at)[0]

    def find_superblock(self) -> bool:
        for place in (65536, 8192, 0, 262144):
            if len(self.data) < place + 1376:
                continue
            magic = self.u32(place + 1372)
            if magic not in (UFS1, UFS2, UFS2_EXTENDED):
                continue
            says_where = magic != UFS1 or self.data[place + 211] & 0x80
            if place != (self.u64(place + 1000) if says_where else 8192):
                continue
            self.super, self.ufs2 = place, magic != UFS1
            break
        else:
            return False
        sb = self.super
        self.sblkno, self.cblkno, self.iblkno, self.dblkno, self.cgoffset, self.cgmask = (
            self.u32(sb + at) for at in (8, 12, 16, 20, 24, 28))
        self.ncg, self.bsize, self.fsize, self.frag = (self.u32(sb + at) for at in (44, 48, 52, 56))
        self.cssize, self.cgsize, self.ipg, self.fpg = (
            self.u32(sb + at) for at in (156, 160, 184, 188))
        self.csaddr = self.u64(sb + 1096) if self.ufs2 else self.u32(sb + 152)
        self.size = self.u64(sb + 1080) if self.ufs2 else self.u32(sb + 36)
        self.cluster = self.u32(sb + 1316)
        self.short_link = self.u32(sb + 1320)
        self.width = 8 if self.ufs2 else 4
        self.nindir = self.bsize // self.width
        self.clean = self.data[sb + 209] == 1
        if self.after_cut and self.clean:
            self.after_cut = False  # who says so has to be right
        return True

    def bad(self, text: str) -> None:
        self.wrong.append(text)

    def mild(self, text: str) -> None:
        """Lost space and the like."""
        if not self.after_cut:
            self.wrong.append(text)

    def group_start(self, group: int) -> int:
        start = group * self.fpg
        return start if self.ufs2 else start + self.cgoffset * (group & ~self.cgmask & 0xffffffff)

    def raw_inode(self, number: int) -> bytes:
        group, index = divmod(number, self.ipg)
        length = 256 if self.ufs2 else 128
        at = (self.group_start(group) + self.iblkno) * self.fsize + index * length
        return self.data[at:at + length]

    # ---- phase 1: inodes and their blocks

    def mark_metadata(self) -> None:
        self.used = bytearray(self.size)  # 1: metadata, 2: a file's
        for group in range(self.ncg):
            start = self.group_start(group)
            first = start + self.sblkno if group else 0
            end = min(start + self.dblkno, self.size)
            self.used[first:end] = b"\1" * (end - first)
        count = -(-self.cssize // self.fsize)
        self.used[self.csaddr:self.csaddr + count] = b"\1" * count

    def take(self, number: int, first: int, count: int) -> bool:
        if first + count > self.size or first == 0:
            self.bad(f"inode {number}: block {first} is out of range")
            return False
        was = self.used[first:first + count]
        if any(was):
            what = "metadata" if 1 in was else "a duplicate"
            self.bad(f"inode {number}: block {first} is {what}")
        self.used[first:first + count] = b"\2" * count
        return True

    def walk_table(self, number: int, inode: Inode, table: int, level: int, block: int) -> int:
        """An indirect block: the fragments in use below it, with itself."""
        if not self.take(number, table, self.frag):
            return 0
        total = self.frag
        form = f"<{self.nindir}{'Q' if self.ufs2 else 'I'}"
        pointers = struct.unpack_from(form, self.data, table * self.fsize)
        below = self.nindir ** level
        end = -(-inode.size // self.bsize)
        for index, pointer in enumerate(pointers):
            at = block + index * below
            if pointer == 0:
                continue
            if at >= end:
                self.mild(f"inode {number}: a pointer to block {at} of {end}")
            if level:
                total += self.walk_table(number, inode, pointer, level - 1, at)
            elif self.take(number, pointer, self.frag):
                inode.places.append((pointer, self.frag))
                self.last = max(self.last, at)
                total += self.frag
        return total

    def check_blocks(self, number: int, inode: Inode) -> None:
        if inode.type not in (DIRECTORY, FILE, LINK):
            return
        total, end, self.last = 0, -(-inode.size // self.bsize), -1
        short = inode.type == LINK and (inode.size < self.short_link or inode.blocks == 0)
        for index, pointer in enumerate(inode.pointers[:12] if not short else ()):
            if pointer == 0:
                continue
            if index >= end:
                self.bad(f"inode {number}: a direct pointer to block {index} of {end}")
            count = self.frag
            if index == end - 1:
                count = -(-(inode.size - index * self.bsize) // self.fsize)
            if self.take(number, pointer, count):
                inode.places.append((pointer, count))
                total += count
                self.last = max(self.last, index)
        block = 12
        for level, table in enumerate(inode.pointers[12:] if not short else ()):
            if table:
                if block >= end:
                    self.mild(f"inode {number}: an indirect pointer to block {block} of {end}")
                total += self.walk_table(number, inode, table, level, block)
            block += self.nindir ** (level + 1)
        for at in range(0, len(inode.extra) if inode.extra_size else 0, 8):
            count = min(self.bsize, max(0, inode.extra_size - at // 8 * self.bsize))
            first = struct.unpack_from("<Q", inode.extra, at)[0]
            if first and self.take(number, first, -(-count // self.fsize)):
                total += -(-count // self.fsize)
        if inode.blocks != total * self.fsize // 512:
            self.mild(f"inode {number}: {inode.blocks} sectors, not {total * self.fsize // 512}")
        if not short and inode.size and self.last < end - 1:
            (self.bad if inode.type == DIRECTORY else self.mild)(
                f"inode {number}: {inode.size} bytes, but the last block is {self.last}")

    def read_inodes(self) -> None:
        zeros = bytes(256)
        for group in range(self.ncg):
            at = (self.group_start(group) + self.cblkno) * self.fsize
            here = min(self.u32(at + 120), self.ipg) if self.ufs2 else self.ipg
            for number in range(group * self.ipg, group * self.ipg + here):
                raw = self.raw_inode(number)
                if raw[:2] == b"\0\0":
                    pointers = raw[112:232] if self.ufs2 else raw[40:100]
                    size = raw[16:24] if self.ufs2 else raw[8:16]
                    if pointers != zeros[:len(pointers)] or size != zeros[:8]:
                        self.bad(f"inode {number}: partially allocated")
                    continue
                inode = self.inodes[number] = Inode(self, raw)
                if inode.type not in TYPES:
                    self.bad(f"inode {number}: mode {inode.mode:o}")
                self.check_blocks(number, inode)

    # ---- phases 2 to 4: directories, and what they lead to

    def records(self, number: int):
        inode = self.inodes[number]
        if inode.size % PIECE or inode.size == 0:
            self.bad(f"directory {number}: {inode.size} bytes")
        content = b"".join(self.data[first * self.fsize:(first + count) * self.fsize]
                           for first, count in inode.places)[:inode.size]
        for start in range(0, len(content), PIECE):
            at = start
            while at < start + PIECE:
                target, length, kind, namlen = struct.unpack_from("<IHBB", content, at)
                if length < 8 or length % 4 or at + length > start + PIECE:
                    self.bad(f"directory {number}: a record of {length} bytes at {at}")
                    break
                if target:
                    name = content[at + 8:at + 8 + namlen]
                    if 8 + namlen + 1 > length or not name or b"/" in name or b"\0" in name:
                        self.bad(f"directory {number}: the name {name!r} at {at}")
                    elif content[at + 8 + namlen]:
                        self.bad(f"directory {number}: no zero behind {name!r}")
                    yield at, target, kind, name
                at += length

    def check_directories(self) -> None:
        self.links: Counter = Counter()
        parents = defaultdict(list)
        dotdot: dict[int, int] = {}
        for number, inode in self.inodes.items():
            if inode.type != DIRECTORY:
                continue
            names = set()
            for index, (at, target, kind, name) in enumerate(self.records(number)):
                if name in names:
                    self.bad(f"directory {number}: {name!r} twice")
                names.add(name)
                if target not in self.inodes:
                    self.bad(f"directory {number}: {name!r} leads to the unused inode {target}")
                    continue
                if kind != self.inodes[target].type:
                    self.bad(f"directory {number}: {name!r} has type {kind}")
                if (name == b".") != (index == 0) or (name == b"..") != (index == 1):
                    self.bad(f"directory {number}: {name!r} is the record number {index}")
                if name == b"." and target != number:
                    self.bad(f"directory {number}: '.' is {target}")
                elif name == b"..":
                    dotdot[number] = target
                elif name != b"." and self.inodes[target].type == DIRECTORY:
                    parents[target].append(number)
                if name not in (b".", b".."):
                    self.links[target] += 1
            if not {b".", b".."} <= names:
                self.bad(f"directory {number}: no '.' or no '..'")
        self.check_tree(parents, dotdot)

    def check_tree(self, parents, dotdot) -> None:
        if 2 not in self.inodes or self.inodes[2].type != DIRECTORY:
            self.bad("the root is not a directory")
            return
        parents[2].append(2)
        children = defaultdict(list)
        for child, above in parents.items():
            if len(above) > 1:
                self.mild(f"directory {child} is in {above}")
            if dotdot.get(child) not in above:
                self.bad(f"directory {child}: '..' is {dotdot.get(child)}, but it is in {above}")
            for parent in above:
                children[parent].append(child)
        reached, todo = {2}, [2]
        while todo:
            for child in children[todo.pop()]:
                if child not in reached:
                    reached.add(child)
                    todo.append(child)
        for number, inode in self.inodes.items():
            if inode.type == DIRECTORY:
                self.links[number] += 1  # its "."; ".." counts where it can be reached
                if number in reached:
                    self.links[dotdot.get(number)] += 1
                elif self.links[number] > 1:
                    self.mild(f"directory {number} cannot be reached")
        self.links[2] -= 0
        self.reached = reached

    def check_links(self) -> None:
        for number, inode in self.inodes.items():
            if number < 2:
                continue
            links = self.links[number]
            unnamed = links == (1 if inode.type == DIRECTORY else 0) and number != 2
            if unnamed:
                self.mild(f"inode {number} has no name")
            elif inode.links < links:
                self.bad(f"inode {number}: {inode.links} links, not {links}")
            elif inode.links > links:
                self.mild(f"inode {number}: {inode.links} links, not {links}")

    # ---- phase 5: cylinder groups

    def bits(self, at: int, count: int) -> list[int]:
        number = int.from_bytes(self.data[at:at + (count + 7) // 8], "little")
        return [int(c) for c in reversed(format(number, f"0{count}b")[-count:])] if count else []

    def check_inode_map(self, group: int, at: int) -> tuple[int, int]:
        used, inited = 0, self.u32(at + 120)
        bits = self.bits(at + self.u32(at + 92), self.ipg)
        directories = 0
        for index, bit in enumerate(bits):
            number = group * self.ipg + index
            in_use = number in self.inodes or number < 2
            used += bit
            directories += number in self.inodes and self.inodes[number].type == DIRECTORY
            if bit and self.ufs2 and index >= inited:
                self.bad(f"inode {number} is marked, but {inited} have been initialised")
            if bit and not in_use:
                self.mild(f"inode {number} is marked, but not in use")
            if in_use and not bit:
                (self.bad if self.links[number] else self.mild)(f"inode {number} is not marked")
        return self.ipg - used, directories

    def check_block_map(self, group: int, at: int, length: int):
        """Free blocks, free fragments, how many runs of each length, which blocks are free."""
        base = group * self.fpg
        bits = self.bits(at + self.u32(at + 96), length)
        used = self.used[base:base + length]
        for index, (bit, owner) in enumerate(zip(bits, used)):
            if bit and owner:
                self.bad(f"fragment {base + index} is in use, but marked as free")
            if not bit and not owner:
                self.mild(f"fragment {base + index} is free, but marked as in use")
        frsum, blocks, fragments = [0] * 8, [], 0
        for first in range(0, length, self.frag):
            part = bits[first:first + self.frag]
            whole = len(part) == self.frag and all(part)
            blocks.append(int(whole))
            if whole:
                continue
            fragments += sum(part)
            for run in "".join(map(str, part)).split("0"):
                if run:
                    frsum[len(run)] += 1
        return sum(blocks), fragments, frsum, blocks

    def check_clusters(self, group: int, at: int, blocks: list[int]) -> None:
        if not self.cluster:
            return
        count = self.u32(at + 112)
        blocks = blocks[:count]
        if self.bits(at + self.u32(at + 108), count) != blocks:
            self.mild(f"group {group}: the map of free blocks")
        sums = [0] * (self.cluster + 1)
        for run in "".join(map(str, blocks)).split("0"):
            if run:
                sums[min(len(run), self.cluster)] += 1
        stored = struct.unpack_from(f"<{self.cluster + 1}I", self.data, at + self.u32(at + 104))
        if list(stored[1:]) != sums[1:]:
            self.mild(f"group {group}: clusters {stored[1:]}, not {sums[1:]}")

    def check_groups(self) -> None:
        totals = [0, 0, 0, 0]
        for group in range(self.ncg):
            at = (self.group_start(group) + self.cblkno) * self.fsize
            length = min(self.fpg, self.size - group * self.fpg)
            if self.u32(at + 4) != 0x090255 or self.u32(at + 12) != group:
                self.bad(f"group {group}: no header")
                return
            if self.u32(at + 20) != length:
                self.bad(f"group {group}: {self.u32(at + 20)} fragments, not {length}")
            free_inodes, directories = self.check_inode_map(group, at)
            nbfree, nffree, frsum, blocks = self.check_block_map(group, at, length)
            counts = [directories, nbfree, free_inodes, nffree]
            stored = list(struct.unpack_from("<4I", self.data, at + 24))
            if stored != counts:
                self.mild(f"group {group}: counts {stored}, not {counts}")
            stored = list(struct.unpack_from("<8I", self.data, at + 52))
            if stored[1:self.frag] != frsum[1:self.frag]:
                self.mild(f"group {group}: runs {stored}, not {frsum}")
            self.check_clusters(group, at, blocks)
            for field, limit in ((40, length), (44, length), (48, self.ipg)):
                if self.u32(at + field) >= limit:
                    self.bad(f"group {group}: a rotor is {self.u32(at + field)} of {limit}")
            summary = list(struct.unpack_from("<4I", self.data,
                                              self.csaddr * self.fsize + group * 16))
            if summary != counts:
                self.mild(f"group {group}: summary {summary}, not {counts}")
            totals = [a + b for a, b in zip(totals, counts)]
        sb = self.super
        if not self.ufs2:
            stored = list(struct.unpack_from("<4I", self.data, sb + 192))
            if stored != totals:
                self.mild(f"old totals {stored}, not {totals}")
        if self.ufs2 or self.data[sb + 211] & 0x80:
            stored = list(struct.unpack_from("<4Q", self.data, sb + 1008))
            if stored != totals:
                self.mild(f"totals {stored}, not {totals}")

    def check(self) -> list[str]:
        if not self.found:
            return self.wrong
        self.mark_metadata()
        self.read_inodes()
        self.check_directories()
        self.check_links()
        self.check_groups()
        return self.wrong


def main(arguments: list[str]) -> int:
    after_cut = "--after-cut" in arguments
    stream = "--stream" in arguments

    def volumes():
        while stream and (head := sys.stdin.buffer.read(8)):
            yield "volume", sys.stdin.buffer.read(struct.unpack("<Q", head)[0])
        for path in (a for a in arguments if not a.startswith("--")):
            with open(path, "rb") as file:
                yield path, file.read()

    status = 0
    for number, (name, data) in enumerate(volumes()):
        wrong = Volume(data, after_cut).check()
        for text in wrong[:20]:
            print(f"{name} {number}: {text}", flush=True)
        status |= bool(wrong)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
