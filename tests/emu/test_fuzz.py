# SPDX-License-Identifier: BSD-2-Clause
"""Every function of the API with random and edge values: errors or a fault report, and then a
kernel that works and a root disk that nobody has written to."""
import hashlib
import os
import re
from pathlib import Path

import fuzz_calls
import pytest
from machine import PROMPT
from workbench import header, image, payload

PAYLOADS = Path(__file__).parent / "payloads"
SEEDS = [int(seed) for seed in os.environ.get("FUZZ_SEEDS", "1 2 3 4").split()]
CALLS = int(os.environ.get("FUZZ_CALLS", "6000"))
SECONDS = 60  # for one seed, on a busy computer
ENDED = r"\nfuzz \d+: (\d+) calls of (\d+) functions|the payload has been ended"


@pytest.fixture
def fuzz(tmp_path):
    """The payload."""
    (tmp_path / "fuzz_calls.h").write_text(fuzz_calls.table(header.read()))
    return payload.make(PAYLOADS / "fuzz.c", tmp_path, f"-I{tmp_path}")


def works(machine) -> None:
    """All that the operator may ask for has its answer."""
    assert "kexec" in machine.ask("dmesg")
    assert "the payload's" in machine.ask("mem")
    assert "wd0" in machine.ask("devices")
    assert "hello.txt" in machine.ask("ls /")
    assert machine.ask("cat /hello.txt") == "Hello"
    machine.type("run /list\n")
    machine.see("hello.txt")
    machine.see(r"the payload returned 0 ")
    machine.see(PROMPT)


def attacked(boot, fuzz, tmp_path, *words):
    """A machine after all seeds, with two disks of which the fuzzer may write to the second."""
    digests = {}
    list_ = payload.make(payload.ROOT / "samples/list.c", tmp_path)

    def change(pc):
        second = tmp_path / "second.img"
        image.make_disk(second, fs="ext2", label="mbr", work=tmp_path / "second")
        pc.disks += [None, second]
        disk = pc.disks[0]
        digests[disk] = hashlib.sha256(disk.read_bytes()).digest()

    machine = boot(PAYLOADS / "return.asm", *words, change=change, files={
        "hello.txt": b"Hello", "fuzz": fuzz.read_bytes(), "list": list_.read_bytes()})
    machine.see(PROMPT)
    for seed in SEEDS:
        machine.type(f"run /fuzz {seed} {CALLS}\n")
        ended = machine.see(ENDED, SECONDS)
        machine.see(PROMPT)
        if ended[1]:
            assert int(ended[1]) == CALLS
    works(machine)
    for disk, digest in digests.items():
        assert hashlib.sha256(disk.read_bytes()).digest() == digest, "the root has been written to"
    return machine


@pytest.mark.parametrize("cpu", ["max"])
def test_wild_calls_end_in_errors_or_a_report(boot, fuzz, tmp_path, cpu):
    machine = attacked(boot, fuzz, tmp_path, "--cpu", cpu)
    counts = [int(calls) for calls in re.findall(r"\nfuzz \d+: (\d+) calls", machine.text())]
    assert counts, "no seed came to its end"
