# SPDX-License-Identifier: BSD-2-Clause
"""On what it was measured: the lines above a table."""
import datetime
import os
import re

from bench.kit import counter, peers
from workbench import qemu
from workbench.console import ROOT, tool


def describe() -> str:
    name = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())
    version = tool(qemu.PROGRAM, "--version").split("\n")[0]
    commit = tool("git", "-C", ROOT, "log", "-1", "--format=%h") if (ROOT / ".git").exists() else ""
    return (f"{datetime.date.today()}, Vesper {commit.strip()}, {version}\n"
            f"TCG, -M pc, {counter.MEMORY} MiB, {os.cpu_count()} x {name[1] if name else 'CPU'}, "
            f"load average {os.getloadavg()[0]:.1f}\n"
            f"Linux: {peers.linux_version() or 'none'}")
