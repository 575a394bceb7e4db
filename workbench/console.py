# SPDX-License-Identifier: BSD-2-Clause
"""What the workbench says while it works: steps with their time, and errors with their cure."""
import contextlib
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"

# Where Debian keeps makefs and mkfs.*, which is not in the PATH of ordinary users.
os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"


class Problem(Exception):
    """Ends the command with a message: what is wrong, and what helps."""

    def __init__(self, cause: str, cure: str = "", code: int = 1):
        super().__init__(f"{cause}\n  {cure}" if cure else cause)
        self.code = code


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Step:
    """`with Step("Building"):` prints "Building ... 1.2 s"."""

    def __init__(self, title: str):
        self.title = title

    def __enter__(self) -> "Step":
        self.started = time.monotonic()
        self.live = sys.stderr.isatty()
        print(f"{self.title} ... ", end="", file=sys.stderr, flush=True)
        return self

    def progress(self, text: str) -> None:
        if self.live:
            print(f"\r{self.title} ... {text}\033[K", end="", file=sys.stderr, flush=True)

    def __exit__(self, kind, value, traceback) -> None:
        result = f"{time.monotonic() - self.started:.1f} s" if kind is None else "failed"
        say(f"\r{self.title} ... {result}\033[K" if self.live else result)


@contextlib.contextmanager
def alone_in(folder: Path):
    """Waits until no other workbench works in that folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def shown(path) -> str:
    """A path as the user would type it."""
    try:
        relative = os.path.relpath(path)
    except ValueError:
        return str(path)
    return str(path) if relative.startswith("../..") else relative


def tool(*command, cause: str = "", cure: str = "", **options) -> str:
    """Runs a program to its end and returns what it printed; its failure is a Problem."""
    words = [str(word) for word in command]
    if "input" not in options:
        options["stdin"] = subprocess.DEVNULL
    result = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            errors="replace", **options)
    if result.returncode:
        message = cause or f"{words[0]} failed with exit code {result.returncode}"
        raise Problem(f"{message}:\n{result.stdout.rstrip()}", cure)
    return result.stdout
