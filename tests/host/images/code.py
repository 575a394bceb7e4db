#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes code.txt: each instruction of the kernel and of the samples, as objdump has it."""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent.parent
sys.path.insert(0, str(ROOT))
sys.dont_write_bytecode = True
from workbench import build, payload  # noqa: E402


def run(*command) -> str:
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE,
                          text=True).stdout


def code_of(elf: Path, debug: Path, folder: Path, first: str, last: str) -> list[str]:
    """Lines `address bytes text`, from the symbol first to the symbol last."""
    symbols = {name: int(address, 16)
               for address, name in re.findall(r"^(\w+) . (\S+)$", run("nm", debug), re.M)}
    raw = folder / "code"
    run("objcopy", "-O", "binary", "-j", ".text", elf, raw)
    section = re.search(r" \.text +\w+ +(\w+)", run("objdump", "-h", elf))
    text = run("objdump", "-D", "-b", "binary", "-m", "i386", "-M", "intel", "--insn-width=16",
               f"--adjust-vma=0x{section[1]}", f"--start-address={symbols[first]:#x}",
               f"--stop-address={symbols[last]:#x}", raw)
    found = re.findall(r"^ *(\w+):\t((?:\w\w )+) *\t(.*)$", text, re.M)
    return [f"{address} {data.replace(' ', '')} {' '.join(words.split())}"
            for address, data, words in found]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kernel = build.kernel()
        lines = code_of(kernel, kernel.with_suffix(".debug"), folder, "multiboot2_end",
                        "kernel_text_end")
        for sample in sorted((ROOT / "samples").glob("*.c")):
            payload.make(sample, folder)
            elf = folder / f"{sample.stem}.elf"
            lines += code_of(elf, elf, folder, "payload_start", "constructors_start")
    Path(sys.argv[1], "code.txt").write_text("\n".join(lines) + "\n")


main()
