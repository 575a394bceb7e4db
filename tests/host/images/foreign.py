#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Unpacks images that others test their tools with, whole ones and broken ones: those of e2fsprogs
and of util-linux, from Debian's source packages. foreign/list says what they are: lines `file TYPE
LABEL`, as blkid has it, for util-linux's."""
import gzip
import lzma
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent.parent
sys.path.insert(0, str(ROOT))
sys.dont_write_bytecode = True
from workbench import sources  # noqa: E402

PIECE = 1 << 16


def unpack(packed, path: Path) -> None:
    """With holes where it has zeros."""
    with packed, path.open("wb") as out:
        while piece := packed.read(PIECE):
            if piece.count(0) == len(piece):
                out.seek(len(piece), 1)
            else:
                out.write(piece)
        out.truncate(out.tell())


def known(text: str, field: str) -> str:
    found = re.search(rf"^ID_FS_{field}=(.*)$", text, re.M)
    return re.sub(r"\\x(\w\w)", lambda code: chr(int(code[1], 16)), found[1]) if found else ""


def main() -> None:
    folder = Path(sys.argv[1], "foreign")
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    tests = sources.fetch("e2fsprogs", tarball=True) / "tests"
    for path in sorted(tests.glob("*/image.gz")):
        name = f"e2fsprogs-{path.parent.name}.img"
        unpack(gzip.open(path), folder / name)
        lines.append(f"{name} ? ")
    tests = sources.fetch("util-linux", tarball=True) / "tests"
    for path in sorted(tests.glob("ts/blkid/images-fs/*.img.xz")):
        name = path.name.removesuffix(".xz")
        expected = tests / "expected/blkid" / f"low-probe-{name.removesuffix('.img')}"
        said = expected.read_text() if expected.exists() else ""
        unpack(lzma.open(path), folder / f"util-linux-{name}")
        lines.append(f"util-linux-{name} {known(said, 'TYPE') or '?'} {known(said, 'LABEL_ENC')}")
    (folder / "list").write_text("".join(line + "\n" for line in lines))


main()
