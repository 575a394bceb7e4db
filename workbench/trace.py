# SPDX-License-Identifier: BSD-2-Clause
"""`./vesper trace`: what a driver does with its device, as a transcript to read.

The kernel writes a line per record (src/hal/trace.cpp) to all its consoles; the one that is read
here is QEMU's port E9h. This folds what repeats, and puts under one heading what a function did.
"""
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from workbench import run
from workbench.console import BUILD, Problem, say, shown

RECORD = re.compile(r"(?P<device>\w+) +(?P<us>\d+) us  (?P<function>\S+) +(?P<what>"
                    r"(?:read|write|dma|line) .*)")
LOST = re.compile(r"trace: \d+ records were lost here")
TIMES = re.compile(r"(.*?), (\d+) times in (\d+) us")
POLLED = 8        # so many records of a loop's body are looked at for what repeats
INTERRUPT = "(interrupt)"


@dataclass
class Record:
    device: str
    us: int
    function: str
    what: str       # "read   Status = 0x80: Busy"
    times: int = 1
    lasted: int = 0

    def text(self) -> str:
        return self.what + (f", {self.times} times in {self.lasted} us" if self.times > 1 else "")


def parse(text: str) -> list[Record | str]:
    """The records in what a console said, and lines that say that some are missing."""
    found = []
    for line in text.replace("\r", "").split("\n"):
        if LOST.fullmatch(line):
            found.append(line)
        elif match := RECORD.fullmatch(line):
            record = Record(match["device"], int(match["us"]), match["function"], match["what"])
            if repeated := TIMES.fullmatch(record.what):
                record.what = repeated[1]
                record.times, record.lasted = int(repeated[2]), int(repeated[3])
            found.append(record)
    return found


def same(a: Record | str, b: Record | str) -> bool:
    return (isinstance(a, Record) and isinstance(b, Record) and a.what.startswith("read")
            and (a.device, a.function, a.what) == (b.device, b.function, b.what))


def fold(records: list[Record | str]) -> list[Record | str | list[Record]]:
    """Polls become one: of a register, or (a list) of several that are read in turn."""
    folded, at = [], 0
    while at < len(records):
        for length in range(1, POLLED + 1):
            rounds = 1
            while all(at + rounds * length + i < len(records) and
                      same(records[at + i], records[at + rounds * length + i])
                      for i in range(length)):
                rounds += 1
            if rounds > 1:
                break
        else:
            length = rounds = 1
        body = records[at:at + length]
        at += rounds * length
        if rounds > 1:
            last = records[at - 1]
            total = sum(record.times for record in records[at - rounds * length:at:length])
            for record in body:
                record.times = total
                record.lasted = last.us + last.lasted - body[0].us
        folded.append(body[0] if length == 1 else body)
    return folded


def transcript(records: list[Record | str]) -> str:
    """Times are relative: that of a group to the first record, those in it to the group's."""
    times = [record.us for record in records if isinstance(record, Record)]
    begin = times[0] if times else 0
    lines, group, interrupted = [], None, False
    for item in fold(records):
        if isinstance(item, str):
            lines.append(item)
            group = None
            continue
        first, *others = item if isinstance(item, list) else [item]
        begins = first.function == INTERRUPT and not first.what.endswith("acknowledged")
        ends = first.function == INTERRUPT and not begins
        if group is None or begins or not (interrupted or ends) and \
                (first.device, first.function) != (group.device, group.function):
            group = first
            lines.append(f"\n{(first.us - begin) / 1000:10.3f} ms  {first.device}  "
                         f"{first.function}")
        interrupted = begins or interrupted and not ends
        lines.append(f"{'+' + str(first.us - group.us):>10} us    {first.text()}")
        lines += [f"{'':13}    {other.text()}  (in turn)" for other in others]
        if ends:
            group = None
    return "\n".join([*lines, "", *summary(records)]) + "\n"


def summary(records: list[Record | str]) -> list[str]:
    """What was moved, and how often."""
    real = [record for record in records if isinstance(record, Record)]
    accesses = moved = memory = 0
    commands: Counter[str] = Counter()
    interrupts = sum(r.function == INTERRUPT and not r.what.endswith("acknowledged") for r in real)
    for record in real:
        if many := re.fullmatch(r"(?:read|write) .*, (\d+) times", record.what):
            moved += int(many[1])
        elif dma := re.fullmatch(r"dma .*, (\d+) bytes", record.what):
            memory += int(dma[1])
        elif record.function != INTERRUPT:
            accesses += record.times
        if command := re.fullmatch(r"write +\S+ = 0x\w+: ([A-Z][A-Z0-9 ]+)", record.what):
            commands[command[1]] += 1
    lines = [f"{accesses} register accesses, {moved} through data ports, {memory} bytes of memory "
             f"described for DMA, {interrupts} interrupts."]
    if commands:
        lines.append("Commands: " + ", ".join(f"{name} {n}" for name, n in commands.items()) + ".")
    return lines


def trace(options) -> int:
    """Runs the payload as `run` does, with the drivers traced."""
    log = BUILD / "run" / "trace.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    options.append = f"trace={options.driver} {options.append}".strip()
    options.qemu = ["-debugcon", f"file:{log}", *options.qemu]
    code = run.run(options)
    records = parse(log.read_text(errors="replace") if log.exists() else "")
    if not records:
        raise Problem(f"{options.driver} did nothing, or there is no such device",
                      "The monitor's `devices` lists them; the configuration needs `tool trace`.")
    text = transcript(records)
    if options.out:
        Path(options.out).write_text(text)
        say(f"The transcript is in {shown(Path(options.out))}.")
    else:
        sys.stdout.write(text)
    return code
