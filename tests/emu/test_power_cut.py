# SPDX-License-Identifier: BSD-2-Clause
"""The plug is pulled while a payload writes: what it had synced is there, as other people's tools
read it. (The host tests look at every single write.)"""
import os
import subprocess
from pathlib import Path

import pytest

PAYLOAD = Path(__file__).parent / "payloads/plug.c"
PER_ROUND, MOST = 4, 20000
ENVIRONMENT = os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
                            "MTOOLS_SKIP_CHECK": "1"}
# What repairs the volume (it may find lost space), and its exit codes; what prints a file of it.
TOOLS = {
    "ffs1": (None, (0,), ["grub-fstest", "{volume}", "cat", "(loop0)/d/{name}"]),
    "ffs2": (None, (0,), ["grub-fstest", "{volume}", "cat", "(loop0)/d/{name}"]),
    "ext2": (["e2fsck", "-fy"], (0, 1), ["debugfs", "-R", "cat /d/{name}", "{volume}"]),
    "ext4": (["e2fsck", "-fp"], (0, 1), ["debugfs", "-R", "cat /d/{name}", "{volume}"]),
    "fat16": (["fsck.fat", "-a"], (0, 1), ["mtype", "-i", "{volume}", "::d/{name}"]),
    "fat32": (["fsck.fat", "-a"], (0, 1), ["mtype", "-i", "{volume}", "::d/{name}"]),
}


def content(number: int) -> bytes:
    size = number * 977 % MOST + 1
    return bytes((number + i * 7 + i // 256) & 255 for i in range(size))


def read(fs: str, volume: Path, name: str) -> bytes:
    words = [word.format(volume=volume, name=name) for word in TOOLS[fs][2]]
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, timeout=30)
    assert done.returncode == 0, f"{name}: {done.stderr.decode(errors='replace')}"
    return done.stdout


@pytest.mark.parametrize("fs, rounds", [(fs, rounds) for fs in TOOLS for rounds in (9, 23)])
def test_what_was_synced_survives(boot, tmp_path, fs, rounds):
    room = {f"room{i}": os.urandom(1 << 20) for i in range(4)}  # that the volume is not too small
    machine = boot(PAYLOAD, "--fs", fs, "--label", "none", files=room)
    machine.see(rf"synced {rounds}\r")
    machine.process.kill()
    machine.process.wait()
    said = machine.text()
    last = max(int(line.split()[1]) for line in said.splitlines() if line.startswith("synced "))
    volume = next(path for path in (tmp_path / "0").rglob("*.img"))
    repair, codes, _ = TOOLS[fs]
    if repair:
        done = subprocess.run([*repair, volume], env=ENVIRONMENT, capture_output=True, text=True,
                              timeout=60)
        assert done.returncode in codes, done.stdout + done.stderr
    for number in range((last + 1) * PER_ROUND):
        is_first = number % PER_ROUND == 0
        if is_first and number // PER_ROUND <= last + 1 - 8:
            continue  # removed, or about to be
        assert read(fs, volume, f"file{number}") == content(number), number
    # The next round may have replaced it already.
    assert read(fs, volume, "latest") in (content(last), content(last + 1))
