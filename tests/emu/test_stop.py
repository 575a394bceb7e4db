# SPDX-License-Identifier: BSD-2-Clause
"""Execution stops (a fault, a request, a breakpoint, a step), is looked at, and goes on."""
import re
import time
from pathlib import Path

import pytest
from machine import PROMPT, Machine
from workbench import payload

pytestmark = pytest.mark.xdist_group("stop")  # they share a machine
PAYLOADS = Path(__file__).parent / "payloads"
FLAG = 0xC0430004  # of spin.asm


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    work = tmp_path_factory.mktemp("stop")
    others = {path.stem: payload.make(path, work).read_bytes() for path in PAYLOADS.glob("*.asm")}
    machine = Machine.start(PAYLOADS / "return.asm", work=work, files=others)
    machine.see(PROMPT)
    yield machine
    machine.close()


@pytest.fixture
def monitor(shared):
    seen = len(shared.output)
    yield shared
    print(shared.text()[seen:])  # pytest shows it when the test failed


def by_keyboard(machine: Machine) -> None:
    machine.keys("ctrl-alt-esc")


def by_serial_line(machine: Machine) -> None:
    machine.qmp("chardev-send-break", id="serial")


both = pytest.mark.parametrize("request_stop", [by_keyboard, by_serial_line])


def begin(machine: Machine, command: str) -> None:
    machine.type(command + "\n")
    machine.see("kexec: .* bytes at 0x")
    time.sleep(0.1)


def stop(machine: Machine, request_stop) -> str:
    request_stop(machine)
    return machine.see(rb"\*\*\* stopped at (.*?)\r?\n.*" + PROMPT)[1].decode()


# ---- requests ----

@both
def test_a_payload_that_spins_is_stopped_and_goes_on(monitor, request_stop):
    begin(monitor, "run /spin")
    for _ in range(5):
        assert re.match(r"0xc04300\w\w \(/kexec \+ 0x\w+\)$", stop(monitor, request_stop))
        said = monitor.ask("regs")
        assert "eax 11111111  ebx 22222222  ecx 00000000  edx 44444444" in said
        assert "esi 55555555  edi 66666666  ebp 77777777" in said
        monitor.type("go\n")
        time.sleep(0.05)
    stop(monitor, request_stop)
    monitor.ask(f"poke {FLAG:#x} 1")
    assert monitor.ask("go").endswith("the payload returned 0 (0x0)")


@both
def test_one_that_waits_for_a_key(monitor, request_stop):
    begin(monitor, "run /wait k")
    assert "kernel" in stop(monitor, request_stop)
    assert "(/kexec + 0x" in monitor.ask("bt")
    assert monitor.ask("peek 0xc0430000 1").startswith("c0430000")
    monitor.type("go\n")
    time.sleep(0.2)
    monitor.type("x")
    monitor.see(r"the payload returned 120 \(0x78\).*" + PROMPT.decode())


@both
def test_one_that_sleeps(monitor, request_stop):
    begin(monitor, "run /wait s")
    stop(monitor, request_stop)
    assert "(/kexec + 0x" in monitor.ask("bt")
    said = monitor.ask("go")
    assert 3000 <= int(re.search(r"returned (\d+)", said)[1]) < 5000
