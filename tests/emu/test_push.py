# SPDX-License-Identifier: BSD-2-Clause
"""A payload comes over the serial line: ./vesper push, and `reload` in the monitor."""
import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

import pytest
from machine import PROMPT, Machine
from workbench import payload, push
from workbench.console import ROOT, Problem

pytestmark = pytest.mark.xdist_group("run")  # one of them uses build/run
PAYLOADS = Path(__file__).parent / "payloads"
RETURN_42 = b"\xb8\x2a\0\0\0\xc3"


class MachinePort:
    """What push does to a serial line, done to a machine of the tests."""

    def __init__(self, machine: Machine):
        self.machine = machine
        self.at = machine.output.rfind(b"\n") + 1
        self.sent = 0

    def read(self, seconds: float) -> bytes:
        if self.at == len(self.machine.output):
            self.machine.poll(seconds)
        new = bytes(self.machine.output[self.at:])
        self.at += len(new)
        return new

    def write(self, data: bytes) -> None:
        self.sent += len(data)
        self.machine.send(data)

    def send_break(self) -> None:
        self.machine.send_break()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    work = tmp_path_factory.mktemp("push")
    machine = Machine.start(PAYLOADS / "return.asm", work=work,
                            files={"spin": payload.make(PAYLOADS / "spin.asm", work).read_bytes(),
                                   "wait": payload.make(PAYLOADS / "wait.asm", work).read_bytes()})
    machine.see(PROMPT)
    yield machine
    machine.close()


def send(machine: Machine, image: bytes, **more) -> None:
    push.Push(MachinePort(machine)).send(image, **more)


def returns(machine: Machine, value: int = 42) -> None:
    machine.see(rf"the payload returned {value} .*" + PROMPT.decode())


def total(image: bytes) -> int:
    """What big.asm returns."""
    return sum(image[-102400:])


def test_into_the_monitor(monitor):
    send(monitor, RETURN_42)
    returns(monitor)


def test_100_kib_arrive_whole_and_hardly_any_of_it_twice(monitor, tmp_path):
    image = payload.make(PAYLOADS / "big.asm", tmp_path).read_bytes()
    assert len(image) > 100 << 10
    port = MachinePort(monitor)
    push.Push(port).send(image, args="with arguments")
    monitor.see("with arguments")
    returns(monitor, total(image))
    assert len(image) < port.sent < len(image) * 1.5  # a host that pauses may cost a block


@pytest.mark.parametrize("victim", ["spin", "wait k", "wait s"])
def test_into_a_payload_that_runs(monitor, victim):
    monitor.type(f"run /{victim}\n")
    monitor.see("kexec: .* bytes at 0x")
    time.sleep(0.2)
    send(monitor, RETURN_42)
    monitor.see(r"\*\*\* stopped at .*the payload has been ended")
    returns(monitor)
    assert monitor.ask("go").startswith("go: nothing stands still")


def test_twenty_times_nothing_is_lost(monitor):
    """Neither kernel memory nor open files: each payload stops in the middle of its work."""
    spin = (monitor.work / "files/spin").read_bytes()
    names = b"c0430000 T start\n"
    send(monitor, spin, symbols=names)
    monitor.see("kexec: .* bytes at 0x")
    memory = []
    for _ in range(20):
        send(monitor, spin, symbols=names)
        monitor.see("kexec: .* bytes at 0x")
        monitor.send_break()
        monitor.see(PROMPT)
        memory.append(monitor.ask("mem"))
    assert len(set(memory)) == 1
    assert "spin" in monitor.ask("ls /")
    send(monitor, RETURN_42)
    returns(monitor)


def test_its_symbols_come_along(monitor):
    jump_to_null = b"\x31\xc0\xff\xe0" + bytes(16)
    fault = b"\x90" * 16 + b"\x0f\x0b"
    send(monitor, fault, symbols=b"c0430000 T start\nc0430010 T the_broken_one\n")
    monitor.see(r"the_broken_one.*" + PROMPT.decode())
    send(monitor, fault)
    report = monitor.see(r"\*\*\*.*" + PROMPT.decode())[0]
    assert b"the_broken_one" not in report
    send(monitor, jump_to_null)
    monitor.see(PROMPT)
    send(monitor, RETURN_42, symbols=b"nonsense\n")
    monitor.see("the payload's symbols: ignored: line 1")
    returns(monitor)


@pytest.mark.parametrize("garbage", [b"", b"garbage\roff\r", b"~" * 3000, b"\xff" * 3000,
                                     b"~garbage~\x03", bytes(range(4, 256)) * 8],
                         ids=["nothing", "text", "flags", "ff", "given-up", "bytes"])
def test_garbage_instead_of_a_transfer(monitor, garbage):
    monitor.type("reload\n")
    monitor.see(b"\x01R1 ")
    monitor.send(garbage)
    time.sleep(0.1)
    monitor.send(b"\x03")
    monitor.send(b"~\x03")
    monitor.see("reload: the sender has given up; no payload is loaded.*" + PROMPT.decode())
    monitor.ask("")
    assert monitor.ask("go").startswith("go: nothing")
    send(monitor, RETURN_42)
    returns(monitor)


def test_a_sender_that_stops_in_the_middle(monitor):
    monitor.type("reload\n")
    monitor.see(b"\x01R1 ")
    monitor.send(push.frame(push.HEADER, (5000).to_bytes(4, "little") + bytes(8)))
    monitor.send(push.frame(0, bytes(1024))[:700])
    monitor.see(r"reload: nothing more has come; no payload is loaded.*" + PROMPT.decode(), 20)
    assert monitor.ask("help").count("reload")


def test_what_is_too_large_is_refused(monitor):
    class TooLarge(bytes):
        def __len__(self):
            return 0x10000000

    with pytest.raises(Problem, match="268435456 bytes do not fit"):
        send(monitor, TooLarge(b"x"))
    monitor.see(PROMPT)
    send(monitor, RETURN_42)
    returns(monitor)


# ---- ELF ----

def elf(tmp_path: Path, *flags: str) -> bytes:
    """A payload that returns 42 if its data and its bss are what they should be."""
    source = tmp_path / "elf.c"
    source.write_text("""
        struct vesper;
        static int zeros[5000];
        int two = 2;
        int *pointer = &two;
        static __attribute__((noinline)) int sum(int *from) { return from[4999] + 40; }
        int start(struct vesper *v) { (void)v; return sum(zeros) + **(int *volatile *)&pointer; }
    """)
    out = tmp_path / "test.elf"
    subprocess.run(["gcc", "-m32", "-Os", "-nostdlib", "-ffreestanding", "-Wl,--build-id=none",
                    "-Wl,-e,start", *flags, source, "-o", out], check=True)
    return out.read_bytes()


EXECUTABLE = ("-static", "-no-pie", "-fno-pic", "-Wl,-Ttext-segment=0xc0440000")
both = pytest.mark.parametrize("flags", [EXECUTABLE, ("-static-pie", "-fpie")], ids=["exec", "pie"])


@both
def test_an_elf_file_is_pushed(monitor, tmp_path, flags):
    send(monitor, elf(tmp_path, *flags))
    returns(monitor)


@both
def test_an_elf_file_is_the_kexec(boot, tmp_path, flags):
    machine = boot(elf(tmp_path, *flags))
    returns(machine)


def test_a_bad_elf_file_is_refused(monitor, tmp_path):
    with pytest.raises(Problem, match="cannot load it"):
        send(monitor, elf(tmp_path, "-static", "-no-pie", "-fno-pic"))
    monitor.see(r"linked for 0x08048\w+; the payload's memory is 0xc0430000.*" + PROMPT.decode())
    assert monitor.ask("go").startswith("go: nothing")


# ---- the command itself ----

def test_vesper_push_finds_the_machine_of_vesper_run(tmp_path):
    """The terminal of the run shows what the payload says, and nothing of the transfer."""
    us, terminal = pty.openpty()
    run = subprocess.Popen([ROOT / "vesper", "run", PAYLOADS / "spin.asm"], stdin=terminal,
                           stdout=terminal, stderr=terminal)
    shown = b""

    def see(pattern: bytes, seconds: float = 60) -> None:
        nonlocal shown
        limit = time.monotonic() + seconds
        while not re.search(pattern, shown, re.S):
            assert time.monotonic() < limit and run.poll() is None, shown
            if select.select([us], [], [], 0.2)[0]:
                shown += os.read(us, 65536)

    try:
        see(rb"kexec: \d+ bytes at")
        time.sleep(0.3)
        (tmp_path / "word.c").write_text(
            '#include "vesper.h"\n'
            'int main(struct vesper *v) { for (const char *p = v->args; *p; ++p) v->emit(*p);'
            ' return 7; }\n')
        sent = subprocess.run([ROOT / "vesper", "push", tmp_path / "word.c", "--args", "pushed"],
                              capture_output=True, timeout=60, text=True)
        assert sent.returncode == 0, sent.stderr
        see(rb"pushed.*the payload returned 7 .*vesper> ")
        assert b"\x01" not in shown and not re.search(rb"\nA[0-9a-f]+\r", shown)
        sent = subprocess.run([ROOT / "vesper", "push", PAYLOADS / "return.asm"],
                              capture_output=True, timeout=60, text=True)
        assert sent.returncode == 0, sent.stderr
        see(rb"returned 7 .*the payload returned \d+.*vesper> ")
    finally:
        os.write(us, b"\x01x")
        try:
            run.wait(10)
        finally:
            run.kill()
            os.close(us)
            os.close(terminal)
    sent = subprocess.run([ROOT / "vesper", "push", PAYLOADS / "return.asm"], capture_output=True,
                          timeout=60, text=True)
    assert sent.returncode == 1 and "no machine is running" in sent.stderr
