# SPDX-License-Identifier: BSD-2-Clause
"""What a fault's report says, and that it is still there after a restart."""
from pathlib import Path

import pytest
from machine import CALLED, PROMPT
from workbench import build, symbols

PAYLOADS = Path(__file__).parent / "payloads"
DEEP, RETURN = PAYLOADS / "deep.c", PAYLOADS / "return.asm"
FAULT = r"\*\*\* divide error [^\n]* at 0xc04300\w\w \(/kexec \+ 0x\w+: divide\+0x\w+\)\r"
AGAIN = r"The report of the last run, before the restart:\r\n"
SILENT = r"The machine restarted while the payload ran, without a report\."


@pytest.fixture
def restartable(boot):
    """boot(), with a machine that starts again when it is reset."""
    def start(payload, *words, **more):
        machine = boot(payload, *words, **more)
        machine.qmp("set-action", reboot="reset")
        return machine

    return start


# ---- what it says ----

@pytest.mark.parametrize("config", ["GENERIC", "MINE"])
def test_the_names_of_a_payloads_functions(boot, config):
    machine = boot(DEEP, "--config", config)
    machine.see(FAULT)
    machine.see(r"instruction: idiv \w+\r\n")
    for name in ("divide", "middle", "outer", "payload_main", "payload_start"):
        machine.see(rf"    (?:perhaps )?0xc04300\w\w \(/kexec \+ 0x\w+: {name}\+0x\w+\)")
    machine.see(PROMPT)


def test_tiny_has_the_same_report_without_names(boot):
    machine = boot(DEEP, "--config", "TINY")
    machine.see(r"\*\*\* divide error [^\n]* at 0xc04300\w\w \(/kexec \+ 0x\w+\)\r")
    machine.see(r"called from:\r\n    0xc04300\w\w \(/kexec \+ 0x\w+\)\r")
    machine.see(PROMPT)


def test_the_names_of_the_kernels_functions(boot):
    machine = boot(b"\x0f\x0b")
    machine.see("instruction: ud2")
    machine.see(r"perhaps 0xc01\w{5} \(kernel \+ 0x\w+: call_on_stack\+0x\w+\), found on")
    machine.see(PROMPT)
    functions = {name: address for address, name in
                 symbols.functions(build.kernel().with_suffix(".debug"))[0]}
    shown = machine.ask(f"disas {functions['console::log']} 3").splitlines()
    assert shown[0] == "console::log+0x0:" and len(shown) == 4


WILD = {  # an address that faults when it is called, and what is said of it
    0x00000010: r"execution is in what is no code: the null page: somebody called or jumped",
    0xE0001000: r"a jump of address 0xe0001000: no map_physical\(\) window",
    0x000B8000: r"execution is in what is no code: device memory of vga0",
    0xC0800000: r"execution is in what is no code: the payload's memory",
    0xC7F00000: r"execution is in what is no code: beyond arena_end",
}


@pytest.mark.parametrize("address", WILD, ids=hex)
def test_where_a_wild_jump_leads(boot, address):
    fill = b"\xb8\x00\x00\x80\xc0\x66\xc7\x00\x0f\x0b"     # mov eax, 0xc0800000; mov [eax], ud2
    fill += b"\xb8\x00\x80\x0b\x00\x66\xc7\x00\x0f\x0b"    # in the screen
    fill += b"\xb8\x00\x00\xf0\xc7\x66\xc7\x00\x0f\x0b"    # and in the heap
    machine = boot(fill + b"\xb8" + address.to_bytes(4, "little") + b"\xff\xd0\xc3")
    machine.see(WILD[address])
    machine.see(r"perhaps 0xc0430025 \(/kexec \+ 0x25\), found on the stack")
    machine.see(PROMPT)


def test_a_broken_symbol_file_is_ignored(boot):
    binary = b"\x0f\x0b"
    machine = boot(binary, files={"kexec.sym": b"c0430000 T start\nnonsense\n"})
    machine.see(r"/kexec.sym: ignored: line 2 is no symbol, or out of order")
    machine.see(r"invalid opcode [^\n]* at 0xc0430000 \(/kexec \+ 0x0\)")
    machine.see(PROMPT)


def test_a_symbol_file_of_ones_own(boot):
    machine = boot(b"\x0f\x0b", files={"kexec.sym": b"c0430000 my_entry\n"})
    machine.see(r"invalid opcode [^\n]* at 0xc0430000 \(/kexec \+ 0x0: my_entry\+0x0\)")
    machine.see("instruction: ud2")
    machine.see(PROMPT)
    assert machine.ask("disas 0xc0430000 1").splitlines() == [
        "my_entry+0x0:", "c0430000  0f 0b                    ud2"]


# ---- that it outlives a restart ----

WAYS = {
    "reboot": lambda machine: machine.type("reboot\n"),
    "reset button": lambda machine: machine.qmp("system_reset"),
    "port 0x92": lambda machine: machine.type("out 0x92 1\n"),
}


def restart(machine, way="reboot"):
    WAYS[way](machine)
    machine.see(r"Vesper \(")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("protocol", ["multiboot", "multiboot2", "pvh"])
def test_the_report_is_shown_after_a_restart(restartable, protocol, way):
    machine = restartable(DEEP, "--boot", protocol)
    machine.see(FAULT)
    machine.see(PROMPT)
    restart(machine, way)
    machine.see(AGAIN)
    machine.see(r"\| " + FAULT)
    machine.see(r"\|     0xc04300\w\w \(/kexec \+ 0x\w+: outer\+0x\w+\)\r")


def test_the_report_is_shown_once_and_not_after_a_cold_start(restartable):
    machine = restartable(DEEP, "--append", "kexec=/none")
    machine.see(PROMPT)
    assert machine.ask("crash") == "crash: nothing is known of a fault before this start"
    machine.type("run /kexec\n")
    machine.see(FAULT)
    machine.see(PROMPT)
    assert "The report of the last run" not in machine.text()
    restart(machine)
    machine.see(AGAIN)
    machine.see(PROMPT)
    shown = machine.ask("crash")
    assert shown.startswith("The report of the last run") and "divide+0x" in shown
    assert "divide error" not in machine.ask("dmesg")
    count = machine.text().count("The report of the last run")
    restart(machine)
    machine.see(PROMPT)
    assert machine.text().count("The report of the last run") == count


def test_a_restart_without_a_report(restartable):
    machine = restartable(PAYLOADS / "triple_fault.asm", "--append", "kexec=/none")
    machine.see(PROMPT)
    machine.type("run /kexec\n")
    machine.see(CALLED)
    machine.see(SILENT)
    machine.see(r"\| kexec: \d+ bytes at")
    machine.see(PROMPT)


def test_a_payload_that_returned_leaves_nothing(restartable):
    machine = restartable(RETURN)
    machine.see(PROMPT)
    machine.qmp("system_reset")
    machine.see(r"Vesper \(")
    machine.see(PROMPT)
    assert "before the restart" not in machine.text() and "restarted" not in machine.text()


def test_a_damaged_record_is_ignored(restartable):
    machine = restartable(DEEP, "--append", "kexec=/none")
    machine.see(PROMPT)
    machine.type("run /kexec\n")
    machine.see(FAULT)
    machine.see(PROMPT)
    assert "divide error" in machine.memory(0x42F000, 4096).decode("latin-1")
    machine.ask("poke 0x42f100 0")
    restart(machine)
    machine.see(PROMPT)
    assert "before the restart" not in machine.text()
