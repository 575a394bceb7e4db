# SPDX-License-Identifier: BSD-2-Clause
"""The files on every test image, and what is in them. tests/host/images.h knows the same."""
import os


def content(name: str, size: int) -> bytes:
    """Bytes that differ from file to file and from block to block."""
    seed = sum(name.encode())
    period = bytes((i * 7 + (i >> 8) + seed) & 0xFF for i in range(min(size, 1 << 16)))
    return (period * (size // (1 << 16) + 1))[:size]


FILES = {
    "kexec": 32768,
    "empty": 0,
    "hello.txt": 13,
    "block": 4096,
    "odd": 5000,
    "medium": 300_000,
    "big": 6_000_000,
    "dir/sub/deep.txt": 100,
    "A long name with spaces, and more than thirteen characters.text": 1000,
    **{f"many/file{i:03}": i for i in range(300)},
}
LINKS = {  # not on FAT
    "link": "hello.txt",
    "dir/up": "../hello.txt",
    "absolute": "/dir/sub",
    "loop": "loop",
    "dangling": "nothing/here",
    "longlink": "./" * 100 + "hello.txt",
}


def make(folder: str, links: bool = True, big: bool = True) -> str:
    """Makes the tree below folder, and returns folder."""
    for name, size in FILES.items():
        if name == "big" and not big:
            continue
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content(os.path.basename(name), size))
    for name, target in LINKS.items() if links else ():
        os.symlink(target, os.path.join(folder, name))
    return folder
