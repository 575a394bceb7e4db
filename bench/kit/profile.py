# SPDX-License-Identifier: BSD-2-Clause
"""Where a kernel's instructions go between its entry and the payload: a list of functions."""
from bisect import bisect_right
from collections import Counter
from pathlib import Path

from bench.kit import counter
from bench.kit.peers import Start
from workbench.console import tool

VIEW = 0xFFFFFFF  # insnmark.c counts addresses modulo this + 1


def functions(start: Start, kernel: Path) -> Counter:
    """Instructions by function; a `rep` instruction counts once for each repetition."""
    hot = counter.FOLDER / "hot"
    counter.pass_once(start.pc, start.entry, start.seconds, hot=hot)
    return by_function(hot, kernel)


def by_function(hot: Path, kernel: Path) -> Counter:
    """From the addresses that insnmark.c counted."""
    debug = kernel.with_name(kernel.name + ".debug")  # the kernel itself has no symbols
    symbols = [(int(address, 16) & VIEW, name) for address, kind, name in (
        line.split(maxsplit=2) for line in
        tool("nm", "-nC", "--defined-only", debug).splitlines())
        if kind in "tTwW" and int(address, 16) > VIEW]  # below are not addresses
    addresses = [address for address, _ in symbols]
    end = next(int(line.split()[0], 16) & VIEW for line in
               tool("nm", "--defined-only", debug).splitlines() if line.endswith(" kernel_end"))
    found = Counter()
    for line in hot.read_text().splitlines():
        address, count = int(line.split()[0], 16), int(line.split()[1])
        at = bisect_right(addresses, address) - 1
        found[symbols[at][1] if at >= 0 and address < end else "(outside)"] += count
    return found
