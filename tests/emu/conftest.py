# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the emulator tests: `boot` and `power_on` start PCs; every test has a time limit."""
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
from machine import Machine  # noqa: E402
from workbench.qemu import Pc  # noqa: E402

LIMIT = 120  # seconds for one test


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: not run by `./vesper test --quick`")
    config.addinivalue_line("markers", "xdist_group(name): one after another")


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
def running():
    """What is in this list ends with the test."""
    machines = []
    yield machines
    for machine in machines:
        print(f"---- serial port ----\n{machine.text()}")  # pytest shows it when the test failed
        machine.close()


@pytest.fixture
def boot(tmp_path, running):
    """boot(PAYLOAD, "--fs", "ext2", ..., files={...}) starts a Machine as `./vesper run` does."""
    def start(payload, *words, **more) -> Machine:
        running.append(Machine.start(payload, *words, work=tmp_path / str(len(running)), **more))
        return running[-1]

    return start


@pytest.fixture
def power_on(tmp_path, running):
    """power_on(PC) starts a Machine from a qemu.Pc."""
    def start(pc: Pc) -> Machine:
        running.append(Machine(pc, tmp_path))
        return running[-1]

    return start


@pytest.fixture
def monitor(shared):
    """The machine that a file of tests has for all of them: its fixture `shared`."""
    seen = len(shared.output)
    yield shared
    print(shared.text()[seen:])  # pytest shows it when the test failed
