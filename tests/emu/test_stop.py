# SPDX-License-Identifier: BSD-2-Clause
"""Execution stops (a fault, a request, a breakpoint, a step), is looked at, and goes on."""
import re
import subprocess
import time
from pathlib import Path

import pytest
from machine import PROMPT, Machine
from workbench import build, payload

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


def by_keyboard(machine: Machine) -> None:
    machine.keys("ctrl-alt-esc")


def by_serial_line(machine: Machine) -> None:
    machine.send_break()


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


def test_a_short_stack_is_enough(monitor):
    """spin.asm has 64 bytes; a word below them is checked, and that is also where a step stops."""
    begin(monitor, "run /spin")
    stop(monitor, by_keyboard)
    for _ in range(3):
        assert monitor.ask("step").startswith("*** step at 0xc04300")
    monitor.ask(f"poke {FLAG:#x} 1")
    assert monitor.ask("go").endswith("the payload returned 0 (0x0)")


def test_a_request_is_for_a_payload_only(monitor):
    by_keyboard(monitor)
    by_serial_line(monitor)
    assert monitor.ask("run /print_args x").endswith("\n[x]\nkexec: the payload returned 1 (0x1)")
    assert monitor.ask("go").startswith("go: nothing stands still")


def test_a_request_while_it_stands_still_is_none(monitor):
    begin(monitor, "run /spin")
    stop(monitor, by_keyboard)
    by_serial_line(monitor)
    monitor.ask(f"poke {FLAG:#x} 1")
    assert monitor.ask("go").endswith("the payload returned 0 (0x0)")


# ---- steps and breakpoints ----

def stopped_at(said: str) -> int:
    return int(re.match(r"\*\*\* .* at 0x(\w+) \(", said)[1], 16) - 0xC0430000


def clear_all(monitor) -> None:
    for number in range(4):
        monitor.ask(f"break clear {number}")


@pytest.fixture
def at_start(monitor):
    """steps.asm, before its first instruction."""
    clear_all(monitor)
    assert monitor.ask("break 0xc0430000") == "0: 0xc0430000 x"
    said = monitor.ask("run /steps")
    assert said.split("\n")[1].startswith("*** breakpoint 0 at 0xc0430000 (/kexec + 0x0)")
    monitor.ask("break clear 0")
    yield monitor
    clear_all(monitor)
    assert monitor.ask("break") == ""


def test_step(at_start):
    monitor = at_start
    assert stopped_at(monitor.ask("step")) == 5
    assert "eax 00000064" in monitor.ask("regs")
    assert stopped_at(monitor.ask("step 2")) == 7
    assert "eax 00000066" in monitor.ask("regs")
    assert stopped_at(monitor.ask("step 4")) == 15
    flags = int(re.search(r"ecx (\w{8})", monitor.ask("regs"))[1], 16)
    assert flags & 0x300 == 0x200  # interrupts are on, and the trap flag has not been pushed
    assert monitor.ask("go").endswith("kexec: the payload returned 105 (0x69)")


def test_a_call_of_the_api_is_one_step(at_start):
    monitor = at_start
    assert stopped_at(monitor.ask("step 10")) == 0x16
    said = monitor.ask("step")
    assert said.startswith("e\n") and stopped_at(said[2:]) == 0x18
    assert stopped_at(monitor.ask("step 2")) == 0x1A
    assert monitor.ask("step 100").endswith("kexec: the payload returned 105 (0x69)")


def test_breakpoints(at_start):
    monitor = at_start
    assert monitor.ask("break 0xc0430007") == "0: 0xc0430007 x"
    assert monitor.ask("break 0xc0430020 w") == "1: 0xc0430020 w 4"
    assert monitor.ask("break 0xc043001a x") == "2: 0xc043001a x"
    assert monitor.ask("break 0xc0430022 rw 1") == "3: 0xc0430022 rw 1"
    assert monitor.ask("break") == ("0: 0xc0430007 x\n1: 0xc0430020 w 4\n2: 0xc043001a x\n"
                                    "3: 0xc0430022 rw 1")
    assert monitor.ask("break 0xc0430000").startswith("break: the CPU has 4, and all are in use")
    assert monitor.ask("break clear 3") == ""
    assert monitor.ask("break clear 3") == "break: there is no breakpoint 3"
    assert monitor.ask("break 0xc0430021 w 4") == \
        "break: BYTES is 1, 2 or 4, and ADDRESS a multiple of it"
    assert monitor.ask("break 0xc0430021 z") == "break: z is none of x, w and rw"
    said = monitor.ask("go")
    assert said.startswith("*** breakpoint 0 at ") and stopped_at(said) == 7
    said = monitor.ask("go")
    assert said.startswith("*** breakpoint 1 (0xc0430020 was written) at ")
    assert stopped_at(said) == 12
    said = monitor.ask("go")
    assert "e\n*** breakpoint 2 at 0xc043001a (/kexec + 0x1a)" in said
    assert monitor.ask("go").endswith("kexec: the payload returned 105 (0x69)")


def test_registers_are_changed(at_start):
    monitor = at_start
    monitor.ask("step")
    assert monitor.ask("regs eax=0x1000 ecx=17") == ""
    assert "eax 00001000" in monitor.ask("regs")
    assert "ecx 00000011" in monitor.ask("regs")
    assert monitor.ask("regs eip=0xc0430006") == ""  # one instruction less
    assert monitor.ask("regs nonsense=1") == \
        "regs: nonsense=1 is not NAME=VALUE of a register, like eax=0x10"
    assert monitor.ask("regs eax").startswith("regs: eax is not NAME=VALUE")
    assert monitor.ask("go").endswith(f"kexec: the payload returned {0x1004} (0x1004)")


def test_the_stack_pointer_is_changed(at_start):
    monitor = at_start
    esp = int(re.search(r"esp (\w{8})", monitor.ask("regs"))[1], 16)
    monitor.ask(f"poke.l {esp - 32:#x} 0xc043001a")
    monitor.ask(f"regs esp={esp - 32:#x} eip=0xc043001d eax=7")
    monitor.ask("break 0xc043001a")
    assert stopped_at(monitor.ask("go")) == 0x1A
    assert f"esp {esp - 28:08x}" in monitor.ask("regs")
    monitor.ask("regs esp=0xe8000000")
    assert monitor.ask("go") == "It cannot go on: esp is 0xe8000000, and no memory is there."
    monitor.ask(f"regs esp={esp:#x}")
    assert monitor.ask("go").endswith("kexec: the payload returned 10 (0xa)")


# ---- faults ----

def test_a_fault_is_mended_and_goes_on(monitor):
    said = monitor.ask("run /bad_pointer")
    assert "*** page fault" in said and "a read of address 0xe8000000" in said
    assert monitor.ask("go").startswith("*** page fault")  # again
    monitor.ask("poke.l 0xc0430000 0xfeebfeeb")
    monitor.ask("regs eax=0xc0430000")
    assert monitor.ask("go").endswith(f"kexec: the payload returned {0xfeebfeeb - (1 << 32)} "
                                      "(0xfeebfeeb)")


def test_a_fault_inside_a_call_cannot_go_on(monitor):
    said = monitor.ask("run /bad_call")
    assert "*** invalid opcode" in said and "(/kexec + 0x15)" in said
    assert said.endswith("the payload has been ended")
    assert monitor.ask("go") == \
        "go: nothing stands still; a fault in the kernel ends the payload"
    assert re.search(r"eip c01\w{5}", monitor.ask("regs"))
    assert monitor.ask("bt") == "bt: its stack is no more; dmesg has the report of it"
    assert monitor.ask("regs eax=1") == "regs: nothing stands still"
    assert monitor.ask("step") == "step: nothing stands still"
    assert monitor.ask("run /print_args x").endswith("\n[x]\nkexec: the payload returned 1 (0x1)")


def test_a_wild_pointer_in_a_call_is_an_error(monitor):
    assert monitor.ask("run /wild_pointer").endswith("the payload returned -7 (0xfffffff9)")


def test_a_command_that_faults_leaves_all_as_it_was(monitor):
    begin(monitor, "run /spin")
    stop(monitor, by_serial_line)
    for _ in range(10):
        assert "a write of address 0x00000000: read-only" in monitor.ask("poke 0 1")
        assert "eax 11111111" in monitor.ask("regs")
    monitor.ask(f"poke {FLAG:#x} 1")
    assert monitor.ask("go").endswith("the payload returned 0 (0x0)")


def test_in_a_call_too(monitor):
    begin(monitor, "run /wait k")
    stop(monitor, by_keyboard)
    assert "*** page fault" in monitor.ask("poke 0 1")
    monitor.type("go\n")
    time.sleep(0.2)
    monitor.type("x")
    monitor.see(r"the payload returned 120 \(0x78\).*" + PROMPT.decode())


def test_run_and_load_give_up_what_stands_still(monitor):
    begin(monitor, "run /spin")
    stop(monitor, by_keyboard)
    said = monitor.ask("load /print_args x y")
    assert said.startswith("kexec: the payload has been ended\n")
    assert monitor.ask("go").endswith("\n[x y]\nkexec: the payload returned 1 (0x1)")
    assert monitor.ask("go").startswith("go: nothing stands still")
    assert monitor.ask("load") == "load: PATH is missing"
    assert monitor.ask("load /nowhere") == "/nowhere on wd0p1: not found"


def test_a_hundred_faults_one_after_another(monitor):
    """Each is given up by the next `run`: no stack is used up."""
    for _ in range(100):
        assert "*** divide error" in monitor.ask("run /divide_by_zero")
        frame = monitor.ask("regs")
    assert monitor.ask("run /divide_by_zero").count("the payload has been ended") == 1
    assert monitor.ask("regs") == frame
    assert monitor.ask("run /return").endswith("the payload returned 42 (0x2a)")


# ---- the machine ----

def test_irq(monitor):
    def counts() -> dict[str, int]:
        rows = re.findall(r"^ ?(\d+) +(\d+)  (.*)$", monitor.ask("irq"), re.M)
        return {who: int(count) for _, count, who in rows}

    before = counts()
    time.sleep(0.5)
    after = counts()
    assert after["the clock"] - before["the clock"] > 20
    assert after["com0"] > 0 and after["pckbd0"] > 0


# ---- what the kernel itself does ----

def kernel_address(name: str) -> int:
    """Where a function of the kernel that runs is."""
    symbols = subprocess.run(["nm", "-C", build.kernel("GENERIC").with_suffix(".debug")],
                             capture_output=True, text=True, check=True).stdout
    return int(re.search(rf"^(\w+) \w {re.escape(name)}$", symbols, re.M)[1], 16)


def test_a_breakpoint_in_the_kernel(monitor):
    clear_all(monitor)
    assert monitor.ask(f"break {kernel_address('api_time_sleep'):#x}").startswith("0: 0xc01")
    begin(monitor, "run /sleep")
    monitor.see(r"\*\*\* breakpoint 0 at 0xc01\w{5} .*" + PROMPT.decode())
    assert "(/kexec + 0x" in monitor.ask("bt")
    assert monitor.ask("ls /return").endswith("return")
    clear_all(monitor)
    assert 50_000 <= int(re.search(r"returned (\d+)", monitor.ask("go"))[1])


def test_one_in_an_interrupt_handler_while_nothing_runs(monitor):
    clear_all(monitor)
    stop = r"\*\*\* breakpoint 0 at 0xc01\w{5} .*" + PROMPT.decode()
    monitor.type(f"break {kernel_address('handle_interrupt'):#x}\n")
    monitor.see(stop)
    while "LineEditor::read" not in monitor.ask("bt"):  # `break` was still saying what it did
        monitor.type("go\n")
        monitor.see(stop)
    assert monitor.ask("run /return") == "run: not while the kernel itself stands still"
    assert "*** page fault" in monitor.ask("poke 0 1")
    assert monitor.ask("break clear 0") == ""
    monitor.type("go\n")
    time.sleep(0.1)
    assert monitor.ask("run /return").endswith("the payload returned 42 (0x2a)")
