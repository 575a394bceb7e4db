# SPDX-License-Identifier: BSD-2-Clause
"""`./vesper run` as a user has it: exit codes, what is typed and shown, the terminal."""
import os
import pty
import select
import struct
import subprocess
import time
import zlib
from pathlib import Path

import pytest
from workbench.console import ROOT

# All use build/run.
pytestmark = pytest.mark.xdist_group("run")
OBEY = Path(__file__).parent / "payloads/obey.c"


def run(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([ROOT / "vesper", "run", OBEY, *words], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=100)


@pytest.mark.parametrize("text, code, message", [
    ("o", 0, b""),
    ("r", 3, b""),
    ("x", 4, b"the monitor waits for an operator"),
    ("a", 124, b"stopped after 4 seconds"),
])
def test_the_exit_code_says_how_it_ended(text, code, message):
    result = run("--input", text, "--timeout", "4" if code == 124 else "60")
    assert result.returncode == code, result.stderr.decode() + result.stdout.decode()
    assert message in result.stderr
    assert b"key 000000%02x" % ord(text) in result.stdout


def test_input_knows_enter_escape_and_bytes():
    # Escape and a key at once are Alt and the key, or, as here, an arrow.
    result = run("--input", r"a\n\x01\\\eb\e[Ao", "--timeout", "60")
    assert result.returncode == 0
    keys = [line.strip()[4:] for line in result.stdout.split(b"\n") if line.startswith(b"key ")]
    assert [int(key, 16) for key in keys] == [0x61, 13, 1, 0x5C, 0x1062, 0x101, 0x6F]


def test_the_screenshot_is_a_png_with_something_in_it(tmp_path):
    result = run("--input", "o", "--timeout", "60", "--screenshot", str(tmp_path / "screen.png"))
    assert result.returncode == 0
    data = (tmp_path / "screen.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (720, 400)
    pixels, at = b"", 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        pixels += data[at + 8:at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    assert len(set(zlib.decompress(pixels))) > 2


class Terminal:
    """`./vesper run` in a terminal of its own."""

    def __init__(self, *words: str):
        self.output = b""
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.execv(ROOT / "vesper", ["vesper", "run", str(OBEY), *words])

    def see(self, text: bytes, seconds: float = 60) -> None:
        limit = time.monotonic() + seconds
        while text not in self.output:
            left = limit - time.monotonic()
            assert left > 0 and select.select([self.terminal], [], [], left)[0], self.output
            self.output += os.read(self.terminal, 4096)
        self.output = self.output.split(text, 1)[1]

    def type(self, data: bytes) -> None:
        os.write(self.terminal, data)

    def exit_code(self) -> int:
        limit = time.monotonic() + 20
        while time.monotonic() < limit:
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    os.read(self.terminal, 4096)
                except OSError:  # the other side is closed
                    break
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


def test_a_terminal_is_the_serial_port():
    terminal = Terminal()
    terminal.see(b"Control-A X leaves")
    terminal.see(b"ready")
    terminal.type(b"\x03")  # Control-C is a key like others
    terminal.see(b"key 00000003")
    terminal.type(b"\r")
    terminal.see(b"key 0000000d")
    terminal.type(b"\x01\x01")
    terminal.see(b"key 00000001")
    terminal.type(b"\x01b")  # a break
    terminal.see(b"*** stopped at")
    terminal.see(b"vesper> ")
    terminal.type(b"go\r")
    time.sleep(0.2)
    terminal.type(b"k")
    terminal.see(b"key 0000006b")
    terminal.type(b"\x01x")
    assert terminal.exit_code() == 0


def test_in_a_terminal_it_ends_when_the_machine_is_switched_off():
    terminal = Terminal()
    terminal.see(b"ready")
    terminal.type(b"o")
    assert terminal.exit_code() == 0


def test_in_a_terminal_a_reboot_is_a_reboot():
    terminal = Terminal()
    terminal.see(b"ready")
    terminal.type(b"r")
    terminal.see(b"ready")
    terminal.type(b"o")
    assert terminal.exit_code() == 0
