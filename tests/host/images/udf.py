#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""UDF images: by genisoimage, and empty ones by mkudffs into which the tree's files are put here,
as no tool does that without a mounted volume. grub-fstest, which has a reader of its own, looks at
those that it can read."""
import os
import shutil
import stat
import struct
import subprocess
import sys
import tempfile

import tree

SHORT, LONG, EMBEDDED = 0, 1, 3
NAMES = {"latin äöü": "latin", "日本語 ☺": "wide", "smile 😀": "smile"}


def run(*command: str) -> None:
    environment = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin", TZ="UTC",
                       SOURCE_DATE_EPOCH="1234567890")
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stdout}")


def crc16(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc


def tagged(identifier: int, location: int, body: bytes) -> bytes:
    """A descriptor: its tag, then what follows (ECMA-167 3/7.2)."""
    tag = struct.pack("<HHBBHHHI", identifier, 3, 0, 0, 1, crc16(body), len(body), location)
    return tag[:4] + bytes([sum(tag) & 0xFF]) + tag[5:] + body


def compressed(name: str) -> bytes:
    """OSTA compressed Unicode."""
    try:
        return b"\x08" + name.encode("latin-1")
    except UnicodeEncodeError:
        return b"\x10" + name.encode("utf-16-be")


def path_of(target: str) -> bytes:
    """The content of a symbolic link (ECMA-167 4/14.16)."""
    data = b""
    if target.startswith("/"):
        data += struct.pack("<BBH", 2, 0, 0)
    for part in target.strip("/").split("/"):
        kind = {"..": 3, ".": 4}.get(part, 5)
        name = compressed(part) if kind == 5 else b""
        data += struct.pack("<BBH", kind, len(name), 0) + name
    return data


class Volume:
    """A volume of mkudffs. Files' data goes to its (physical or sparable) partition 0; ICBs go
    there too, or to its virtual or metadata partition 1."""

    def __init__(self, path: str, block: int, *options: str, blocks: int, extended=True,
                 form: int = SHORT):
        if os.path.exists(path):
            os.unlink(path)
        run("mkudffs", "--new-file", "-b", str(block), "-l", "Vesper ☺", *options, path,
            str(blocks))
        self.path, self.block, self.form, self.extended = path, block, form, extended
        with open(path, "rb") as file:
            self.data = bytearray(file.read())
        self.data += bytes(blocks * block - len(self.data))
        anchor = self.data[256 * block:]
        self.sequence = struct.unpack_from("<I", anchor, 20)[0]
        self.start, self.length = struct.unpack_from("<II", self.descriptor(5), 188)
        self.volume = self.descriptor(6)
        self.next = 64    # free blocks of the partition from here on
        self.used_icbs = 0
        self.vat: list[int] | None = None
        self.metadata: list[int] | None = None  # blocks of the partition, in the file's order
        self.packets: dict[int, int] = {}       # sparable: what has been replaced
        self.icb_partition = 0

    def descriptor(self, identifier: int) -> bytes:
        for number in range(self.sequence, self.sequence + 16):
            at = number * self.block
            if struct.unpack_from("<H", self.data, at)[0] == identifier:
                return bytes(self.data[at:at + self.block])
        raise KeyError(identifier)

    def put(self, block: int, data: bytes) -> None:
        """Writes one block of the partition."""
        if self.packets:
            packet, within = divmod(block, 32)
            if packet * 32 in self.packets:
                at = (self.packets[packet * 32] + within) * self.block
                self.data[at:at + self.block] = data.ljust(self.block, b"\0")
                return
        at = (self.start + block) * self.block
        self.data[at:at + self.block] = data.ljust(self.block, b"\0")

    def take(self, count: int) -> int:
        self.next += count + 1  # one stays free between two extents
        assert self.next < self.length, self.path
        return self.next - count - 1

    def icb(self) -> int:
        """A block of the partition of ICBs."""
        if self.vat is not None:
            self.vat.append(self.take(1))
            return len(self.vat) - 1
        if self.metadata is not None:
            self.used_icbs += 1
            return self.used_icbs + 10
        return self.take(1)

    def put_icb(self, number: int, data: bytes) -> None:
        if self.vat is not None:
            number = self.vat[number]
        elif self.metadata is not None:
            number = self.metadata[number]
        self.put(number, data)

    def allocation(self, length: int, block: int, kind: int = 0, partition: int = 0) -> bytes:
        if self.form == SHORT:
            return struct.pack("<II", length | kind << 30, block)
        return struct.pack("<IIH6x", length | kind << 30, block, partition)

    def store(self, content: bytes, piece: int) -> bytes:
        """Writes content in extents of so many blocks; the allocation descriptors."""
        descriptors = b""
        for at in range(0, len(content), piece * self.block):
            part = content[at:at + piece * self.block]
            count = -(-len(part) // self.block)
            if not any(part) and count == piece:  # a hole
                descriptors += self.allocation(len(part), 0, 2)
                continue
            first = self.take(count)
            for number in range(count):
                self.put(first + number, part[number * self.block:(number + 1) * self.block])
            descriptors += self.allocation(len(part), first)
        return descriptors

    def chained(self, descriptors: bytes, room: int) -> bytes:
        """What does not fit goes to blocks of its own (ECMA-167 4/14.5)."""
        step = 8 if self.form == SHORT else 16
        if len(descriptors) <= room:
            return descriptors
        fit = room // step * step - step
        number = self.icb()
        rest = self.chained(descriptors[fit:], self.block - 24)
        self.put_icb(number, tagged(258, number, struct.pack("<II", 0, len(rest)) + rest))
        return descriptors[:fit] + self.allocation(self.block, number, 3, self.icb_partition)

    def entry(self, number: int, file_type: int, mode: int, size: int, form: int, tail: bytes,
              links: int = 1, partition_block: bool = False) -> bytes:
        """A file entry (ECMA-167 4/14.9, 4/14.17)."""
        bits = sum((mode >> 3 * who & 7) << 5 * who for who in range(3))
        flags = form | (0x40 if mode & 0o4000 else 0)
        icbtag = struct.pack("<IHHHBBIHH", 0, 4, 0, 1, 0, file_type, 0, 0, flags)
        when = struct.pack("<HhBBBBBBBB", 1 << 12 | 60, 2009, 2, 14, 0, 31, 30, 0, 0, 0)
        body = icbtag + struct.pack("<IIIHBBIQ", 0, 0, bits, links, 0, 0, 0, size)
        body += struct.pack("<Q", size) if self.extended else b""
        body += struct.pack("<Q", -(-size // self.block)) + when * (4 if self.extended else 3)
        body += struct.pack("<I", 1) + (bytes(4) if self.extended else b"")
        body += bytes(32 if self.extended else 16) + bytes(32)
        body += struct.pack("<QII", number, 0, len(tail)) + tail
        assert len(body) + 16 == (216 if self.extended else 176) + len(tail)
        return tagged(266 if self.extended else 261, number, body)

    def file(self, content: bytes, mode: int, file_type: int = 5, piece: int = 64,
             embed: bool = True, links: int = 1) -> int:
        number = self.icb()
        room = self.block - (216 if self.extended else 176)
        if embed and len(content) <= room:
            data = self.entry(number, file_type, mode, len(content), EMBEDDED, content, links)
        else:
            tail = self.chained(self.store(content, piece), room)
            data = self.entry(number, file_type, mode, len(content), self.form, tail, links)
        self.put_icb(number, data)
        return number

    def identifier(self, name: str, number: int, flags: int) -> bytes:
        packed = compressed(name) if name else b""
        body = struct.pack("<HBBIIH6xH", 1, flags, len(packed), self.block, number,
                           self.icb_partition, 0) + packed
        body += bytes(-(len(body) + 16) % 4)
        return tagged(257, number, body)

    def directory(self, folder: str, number: int, parent: int, embed: bool) -> None:
        """The folder and all below it; number is its ICB."""
        data = self.identifier("", parent, 2 | 8)
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            state = os.lstat(path)
            if stat.S_ISDIR(state.st_mode):
                inner = self.icb()
                self.directory(path, inner, number, embed)
                data += self.identifier(name, inner, 2)
            elif stat.S_ISLNK(state.st_mode):
                data += self.identifier(name, self.file(path_of(os.readlink(path)), 0o777, 12), 0)
            else:
                with open(path, "rb") as file:
                    content = file.read()
                piece = {"medium": 1, "odd": 2}.get(name, 64)
                icb = self.file(content, state.st_mode & 0o7777, 5, piece, embed,
                                2 if name == "block" else 1)
                data += self.identifier(name, icb, 0)
                if name == "block":
                    data += self.identifier("second name of block", icb, 0)
        data += self.identifier("deleted", number, 4)
        room = self.block - (216 if self.extended else 176)
        if len(data) <= room and embed:
            form, tail = EMBEDDED, data
        else:
            form, tail = self.form, self.chained(self.store(data, 1), room)
        self.put_icb(number, self.entry(number, 4, 0o755, len(data), form, tail))

    def fill(self, folder: str, embed: bool = True) -> None:
        root = self.icb()
        self.directory(folder, root, root, embed)
        # mkudffs's file set, with another root, is where the logical volume says.
        _, number, partition = struct.unpack_from("<IIH", self.volume, 248)
        fileset = bytearray(self.file_set[16:])
        fileset[400 - 16:416 - 16] = struct.pack("<IIH6x", self.block, root, self.icb_partition)
        self.put_icb(number, tagged(256, number, bytes(fileset[:496])))

    def read_file_set(self, block: int) -> None:
        at = (self.start + block) * self.block
        self.file_set = bytes(self.data[at:at + 512])
        assert struct.unpack_from("<H", self.file_set)[0] == 256, self.path

    def save(self, blocks: int | None = None) -> None:
        data = self.data if blocks is None else self.data[:blocks * self.block]
        with open(self.path, "wb") as file:
            file.write(data)


def plain(path: str, folder: str, block: int, *options: str, embed: bool = True,
          blocks: int = 0, **more) -> None:
    blocks = blocks or max((4 << 20) // block, 2100)
    volume = Volume(path, block, "-m", "hd", *options, blocks=blocks, **more)
    volume.read_file_set(struct.unpack_from("<I", volume.volume, 252)[0])
    volume.fill(folder, embed)
    volume.save()


def sparable(path: str, folder: str) -> None:
    """Two packets have been replaced by others: that with the root, and one with data."""
    volume = Volume(path, 2048, "-m", "cdrw", "-r", "1.50", blocks=3400, extended=False)
    volume.read_file_set(struct.unpack_from("<I", volume.volume, 252)[0])
    tables = struct.unpack_from("<BxIII", volume.volume, 440 + 42)
    maps = volume.volume[440:504]
    assert b"*UDF Sparable Partition" in maps, path
    count, size, *places = tables
    first = places[0] * volume.block
    table = bytearray(volume.data[first:first + size])
    entries = struct.unpack_from("<H", table, 48)[0]
    spare = [struct.unpack_from("<II", table, 56 + 8 * i)[1] for i in range(entries)]
    volume.packets = {320: spare[0], 384: spare[1]}
    for index, (packet, place) in enumerate(sorted(volume.packets.items())):
        struct.pack_into("<II", table, 56 + 8 * index, packet, place)
    body = bytes(table[16:16 + struct.unpack_from("<H", table, 10)[0]])
    for place in places[:count]:
        whole = tagged(0, place, body) + table[16 + len(body):]
        volume.data[place * volume.block:place * volume.block + len(whole)] = whole
    volume.fill(folder)
    volume.save()


def virtual(path: str, folder: str, revision: str, block: int = 2048, blocks: int = 3400) -> None:
    """A CD-R: the table of virtual blocks is in the last block."""
    old = revision == "1.50"
    volume = Volume(path, block, "-m", "cdr", "-r", revision, blocks=blocks, extended=not old,
                    form=LONG)
    assert b"*UDF Virtual Partition" in volume.volume, path
    volume.icb_partition = 1
    volume.vat = [0]
    volume.read_file_set(0)
    # The file set is virtual block 0.
    volume.volume = volume.volume[:248] + struct.pack("<IIH6x", block, 0, 1) + volume.volume[264:]
    volume.vat[0] = volume.take(1)
    volume.fill(folder)
    entries = struct.pack(f"<{len(volume.vat)}I", *volume.vat)
    if old:
        entries += bytes([0]) + b"*UDF Virtual Alloc Tbl".ljust(31, b"\0")
        entries += struct.pack("<I", 0xFFFFFFFF)
    else:
        entries = struct.pack("<HH128sI5IHHHH", 152, 0, b"", 0xFFFFFFFF, 0, 0, 0, 0, 0, 0, 0, 0,
                              0)[:152].ljust(152, b"\0") + entries
    volume.vat = None
    volume.icb_partition = 0
    stored = volume.store(entries, 64)
    last = volume.take(1)
    volume.put(last, volume.entry(last, 0 if old else 248, 0o444, len(entries), LONG, stored))
    volume.save(volume.start + last + 1)


def with_metadata(path: str, folder: str, block: int = 2048, blocks: int = 3400,
                  pieces=(100, 400)) -> None:
    """UDF 2.50: a metadata partition, which mkudffs does not make, on a volume of its own."""
    volume = Volume(path, block, "-m", "hd", "-r", "2.01", blocks=blocks, form=LONG)
    volume.read_file_set(struct.unpack_from("<I", volume.volume, 252)[0])
    places = [(volume.take(count), count) for count in pieces]
    for place, file_type in (volume.take(1), 250), (volume.take(1), 251):
        tail = b"".join(volume.allocation(count * block, first) for first, count in places)
        volume.put(place, volume.entry(place, file_type, 0, sum(pieces) * block, LONG, tail))
        if file_type == 250:
            main = place
        else:
            mirror = place
    name = bytes([0]) + b"*UDF Metadata Partition".ljust(23, b"\0") + struct.pack("<H6x", 0x250)
    maps = volume.volume[440:446] + struct.pack("<BBH", 2, 64, 0) + name
    maps += struct.pack("<HHIIIIHB5x", 1, 0, main, mirror, 0xFFFFFFFF, 32, 32, 0)
    assert len(maps) == 70
    body = bytearray(volume.volume[16:512])
    struct.pack_into("<IIH6x", body, 248 - 16, block, 0, 1)
    struct.pack_into("<II", body, 264 - 16, len(maps), 2)
    body[440 - 16:440 - 16 + len(maps)] = maps
    for sequence in range(0, len(volume.data), block):
        if struct.unpack_from("<H", volume.data, sequence)[0] == 6:
            whole = tagged(6, sequence // block, bytes(body[:496]))
            volume.data[sequence:sequence + len(whole)] = whole
    volume.volume = volume.descriptor(6)
    volume.icb_partition = 1
    volume.metadata = [first + n for first, count in places for n in range(count)]
    volume.fill(folder)
    volume.save()


def check(path: str, folder: str) -> None:
    """With GRUB's reader."""
    for name in ("medium", "odd", "hello.txt", "many/file299", "dir/sub/deep.txt", "日本語 ☺"):
        run("grub-fstest", path, "cmp", "(loop0)/" + name, os.path.join(folder, name))


def make_all(out: str, work: str) -> None:
    os.makedirs(out, exist_ok=True)
    folder = tree.make(os.path.join(work, "tree"), big=False)
    for name, what in NAMES.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(tree.content(what, 3000))
    with open(os.path.join(folder, "sparse"), "wb") as file:
        file.write(tree.content("sparse", 4096) + bytes(300_000) + tree.content("end", 5000))
    os.chmod(os.path.join(folder, "hello.txt"), 0o4711)
    plain(f"{out}/udf-512.img", folder, 512)
    plain(f"{out}/udf-2048.img", folder, 2048, "-r", "1.02", extended=False)
    plain(f"{out}/udf-4096.img", folder, 4096, "-r", "2.01", form=LONG, embed=False)
    sparable(f"{out}/udf-sparable.img", folder)
    virtual(f"{out}/udf-vat.img", folder, "2.01")
    virtual(f"{out}/udf-vat150.img", folder, "1.50")
    with_metadata(f"{out}/udf-metadata.img", folder)
    for name in "512", "2048", "4096":
        check(f"{out}/udf-{name}.img", folder)
    for name in tree.LINKS:
        os.unlink(os.path.join(folder, name))
    run("genisoimage", "-quiet", "-udf", "-iso-level", "3", "-V", "BRIDGE", "-o",
        f"{out}/udf-bridge.iso", folder)
    shutil.rmtree(folder)
    small = os.path.join(work, "small")
    os.makedirs(os.path.join(small, "d"))
    for name, size in {"a": 700, "d/b": 9000, "medium": 9000}.items():
        with open(os.path.join(small, name), "wb") as file:
            file.write(tree.content(os.path.basename(name), size))
    os.symlink("a", os.path.join(small, "link"))
    plain(f"{out}/udf-small.img", small, 512, embed=False, blocks=1200)
    virtual(f"{out}/udf-small-vat.img", small, "2.01", block=512, blocks=1200)
    with_metadata(f"{out}/udf-small-metadata.img", small, block=512, blocks=1200,
                  pieces=(20, 60))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        make_all(sys.argv[1], scratch)
