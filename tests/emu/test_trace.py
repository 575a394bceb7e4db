# SPDX-License-Identifier: BSD-2-Clause
"""Tracing drivers: on the command line, and by the monitor's command (src/debug/trace.cpp)."""
import re

from machine import PROMPT
from workbench.console import ROOT

ECHO = ROOT / "tests/emu/payloads/return.asm"
RECORD = re.compile(r"^(\w+) +\d+ us  (\S+) +(read|write|dma|line) +(.*)$", re.M)


def devices(text: str) -> set[str]:
    return {match[1] for match in RECORD.finditer(text)}


def test_a_console_that_traces_itself_goes_on(boot, tmp_path):
    e9 = tmp_path / "e9"
    pc = boot(ECHO, "--append", "trace=com0", qemu_options=("-debugcon", f"file:{e9}"))
    pc.see(PROMPT)
    assert pc.ask("trace") == "com0"
    assert not devices(pc.text())  # not on com0 itself, where it would be about itself
    pc.type("trace show\n")
    pc.see(r"com0 +\d+ us  \w+ +read   LineStatus = 0x60: TransmitterIdle TransmitEmpty\r\n")
    pc.type(" ")  # a key ends what is long; if that has ended by itself, it follows the prompt
    pc.see("\nvesper> ")
    assert devices(pc.text()) == {"com0"}
    assert pc.ask("trace com0 off") == "" and pc.ask("trace") == "nothing is traced"
    said = e9.read_text()  # from the first access on
    assert devices(said) == {"com0"}
    assert [match[4] for match in RECORD.finditer(said)][1] == "Scratch = 0x55"
    assert "FifoControl = 0x87: Trigger: eight bytes ClearTransmit ClearReceive Enable" in said
    assert len(RECORD.findall(said)) < 20000


def test_the_command_switches_devices_by_the_name_of_what_is_behind_them(boot):
    pc = boot(ECHO, files={"large": b"\xc3" + bytes(300000)})
    pc.see(PROMPT)
    assert pc.ask("trace wd7 on") == "trace: wd7: there is no such device"
    assert pc.ask("trace wd0 off") == "trace: wd0: it was not traced"
    assert pc.ask("trace wd0") == "trace: say wd0 on, or off"
    assert pc.ask("trace wd0 on") == ""
    said = pc.ask("run /large")  # which the cache has not seen
    assert devices(said) == {"ide0"}
    assert ": READ DMA" in said and "line 14" in said
    assert pc.ask("trace wd0 off") == ""
    assert not devices(pc.ask("run /large"))


def test_everything_at_once(boot):
    pc = boot(ECHO, "--append", "trace=all")
    pc.see("\nvesper> ", 100)  # after which the cursor's movement is traced
    assert devices(pc.text()) >= {"ide0", "pckbd0", "vga0"}
    assert "com0" not in devices(pc.text())
    # The interrupt controllers have a Command too, and another name for 0x20.
    assert "  Command = 0x20: READ COMMAND BYTE" in pc.text()
    pc.ask("trace all off")
    assert pc.ask("trace") == "nothing is traced"


def test_without_the_tool_the_word_is_the_payloads(boot):
    pc = boot(ROOT / "tests/emu/payloads/print_args.asm", "--config", "TINY", "--machine", "isapc",
              "--append", "trace=wd0")
    pc.see("not known here, passed on to the payload: trace=wd0")
