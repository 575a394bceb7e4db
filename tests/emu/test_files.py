# SPDX-License-Identifier: BSD-2-Clause
"""What a payload does to the files of its root, as e2fsprogs sees it afterwards."""
import os
import subprocess
from pathlib import Path

import pytest

PAYLOAD = Path(__file__).parent / "payloads/files.c"
PIECE, PIECES, NAMES = 50000, 20, 600


def tool(*words) -> bytes:
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    done = subprocess.run(words, env=os.environ | {"PATH": path, "TZ": "UTC"}, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")
    return done.stdout


@pytest.mark.parametrize("fs", ("ext2", "ext4"))
def test_a_payload_changes_its_root(boot, tmp_path, fs):
    room = {"gone": os.urandom(6 << 20)}  # that the volume is not too small
    machine = boot(PAYLOAD, "--fs", fs, "--label", "none", files=room)
    machine.see(f"root on wd0: {fs}")
    machine.see("DONE")
    machine.see("the payload returned 0 ")
    machine.process.kill()  # without a word
    machine.process.wait()
    assert "FAIL" not in machine.text()
    assert "read-only" not in machine.text()
    volume = next(path for path in (tmp_path / "0").rglob("*.img"))

    def ask(request: str) -> str:
        return tool("debugfs", "-R", request, volume).decode()

    tool("e2fsck", "-fn", volume)
    assert "needs_recovery" not in ask("features")
    kept = b"".join(bytes((p + n * 7) & 255 for n in range(PIECE)) for p in range(PIECES))
    large = kept[:-12345].ljust(2 * len(kept), b"\0") + b"the end"
    assert tool("debugfs", "-R", "cat /d/large", volume) == large
    assert ask("cat /d/old") == ask("cat /moved/second") == "new"
    assert 'Fast link dest: "d/old"' in ask("stat /leads")
    stat = ask("stat /d/old")
    assert "Mode:  0640" in stat and "Links: 2" in stat and "Sun Sep  9 01:46:40 2001" in stat

    def names(path: str) -> set[str]:
        entries = [line.split("/") for line in ask(f"ls -p {path}").splitlines() if line]
        return {entry[5] for entry in entries if entry[1] != "0"}  # 0: an empty one

    odd = {f"a file with the number {i}" for i in range(1, NAMES, 2)}
    assert names("/many") == {".", ".."} | odd
    assert names("/") == {".", "..", "lost+found", "kexec", "kexec.sym", "d", "many", "moved",
                          "leads"}
