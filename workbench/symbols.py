# SPDX-License-Identifier: BSD-2-Clause
"""The names of functions: `NAME.sym` for a payload, a table inside the kernel for itself.

As a program: symbols.py KERNEL-WITH-SYMBOLS KERNEL  puts the table into the stripped kernel. It
lies behind the kernel's last byte, in a segment that src/arch/kernel.ld keeps free for it; so the
kernel is linked once. src/debug/symbol_table.cpp reads it:

  "VSYM", the table's size, the address of the first function, the end of the last, their number
  128 pieces of text, each behind its length
  for each function: how far it is from the one before (7 bits a byte, low ones first, bit 7: there
  are more), the length of its name, the name: bytes from 128 on stand for a piece
"""
import re
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

CODE, PT_LOAD, PT_NULL, MIB_4 = "tTwW", 1, 0, 0xC0400000


def run(*command, text: str | None = None) -> str:
    return subprocess.run(list(map(str, command)), input=text, check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def short(name: str) -> str:
    """Without arguments, template arguments and unnamed namespaces."""
    name = name.replace("(anonymous namespace)::", "").replace("::operator()", "")
    kept = re.search(r"operator(?:\(\)|[^\w\s(]+| \w+(?:\[\])?)", name)
    if kept:
        name = name[:kept.end()].removesuffix("<") if kept[0].endswith("=<") else name[:kept.end()]
        return name.split("> ")[-1]
    for pattern in (r"\{lambda\([^{}]*\)#\d+\}", r"\([^()]*\)", r"<[^<>]*>"):
        word = "lambda" if "lambda" in pattern else ""
        while (bare := re.sub(pattern, word, name)) != name:
            name = bare
    return name.replace(" const", "").split(" ")[-1]


def symbols(elf: Path) -> list[tuple[int, str, str]]:
    """Address, nm's letter, and name of each symbol, in the order of addresses."""
    found = re.findall(r"^(\w+) (\w) ([^\s$.][^\s]*)$", run("nm", elf), re.M)
    plain = [re.sub(r"\.(?:lto_priv|constprop|part|isra|cold|localalias)\b.*", "", name)
             for _, _, name in found]
    names = run("c++filt", "-p", text="\n".join(plain) + "\n").splitlines()
    return sorted((int(address, 16), letter, short(name))
                  for (address, letter, _), name in zip(found, names))


def write_file(elf: Path, path: Path) -> None:
    path.write_text("".join(f"{address:08x} {letter} {name}\n"
                            for address, letter, name in symbols(elf) if letter not in "aA"))


def functions(elf: Path) -> tuple[list[tuple[int, str]], dict[str, int]]:
    """Of the kernel: one name for each address; and where its parts are."""
    every = symbols(elf)
    places = {name: address for address, _, name in every if name.startswith("kernel_")}
    every.sort(key=lambda symbol: "::" in symbol[2])  # of several names the last one counts
    code = {address: name for address, letter, name in every
            if letter in CODE and places["kernel_start"] < address < places["kernel_text_end"]}
    return sorted(code.items()), places


def pieces(names: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """128 pieces that make the names short, and the names in them: the commonest pair of bytes
    becomes one byte, again and again."""
    meaning = {code: bytes([code]) for code in range(128)}
    for code in range(128, 256):
        pairs: Counter[bytes] = Counter()
        for name in names:
            pairs.update(name[i:i + 2] for i in range(len(name) - 1))
        if not pairs:
            meaning[code] = b""
            continue
        pair = min(pairs, key=lambda pair: (-pairs[pair], pair))
        meaning[code] = meaning[pair[0]] + meaning[pair[1]]
        names = [name.replace(pair, bytes([code])) for name in names]
    return [meaning[code] for code in range(128, 256)], names


def number(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def table(found: list[tuple[int, str]], end: int) -> bytes:
    texts, names = pieces([name.encode("ascii", "replace")[:60] for _, name in found])
    out = bytearray()
    for text in texts:
        out += bytes([len(text)]) + text
    before = found[0][0]
    for (address, _), name in zip(found, names):
        out += number(address - before) + bytes([len(name)]) + name
        before = address
    return struct.pack("<4sIIII", b"VSYM", 20 + len(out), found[0][0], end, len(found)) + out


def add_table(debug: Path, kernel: Path) -> None:
    found, places = functions(debug)
    data, at = table(found, places["kernel_text_end"]), places["kernel_symbols"]
    if at + len(data) > MIB_4:
        sys.exit("the kernel's symbols do not fit below the payload")
    part = kernel.with_suffix(".symbols")
    part.write_bytes(data)
    # objcopy warns that no segment has this section; that comes next.
    subprocess.run(["objcopy", "--add-section", f".symbols={part}", "--set-section-flags",
                    ".symbols=alloc,load,readonly,data", "--change-section-address",
                    f".symbols={at:#x}", kernel], check=True, stderr=subprocess.DEVNULL)
    image = bytearray(kernel.read_bytes())
    headers, = struct.unpack_from("<I", image, 28)
    size, count = struct.unpack_from("<HH", image, 42)
    free = next(place for place in range(headers, headers + count * size, size)
                if struct.unpack_from("<I", image, place)[0] == PT_NULL)
    struct.pack_into("<8I", image, free, PT_LOAD, image.index(data), at, at - 0xC0000000,
                     len(data), len(data), 4, 1)
    kernel.write_bytes(image)


if __name__ == "__main__":
    add_table(Path(sys.argv[1]), Path(sys.argv[2]))
