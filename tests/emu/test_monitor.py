# SPDX-License-Identifier: BSD-2-Clause
"""The monitor: its commands, its line editor, and that it survives what payloads do."""
import re
import time
from pathlib import Path

import pytest
from machine import PROMPT, Machine
from workbench import payload

pytestmark = pytest.mark.xdist_group("monitor")  # most share a machine
PAYLOADS = Path(__file__).parent / "payloads"
COMMANDS = ("help dmesg ls cat run load go reboot off devices mem peek poke in out pci "
            "regs bt step break irq events reload trace disas crash").split()
FREE = 0x00800000  # RAM in the payload's arena, by its physical address
FILES = {"hello.txt": b"Hello,\nworld\n", "binary": bytes(range(256)), "no newline": b"end",
         "folder/deep": b"x" * 5000, "long": b"".join(b"line %04d\n" % i for i in range(20000)),
         "empty": b""}


def start(work: Path, *words: str) -> Machine:
    work.mkdir(exist_ok=True)
    others = {path.stem: payload.make(path, work).read_bytes() for path in PAYLOADS.glob("*.asm")}
    machine = Machine.start(PAYLOADS / "return.asm", *words, work=work, files=FILES | others)
    machine.see(PROMPT)
    return machine


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One machine for all commands: whatever one does, the next finds a monitor that works."""
    machine = start(tmp_path_factory.mktemp("monitor"))
    yield machine
    machine.close()


# ---- commands ----

def test_help_has_a_line_for_each_command_and_more_about_each(monitor):
    lines = monitor.ask("help").split("\n")
    assert [re.match(r"  (\w+)", line)[1] for line in lines] == COMMANDS
    assert max(map(len, lines)) < 80
    for name in COMMANDS:
        assert re.match(rf"{name}.*: .+\n.+", monitor.ask(f"help {name}"))


def test_devices_are_a_tree_and_disks_have_sizes(monitor):
    said = monitor.ask("devices")
    assert said.startswith("mainbus0\n")
    assert re.search(r"\n    ide0 at dev 1 function 1: .*\n      ata0 at channel 0.*\n"
                     r"        wd0 at drive 0: <QEMU HARDDISK>", said)
    sectors = (monitor.work / "disk.img").stat().st_size // 512
    assert re.search(rf"\nwd0 +\d+ \w+  {sectors} blocks of 512: QEMU HARDDISK\n", said)
    assert re.search(r"\nwd0p1 .* from 2048 of wd0: .*, the root$", said)


def test_dmesg_repeats_what_was_said(monitor):
    said = monitor.ask("dmesg")
    assert said in monitor.text()
    assert re.search(r"^Vesper \(GENERIC\), started by Multiboot", said, re.M)
    assert re.search(r"^kexec: the payload returned 42 \(0x2a\)$", said, re.M)
    assert "vesper>" not in said


def test_mem_adds_up(monitor):
    said = monitor.ask("mem")
    ram = sum(int(kib) for kib in re.findall(r" (\d+) KiB  RAM", said))
    assert 127 << 10 < ram <= 128 << 10
    assert re.search(r"^0xc0100000 - 0xc0[12]\w{5} +\d+ KiB  kernel$", said, re.M)
    assert re.search(r"^0xc0430000 - 0xc7\w{6} +\d+ KiB  the payload's$", said, re.M)
    heap = re.search(r"heap: (\d+) of (\d+) KiB in use, (\d+)", said)
    used, total, most = map(int, heap.groups())
    assert 0 < used <= most < total


def test_ls(monitor):
    listed = dict(line.strip().split("  ", 1)[::-1] for line in monitor.ask("ls").split("\n"))
    assert listed.pop("kexec") == "6"
    assert listed.pop("folder") == "folder"
    assert {name: listed[name] for name in FILES if "/" not in name} == \
           {name: str(len(content)) for name, content in FILES.items() if "/" not in name}
    assert monitor.ask("ls /folder").split() == ["5000", "deep"]
    assert monitor.ask('ls "no newline"').split() == ["3", "no", "newline"]


def test_cat(monitor):
    assert monitor.ask("cat hello.txt") == "Hello,\nworld"
    assert monitor.ask('cat "no newline"') == "end"
    assert monitor.ask("cat empty") == ""
    shown = "".join(chr(i) if 32 <= i < 127 or i in (9, 10) else "." for i in range(256))
    assert monitor.ask("cat binary") == shown


def test_a_key_ends_what_is_long(monitor):
    monitor.type("cat long\n")
    monitor.see("line 0100")
    monitor.type("q")
    monitor.see(PROMPT, 3)
    assert "line 19999" not in monitor.text()


def test_peek_shows_the_payload_in_all_widths(monitor):
    row = " 2a 00 00 00 c3 "
    assert monitor.ask("run").endswith("returned 42 (0x2a)")
    assert monitor.ask("peek 0xc0430000 6").startswith("c0430000  b8" + row)
    assert monitor.ask("peek 0x430000 6").startswith("00430000  b8" + row)
    assert monitor.ask("peek.w 0xc0430000 3").startswith("c0430000  2ab8 0000 c300 ")
    assert monitor.ask("peek.l 3225616384 1").startswith("c0430000  00002ab8 ")
    assert re.fullmatch(r"(c04300\d0 .{67}\n?){4}", monitor.ask("peek 0xc0430000"))


def test_peek_ends_with_the_addresses(monitor):
    assert monitor.ask("peek 0xfffffff8 1000").startswith("fffffff8  ")
    assert "\n" not in monitor.ask("peek 0xfffffff8 1000")


def test_poke_changes_memory(monitor):
    monitor.ask(f"poke {FREE:#x} 0x56 0x65 115 0x70")
    monitor.ask(f"poke.w {FREE + 4:#x} 0x7265 0x2121")
    monitor.ask(f"poke.l {FREE + 8:#x} 0x01020304")
    assert monitor.memory(FREE, 12) == b"Vesper!!\x04\x03\x02\x01"
    said = monitor.ask(f"peek {FREE:#x} 12")
    assert said.split("  ")[1] == "56 65 73 70 65 72 21 21"
    assert said.endswith("  Vesper!!....")


def test_ports(monitor):
    # A byte of CMOS RAM, and the PCI host bridge's identity.
    monitor.ask("out 0x70 0x0f")
    monitor.ask("out 0x71 0x5a")
    monitor.ask("out 0x70 0x0f")
    assert monitor.ask("in 0x71") == "0x5a"
    monitor.ask("out.l 0xcf8 0x80000000")
    assert monitor.ask("in.l 0xcfc") == "0x12378086"
    assert monitor.ask("in.w 3326") == "0x1237"


def test_pci(monitor):
    lines = monitor.ask("pci").split("\n")
    assert re.match(r"0:0\.0 +8086:1237  class 06\.00\.00", lines[0])
    assert re.match(r"0:1\.1 +8086:7010  class 01\.01\.80  revision 00  ide0$", lines[2])
    assert len(lines) == len(monitor.qmp("query-pci")[0]["devices"])
    rows = monitor.ask("pci 0:0.0").split("\n")
    assert len(rows) == 16
    assert rows[0].startswith("00000000  86 80 37 12 ")


@pytest.mark.parametrize("command, answer", [
    ("nonsense", "nonsense: there is no such command; help lists them"),
    ("ls.w", "ls.w: it is ls [PATH]"),
    ("peek.q 1", "peek.q: it is peek[.w|.l] ADDRESS [COUNT]"),
    ("help nonsense", "help: nonsense: there is no such command"),
    ("reboot now", 'reboot: "now" is more than it takes'),
    ("ls /nowhere", "ls: /nowhere: not found"),
    ("ls hello.txt/x", "ls: hello.txt/x: not a directory"),
    ("cat", "cat: PATH is missing"),
    ("cat /folder", "cat: /folder: not a plain file"),
    ("peek", "peek: ADDRESS is missing"),
    ("peek fish", "peek: fish is not a number: ADDRESS ought to be one"),
    ("peek 0x", "peek: 0x is not a number: ADDRESS ought to be one"),
    ("peek 0x100000000", "peek: 0x100000000 is too large: ADDRESS is at most 0xffffffff"),
    ("peek 0xe8000000", "peek: nothing is mapped at 0xe8000000"),
    ("poke 0x800000", "poke: VALUE is missing"),
    ("poke 0x800000 256", "poke: 256 is too large: VALUE is at most 0xff"),
    ("in 0x10000", "in: 0x10000 is too large: PORT is at most 0xffff"),
    ("out.w 0x80 0x10000", "out: 0x10000 is too large: VALUE is at most 0xffff"),
    ("pci 0:32.0", "pci: 0:32.0 is not BUS:DEVICE.FUNCTION, like 0:1.1"),
    ("pci 0:31.7", "pci: 0:31.7: nothing is there"),
    ("run /nowhere", "/nowhere on wd0p1: not found"),
    ("run /folder", "/folder: not a plain file"),
    ("run /empty", "/empty: the file is empty"),
])
def test_errors_name_the_cause(monitor, command, answer):
    assert monitor.ask(command) == answer


def test_a_wild_poke_is_reported(monitor):
    said = monitor.ask("poke 0 1")
    assert said.startswith("*** page fault")
    assert "a write of address 0x00000000: read-only" in said
    assert monitor.ask("in.l 0xcf8").startswith("0x")


# ---- run ----

def test_run_gives_arguments(monitor):
    assert "\n[one  two]\n" in monitor.ask("run /print_args one  two")
    assert "\n[]\n" in monitor.ask("run /print_args")


def test_run_a_hundred_times(monitor):
    """Loaded anew each time, and without using up anything."""
    monitor.ask("run /print_args")
    before = re.search(r"heap: (\d+) of", monitor.ask("mem"))[1]
    for i in range(100):
        said = monitor.ask(f"run /print_args {i}")
        assert said.endswith(f"\n[{i}]\nkexec: the payload returned 1 (0x1)")
    assert re.search(r"heap: (\d+) of", monitor.ask("mem"))[1] == before


@pytest.mark.parametrize("name", ["divide_by_zero", "overrun_stack", "lose_stack", "wreck"])
def test_all_works_after_a_payload_that(monitor, name):
    said = monitor.ask(f"run /{name}")
    outcome = {"wreck": "the payload returned 7", "divide_by_zero": "*** divide error"}
    assert outcome.get(name, "the payload has been ended") in said
    said = monitor.ask("run /print_args again")
    assert said.endswith("\n[again]\nkexec: the payload returned 1 (0x1)")
    began = time.monotonic()
    slept_us = int(re.search(r"returned (\d+)", monitor.ask("run /sleep"))[1])
    assert 50_000 <= slept_us < 1e6 * (time.monotonic() - began) + 1000
    assert monitor.ask("cat hello.txt") == "Hello,\nworld"


def test_a_report_begins_a_line_in_the_usual_colours(monitor):
    monitor.ask("run /wreck")
    assert re.search(r"~\033\[0m\nkexec: the payload returned 7", monitor.text())
    cells = monitor.memory(0xB8000, 80 * 25 * 2)
    row = cells[:80 * 24 * 2].rstrip(b"\0\x07 ")  # the last line said before the prompt
    assert cells[len(row) // 160 * 160 + 1] == 0x07


# ---- the line editor ----

LEFT, RIGHT, HOME, END, UP, DOWN = (f"\033[{c}" for c in "DCHFAB")
DELETE = "\033[3~"


@pytest.mark.parametrize("keys, line", [
    ("hxx\b\belp ls", "help ls"),
    ("elp ls" + HOME + "h", "help ls"),
    ("hlp ls" + LEFT * 5 + "e" + END + "x\b", "help ls"),
    ("hhelp ls" + HOME + RIGHT + DELETE, "help ls"),
    ("nonsense" + "\x15" + "help ls", "help ls"),
    ("nonsense" + HOME + "\x15" + "help ls", "help ls"),
    ("\b" + LEFT + DELETE + "help ls", "help ls"),
])
def test_a_line_is_edited(monitor, keys, line):
    assert monitor.ask(keys).startswith("ls [PATH]: ")
    shown = [row for row in monitor.text_screen() if row.startswith("vesper> h")]
    assert shown[-1] == "vesper> " + line


def test_the_keyboard_types_too(monitor):
    monitor.keys("h", "e", "l", "p", "spc", "shift-p", "backspace", "l", "x", "left", "s", "delete",
                 "ret")
    assert "ls [PATH]: " in monitor.see(rb"(.*)" + PROMPT)[1].decode()


def test_control_c_gives_a_line_up(monitor):
    monitor.type("reboot\x03")
    monitor.see(PROMPT)
    assert monitor.ended is None


def test_lines_before_come_back(monitor):
    monitor.ask("pci 0:31.7")
    monitor.ask("nonsense")
    assert monitor.ask(UP).startswith("nonsense: ")
    assert monitor.ask(UP + UP) == "pci: 0:31.7: nothing is there"
    assert monitor.ask(UP * 3 + DOWN) == "nonsense: there is no such command; help lists them"
    assert monitor.ask(UP * 50 + DOWN * 50) == ""


def test_a_long_line_stays_in_its_row_and_within_bounds(monitor):
    line = f"poke {FREE:#x}" + "".join(f" {n}" for n in range(100, 200))
    for at in range(0, 250, 50):  # the queue of keys has room for 256
        monitor.type(line[at:at + 50])
        monitor.see(re.escape(line[at + 46:at + 50]))
    monitor.type(line[250:300])
    assert monitor.ask("") == ""
    count = (255 - len(f"poke {FREE:#x}")) // 4  # of all numbers only what fits is taken
    assert monitor.memory(FREE, count) == bytes(range(100, 100 + count))
    rows = monitor.text_screen()
    shown = [row for row in rows if row.startswith("vesper> ") and row.count(" 1") > 5][-1]
    assert line[:255].endswith(shown.removeprefix("vesper> "))
    assert rows[rows.index(shown) + 1] in ("", "vesper>")


# ---- the end ----

def test_reboot_restarts_the_machine(tmp_path):
    with start(tmp_path) as machine:
        machine.type("reboot\n")
        machine.ends("reset", 5)


def test_off_switches_the_machine_off(tmp_path):
    with start(tmp_path) as machine:
        machine.type("off\n")
        machine.ends("off", 5)


def test_a_machine_that_cannot_switch_itself_off_says_so(tmp_path):
    with start(tmp_path, "--machine", "isapc") as machine:
        assert re.search(r"^off: the machine cannot switch itself off: ", machine.ask("off"), re.M)
        assert machine.ask("pci") == "pci: this machine has no PCI"
