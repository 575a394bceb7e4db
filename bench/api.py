# SPDX-License-Identifier: BSD-2-Clause
"""Instructions per call of the API, from the payload's `call` until it is back.

    ./vesper bench api

The console is VGA text alone (console=vga), the file on FFSv2 and in the cache. A `rep` counts once
for each repetition; the last column has it as one instruction, as a CPU's own counter does.
"""
import re
from pathlib import Path

from bench.kit import counter
from bench.kit.counter import FOLDER
from workbench import build, cli, payload, qemu, run
from workbench.console import Problem, Step

SECONDS = 60
# Row of bench/src/api.c, what it is, the most that it may take, what is repeated in it.
ROWS = (("keyq", "keyq(), nothing typed", 60, 0),
        ("ticks", "time->ticks()", 60, 0),
        ("emit", "emit() of a letter, no cursor", 150, 0),
        ("emit-cursor", "  (with the cursor, by ports)", None, 0),
        ("write", "console->write() of 80 letters", None, 0),
        ("fill", "random->fill() of 16 bytes", None, 0),
        ("open", "file->open() and close() of /data", None, 0),
        ("read-512", "file->read() of 512 cached bytes", 1000, 0),
        ("read-4096", "file->read() of 4 KiB, cached", 1000, 1),
        ("copy-4096", "  (rep movsl of 4 KiB alone)", None, 1),
        ("block", "block->read() of one sector", None, 0))


def counts() -> dict[str, int]:
    """Of each row, as the payload says."""
    root, work = FOLDER / "api-root", FOLDER / "api"
    root.mkdir(parents=True, exist_ok=True)
    (root / "data").write_bytes(bytes(8192))
    binary = payload.make(Path(counter.SOURCES / "api.c"), work)
    options = cli.parser().parse_args(["run", "--root", str(root), "--append", "console=vga",
                                       "--memory", str(counter.MEMORY)])
    options.qemu = []
    pc = run.machine(options, build.kernel("GENERIC"), binary, work)
    pc = counter.with_options(pc, *counter.PLAIN, *counter.DETERMINISTIC)
    with Step("Counting instructions of calls"), qemu.Emulator(pc) as emulator:
        if not emulator.expect(r"counted", SECONDS):
            raise Problem(f"the payload did not come to its end within {SECONDS} s")
        text = emulator.output.decode("latin-1")
    return {name: int(count) for name, count in re.findall(r"^(\S+) (\d+)\r?$", text, re.M)}


def main(words: list[str]) -> int:
    if words:
        raise Problem("`./vesper bench api` takes no arguments", __doc__ or "", code=2)
    found = counts()
    repeated = found["copy-4096"] - 1
    late = []
    print(f"{'instructions per call':40}{'counted':>9}{'rep as one':>12}{'at most':>10}")
    for name, title, most, repeats in ROWS:
        count = found[name]
        once = count - repeats * repeated
        print(f"{title:40}{count:9,}{once:12,}{most or '':>10}".rstrip())
        if most and once >= most:
            late.append(name)
    if late:
        print(f"\nMore than they may: {', '.join(late)}")
    return int(bool(late))
