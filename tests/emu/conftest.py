# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the emulator tests: `boot` starts PCs, and every test has a time limit."""
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
from machine import Machine  # noqa: E402

LIMIT = 120  # seconds for one test


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: not run by `./vesper test --quick`")


@pytest.fixture(autouse=True)
def time_limit():
    def late(number, frame):
        raise TimeoutError(f"the test took longer than {LIMIT} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def boot(tmp_path):
    """boot(PAYLOAD, "--fs", "ext2", ..., files={...}) starts a Machine; all end with the test."""
    machines = []

    def start(payload, *words, **more) -> Machine:
        machines.append(Machine.start(payload, *words, work=tmp_path / str(len(machines)), **more))
        return machines[-1]

    yield start
    for machine in machines:
        print(f"---- serial port ----\n{machine.text()}")  # pytest shows it when the test failed
        machine.close()
