# SPDX-License-Identifier: BSD-2-Clause
"""ELF files as gcc and ld make them: elf.py OUTPUT-FOLDER."""
import subprocess
import sys
from pathlib import Path

SOURCE = """
extern const char *const words[2];
int zeros[1000];
int filled = 0x1234;
int start(void) { return filled + zeros[999] + *words[1]; }
const char *const words[2] = {"one", "two"};
"""
KINDS = {
    "exec": ("-no-pie", "-fno-pic", "-static", "-Wl,-Ttext-segment=0xc0430000"),
    "high": ("-no-pie", "-fno-pic", "-static", "-Wl,-Ttext-segment=0xc0440000"),
    "low": ("-no-pie", "-fno-pic", "-static", "-Wl,-Ttext-segment=0x08048000"),
    "pie": ("-static-pie", "-fpie"),
}

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
source = out / "elf.c"
source.write_text(SOURCE)
for kind, flags in KINDS.items():
    subprocess.run(["gcc", "-m32", "-Os", "-nostdlib", "-ffreestanding", "-Wl,--build-id=none",
                    "-Wl,-e,start", *flags, source, "-o", out / f"{kind}.elf"], check=True)
subprocess.run(["gcc", "-m32", "-c", source, "-o", out / "object.elf"], check=True)
