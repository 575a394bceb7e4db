# SPDX-License-Identifier: BSD-2-Clause
"""gdb: the real one, through `./vesper debug`, and over the line of a machine that runs."""
import fcntl
import os
import re
import select
import socket
import subprocess
import termios
import time
from pathlib import Path

import pytest
from machine import PROMPT, Machine
from workbench import payload
from workbench.console import ROOT

PAYLOAD = Path(__file__).parent / "payloads/debugged.c"
WAITING = r"gdb: the payload begins at 0xc0430000; waiting on com1, Escape goes on without it"
pytestmark = pytest.mark.xdist_group("gdb")  # `./vesper debug` has one folder for its files


def line(word: str) -> int:
    rows = PAYLOAD.read_text().split("\n")
    return next(number for number, row in enumerate(rows, 1) if f"/* LINE {word} */" in row)


def debug(tmp_path: Path, *commands: str, words: tuple[str, ...] = (), source: Path = PAYLOAD,
          code: int | None = 0) -> str:
    """What is said when gdb executes these commands from a file, and then what gdb said of it.

    (What the machine says may come in the midst of gdb's lines.)
    """
    script, log = tmp_path / "script.gdb", tmp_path / "gdb.log"
    logged = (f"set logging file {log}", "set logging enabled on")
    script.write_text("".join(f"{command}\n" for command in (*logged, *commands)))
    result = subprocess.run(
        [ROOT / "vesper", "debug", source, *words, "--", "-nx", "-batch", "-x", script],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)
    print(result.stdout, result.stderr)
    assert code is None or result.returncode == code
    return result.stdout + result.stderr + (log.read_text() if log.exists() else "")


def seen(text: str, *patterns: str) -> None:
    """All of these are in the text, one after another."""
    at = 0
    for pattern in patterns:
        found = re.compile(pattern, re.M).search(text, at)
        assert found, f"not seen: {pattern}; in:\n{text[at:]}"
        at = found.end()


def test_it_begins_at_the_first_instruction_with_its_source_line(tmp_path):
    seen(debug(tmp_path, "print/x $eip", "info registers eflags cs"),
         WAITING, r"payload_start \(\) at .*start\.S:\d+", r"\d+\s+push %ebx",
         r"\$1 = 0xc0430000", r"eflags +0x[0-9a-f]+ +\[.*IF.*\]", r"cs +0x8 ")


def test_break_backtrace_step_next_finish(tmp_path):
    said = debug(tmp_path, "break tally", "continue", "backtrace", "next", "print counter",
                 "finish", "next", "step", "info breakpoints", "delete",
                 f"tbreak {line('say')}", "continue",
                 "print sum", "step", "backtrace 1", "continue")
    seen(said, rf"Breakpoint 1, tally \(n=.*1\) at .*debugged\.c:{line('tally')}",
         r"#0  tally \(n=.*1\)", r"#1 .* count \(\)", r"#2 .* main \(", r"\$1 = 1",
         r"Value returned is \$2 = 1", r"already hit 2 times",
         rf"count \(\) at .*:{line('say')}", r"\$3 = 10", r"say \(text=.*counted",
         r"#0  say", r"exited with code 012\]")


def test_a_backtrace_leads_through_the_kernel_to_the_payload(tmp_path):
    said = debug(tmp_path, "break api_emit", "continue", "backtrace", "frame function say",
                 "info locals", "print text[0]", "finish", "delete", "continue")
    seen(said, r"Breakpoint 1, api_emit \(c=99\) at .*src/api/calls/console\.cpp:\d+",
         r"#0  api_emit \(c=99\)", r"#1 .* at .*gate\.S:\d+", r"#2 .* say \(text=.*debugged\.c",
         r"#3 .* count \(\)", r"#4 .* main \(", r"99 'c'", r"exited with code 012")


def test_watch_stops_at_each_change_and_rwatch_at_each_reading(tmp_path):
    said = debug(tmp_path, "watch counter", "continue", "continue", "delete", "rwatch go_on",
                 "break tally", "continue", "delete", "watch counter if counter == 6", "continue",
                 "delete", "continue")
    seen(said, r"Hardware watchpoint 1: counter", r"Old value = 0\nNew value = 1\n",
         r"Old value = 1\nNew value = 3\n", r"Breakpoint 3, tally \(n=.*3\)",
         r"Old value = 3\nNew value = 6\n", "exited with code 012")


def test_memory_is_read_written_or_an_error(tmp_path):
    said = debug(tmp_path, "x/2xw 0xc0430000", "python",
                 "for command in ('x/wx 0xe8000000', 'set *(int *)16 = 1', 'x/2wx 0xeffffffc',",
                 "                'set *(int *)0xe8000000 = 1', 'break *0xe8000000', 'next'):",
                 "    try: gdb.execute(command)",
                 "    except gdb.error as error: print(command, '->', error)",
                 "end", "delete", "x/bx 0x475", "set *(short *)0xb8000 = 0x1741",
                 "print/x *(short *)0xb8000", "print/x *(int *)0xfee00030 & 0xff",
                 "set *(long long *)0xc0800000 = 0x1122334455667788",
                 "print/x *(long long *)0x00800000", "find /w 0xc0800000, +16, 0x11223344")
    seen(said, r"0xc0430000 <payload_start>:\s+0x[0-9a-f]{8}\s+0x[0-9a-f]{8}",
         r"x/wx 0xe8000000 -> Cannot access memory at address 0xe8000000",
         r"set \*\(int \*\)16 = 1 -> Cannot access memory at address 0x10",
         r"x/2wx 0xeffffffc -> Cannot access memory at address 0xeffffffc",
         r"set \*\(int \*\)0xe8000000 = 1 -> Cannot access memory at address 0xe8000000",
         r"next -> Command aborted", r"0x475:\s+0x01", r"\$1 = 0x1741", r"\$2 = 0x14",
         r"\$3 = 0x1122334455667788",
         r"0xc0800004", r"1 pattern found", r"Cannot insert breakpoint 1")


def test_variables_and_registers_are_written(tmp_path):
    said = debug(tmp_path, "break tally", "continue", "set var n = 40", "delete",
                 f"tbreak {line('say')}", "continue", "print sum", "set var sum = 7",
                 "print $st0", "set $st0 = 2.5", "print $st0", "p/x $fctrl",
                 "print tally(100)", f"jump {line('say')}")
    seen(said, r"\$1 = 127", r"\$3 = 2\.5", r"\$4 = 0x37f", r"\$5 = 145",
         r"exited with code 07")


def test_a_hardware_breakpoint_and_a_register(tmp_path):
    said = debug(tmp_path, "hbreak spin", "continue", "set $eax = 0x1234", "print/x $eax",
                 "set var go_on = 1", "delete", "continue", words=("--append", "args=s"))
    seen(said, r"Hardware assisted breakpoint 1", r"Breakpoint 1, spin", r"\$1 = 0x1234",
         r"exited with code 05")


def test_a_fault_stops_at_its_line_and_may_be_passed_on(tmp_path):
    said = debug(tmp_path, "continue", "backtrace", "print pointer", "continue",
                 words=("--append", "args=f"))
    seen(said, r"Program received signal SIGSEGV, Segmentation fault\.",
         rf"fault \(\) at .*debugged\.c:{line('fault')}", r"#1 .* main \(", r"\(.*\) 0x0",
         r"Program terminated with signal SIGSEGV")


def test_a_fault_may_be_mended(tmp_path):
    said = debug(tmp_path, "continue", "set var pointer = &counter", "info symbol $pc",
                 "print $_exitcode", f"jump {line('fault')}", words=("--append", "args=f"))
    seen(said, r"SIGSEGV", r"exited with code 06")


def test_an_assembly_payload_has_lines_and_labels(tmp_path):
    source = tmp_path / "labels.asm"
    source.write_text("org 0xc0430000\nbits 32\n%macro twice 1\n    add %1, %1\n%endmacro\n"
                      "    mov eax, 3\nagain:\n    twice eax\n    inc eax\nleave:\n    ret\n")
    said = debug(tmp_path, "stepi", "stepi", "break leave", "continue", "print $eax", "continue",
                 source=source)
    seen(said, r"labels\.asm:6", r"8\s+twice eax", r"9\s+inc eax",
         r"Breakpoint 1, leave \(\) at .*labels\.asm:11", r"\$1 = 7", "exited with code 07")


def test_monitor_commands_reach_the_kernel(tmp_path):
    seen(debug(tmp_path, "monitor help"), r"monitor reboot - start the machine anew")
    seen(debug(tmp_path, "monitor off", code=None), r"vesper: the machine is off")


def test_a_kernel_without_it_is_told(tmp_path):
    said = debug(tmp_path, words=("--config", "TINY"), code=1)
    seen(said, r"vesper: the kernel does not wait for gdb", r"`tool gdb`")


# ---- at a terminal

class Terminal:
    """`./vesper debug` as a user at a terminal has it."""

    def __init__(self, *words):
        self.master, slave = os.openpty()

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen([ROOT / "vesper", *map(str, words)], stdin=slave,
                                        stdout=slave, stderr=slave, preexec_fn=own_terminal)
        os.close(slave)
        self.said = b""

    def see(self, pattern: str, seconds: float = 60) -> None:
        limit = time.monotonic() + seconds
        while not (found := re.search(pattern.encode(), self.said, re.S)):
            ready = select.select([self.master], [], [], max(0, limit - time.monotonic()))[0]
            assert ready, f"not seen: {pattern}; in:\n{self.said.decode(errors='replace')}"
            self.said += os.read(self.master, 4096)
        self.said = self.said[found.end():]

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


def test_control_c_interrupts_a_spinning_payload():
    terminal = Terminal("debug", PAYLOAD, "--append", "args=s", "--", "-nx",
                        "-ex", "set style enabled off")
    try:
        terminal.see(r"payload_start.*\(gdb\) ")
        for _ in range(2):
            terminal.type("continue\n")
            terminal.see("Continuing")
            time.sleep(0.5)
            terminal.type("\x03")
            terminal.see(r"SIGINT.*spin \(\) at .*debugged\.c.*\(gdb\) ")
        terminal.type("print counter > 1000\n")
        terminal.see(r"\$1 = 1.*\(gdb\) ")
        terminal.type("set var go_on = 1\ncontinue\n")
        terminal.see(r"exited with code 05.*\(gdb\) ")
        terminal.type("quit\n")
        assert terminal.process.wait(20) == 0
    finally:
        terminal.close()


# ---- a machine with the line, without the workbench

@pytest.fixture
def lined(tmp_path, running):
    """lined("args=...") starts a machine; its line to gdb is the socket `com1`."""
    def start(args: str) -> Machine:
        options = ("-chardev", f"socket,id=gdb,path={tmp_path}/com1,server=on,wait=off",
                   "-serial", "chardev:gdb")
        kexec = payload.make(PAYLOAD, tmp_path / "work")  # and debugged.elf, for gdb()
        running.append(Machine.start(kexec, "--append", f"gdb=com1 args={args}",
                                     work=tmp_path / "work", qemu_options=options))
        running[-1].see(WAITING)
        return running[-1]

    return start


def gdb(tmp_path: Path, *commands: str) -> subprocess.Popen:
    words = ["gdb", "-nx", "-q", "-batch"]
    for command in ("set remotetimeout 20",  # of a busy machine
                    f"file {tmp_path}/work/debugged.elf",
                    f"add-symbol-file {ROOT}/build/GENERIC/vesper.debug",
                    f"target remote {tmp_path}/com1", *commands):
        words += ["-ex", command]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def test_escape_goes_on_without_gdb_which_may_come_later(lined, tmp_path):
    machine = lined("spin")
    machine.type("\x1b")
    machine.see("spinning")
    said = gdb(tmp_path, "backtrace", "set var go_on = 1", "detach").communicate(timeout=60)[0]
    seen(said, r"spin \(\)", r"#1 .* main", r"detached")
    machine.see(r"stopped spinning\r?\n.*the payload returned 5 .*" + PROMPT.decode())


def test_detached_the_payload_runs_on(lined, tmp_path):
    machine = lined("count")
    said = gdb(tmp_path, "break tally", "continue", "detach").communicate(timeout=60)[0]
    seen(said, r"Breakpoint 1, tally", r"detached\]")
    machine.see(r"counted\r?\n.*the payload returned 10 .*" + PROMPT.decode())


def test_a_payload_that_waits_for_a_key_can_be_interrupted(lined, tmp_path):
    machine = lined("key")
    machine.type("\x1b")
    time.sleep(0.5)
    said = gdb(tmp_path, "backtrace", "detach").communicate(timeout=60)[0]
    seen(said, r" main \(", r"detached")
    machine.type("x")
    machine.see(r"the payload returned 121 ")


def test_a_gdb_that_dies_is_followed_by_another(lined, tmp_path):
    machine = lined("spin")
    first = gdb(tmp_path, "hbreak spin", "continue",
                "python import time; time.sleep(60)")
    for row in first.stdout:
        if "Breakpoint 1, spin" in row:
            break
    first.kill()
    first.communicate()
    said = gdb(tmp_path, "print go_on", "set var go_on = 1", "delete", "continue",
               ).communicate(timeout=60)[0]
    seen(said, r"spin \(\)", r"\$1 = 0", r"exited with code 05")
    machine.see(r"the payload returned 5 .*" + PROMPT.decode())
    machine.type("run\n")  # it waits again
    machine.see(WAITING)


def test_killed_the_payload_ends_in_the_monitor(lined, tmp_path):
    machine = lined("spin")
    seen(gdb(tmp_path, "kill").communicate(timeout=60)[0], r"killed\]")
    machine.see(PROMPT)
    assert "KiB" in machine.ask("mem")


def test_garbage_on_the_line_does_no_harm(lined, tmp_path):
    machine = lined("count")
    with socket.socket(socket.AF_UNIX) as line_in:
        line_in.connect(f"{tmp_path}/com1")
        line_in.sendall(bytes(range(256)) * 8 + b"$m0,ffffffff#00" + b"$" + b"x" * 5000)
        time.sleep(0.2)
    said = gdb(tmp_path, "continue").communicate(timeout=60)[0]
    seen(said, r"exited with code 012")
    machine.see("counted")


def test_without_the_option_the_line_is_a_console(tmp_path, running):
    machine = Machine.start(PAYLOAD, work=tmp_path / "work", qemu_options=(
        "-chardev", f"file,id=second,path={tmp_path}/second", "-serial", "chardev:second"))
    running.append(machine)
    machine.see(PROMPT)
    assert b"counted" in (tmp_path / "second").read_bytes()


def test_a_port_that_is_not_there_is_named(boot):
    machine = boot(PAYLOAD, "--append", "gdb=com7")
    machine.see(r"gdb=com7: there is no such serial port")
    machine.see("counted")
