# SPDX-License-Identifier: BSD-2-Clause
"""`./vesper push`: a payload over the serial line to a machine that runs; src/debug/transfer.h is
the other side, and describes what is said.

`./vesper run` offers its serial line at build/run/serial.sock, to which a break is telnet's."""
import contextlib
import os
import re
import select
import socket
import stat
import struct
import termios
import time
import tty
import zlib
from pathlib import Path

from workbench import payload
from workbench.console import BUILD, Problem, Step, say, shown

SOCKET = BUILD / "run/serial.sock"
BREAK = b"\xff\xf3"        # telnet: IAC BRK (RFC 854); what we send never has FF in it
BLOCK, WINDOW = 1024, 8    # bytes of data in a frame; frames that may be under way
HEADER = 0xFFFFFFFF
CANCEL = b"\x03"           # between frames
LINE_KILL = b"\x15"        # Control-U: an empty line in the monitor
PROMPT = rb"vesper> ?$"
READY = rb"\x01R(\w+) (\w+)\r?\n|(reload: [^\r\n]+)"
STOP_SECONDS = 0.25        # until a break has been answered, if it is one that is
PATIENCE = 6               # more than the machine's
SPECIAL = (0x7D, 0x7E, 0x03, 0x11, 0x13, 0xFF)  # 7D first: it is what replaces the others


def frame(offset: int, data: bytes) -> bytes:
    plain = struct.pack("<I", offset) + data
    plain += struct.pack("<I", zlib.crc32(plain))
    for byte in SPECIAL:
        plain = plain.replace(bytes([byte]), bytes([0x7D, byte ^ 0x20]))
    return b"~" + plain + b"~"


class Port:
    """The serial line: a file descriptor that is read and written."""

    def __init__(self, descriptor):
        self.descriptor = descriptor

    def read(self, seconds: float) -> bytes:
        if not select.select([self.descriptor], [], [], max(0, seconds))[0]:
            return b""
        try:
            data = os.read(self.descriptor.fileno(), 1 << 16)
        except OSError:
            data = b""
        if not data:
            raise Problem("the serial line has been closed", "Has the machine ended?")
        return data

    def write(self, data: bytes) -> None:
        while data:
            select.select([], [self.descriptor], [])
            data = data[os.write(self.descriptor.fileno(), data):]

    def send_break(self) -> None:
        self.write(BREAK)


class TtyPort(Port):
    def send_break(self) -> None:
        termios.tcsendbreak(self.descriptor.fileno(), 0)


@contextlib.contextmanager
def open_port(path: Path | None):
    if not path and not SOCKET.is_socket():
        raise Problem("no machine is running here",
                      "Start one by ./vesper run, or name a serial line: --port /dev/ttyUSB0")
    path = path or SOCKET
    if not path.exists():
        raise Problem(f"there is no {shown(path)}")
    if stat.S_ISSOCK(path.stat().st_mode):
        with connected(path) as line:
            yield Port(line)
    else:
        with open(path, "r+b", buffering=0) as line:
            tty.setraw(line)
            settings = termios.tcgetattr(line)
            settings[2] |= termios.CLOCAL
            settings[4] = settings[5] = termios.B115200
            termios.tcsetattr(line, termios.TCSANOW, settings)
            yield TtyPort(line)


def short(path: Path) -> str:
    """A name for the path that fits into the 108 bytes of a socket's address."""
    return min(str(path.absolute()), os.path.relpath(path), key=len)


def connected(path: Path) -> socket.socket:
    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(short(path))
    except OSError as error:
        line.close()
        raise Problem(f"nobody is at {shown(path)}: {error.strerror}",
                      "Start a machine by ./vesper run.") from None
    return line


class Push:
    """One transfer. What the machine says besides is in self.said."""

    def __init__(self, port):
        self.port = port
        self.said = b""

    def await_(self, pattern: bytes, seconds: float) -> re.Match | None:
        limit = time.monotonic() + seconds
        while not (match := re.search(pattern, self.said, re.S)):
            left = limit - time.monotonic()
            if left < 0:
                return None
            self.said += self.port.read(left)
        self.said = self.said[match.end():]
        return match

    def reach_monitor(self, args: str) -> None:
        """A payload that runs is stopped; then the monitor is told what comes. A payload that is
        just about to start does not hear the first break."""
        self.said += self.port.read(0.05)  # what `run` says first is the last line that it has
        ready = None
        for seconds in (STOP_SECONDS, 1, 5):
            if not re.search(PROMPT, self.said):
                self.port.send_break()
                self.await_(PROMPT, seconds)
            if not re.search(READY, self.said, re.S):  # typed ahead the last time
                self.port.write(LINE_KILL + f"reload {args}".rstrip().encode() + b"\r")
            if ready := self.await_(READY, 1 + seconds):
                break
        if not ready:
            raise Problem("the machine does not answer",
                          "It has to be in the monitor, or in a payload with interrupts on.")
        if ready[3]:
            raise Problem(ready[3].decode(errors="replace"))
        if ready[1] != b"1":
            raise Problem(f"the machine wants version {ready[1].decode()} of the protocol")

    def send(self, image: bytes, symbols: bytes = b"", args: str = "") -> None:
        """Until it is called. Errors: a Problem."""
        self.reach_monitor(args)
        data = image + symbols
        header = struct.pack("<III", len(image), len(symbols), zlib.crc32(data))
        self.port.write(frame(HEADER, header))
        sent = wanted = 0
        try:
            while True:
                while sent < min(len(data), wanted + BLOCK * WINDOW):
                    self.port.write(frame(sent, data[sent:sent + BLOCK]))
                    sent += BLOCK
                reply = self.await_(rb"\x01([ANDE])([^\n]*)\n", PATIENCE)
                if not reply:
                    raise Problem("the machine has fallen silent")
                kind, text = reply[1], reply[2].strip().decode(errors="replace")
                if kind == b"D":
                    self.port.write(CANCEL)  # nothing that was asked for twice comes after this
                    return
                if kind == b"E":
                    raise Problem(f"the machine has given up: {text}")
                offset = int(text, 16)
                if offset == HEADER:
                    self.port.write(frame(HEADER, header))
                    sent = wanted = 0
                elif kind == b"N":
                    sent = wanted = offset
                else:
                    wanted = max(wanted, offset)
        except KeyboardInterrupt:
            self.port.write(b"~" + CANCEL)
            raise


def push(options) -> int:
    source = Path(options.file)
    if not source.is_file():
        raise Problem(f"there is no payload {shown(source)}")
    binary = payload.make(source)
    image, names = binary.read_bytes(), payload.symbol_file(binary)
    with open_port(Path(options.port) if options.port else None) as port:
        with Step(f"Pushing {len(image)} bytes"):
            Push(port).send(image, names.read_bytes() if names.exists() else b"", options.args)
    say("It runs.")
    return 0


class Share:
    """The other end of SOCKET: the serial line of a machine that runs, for those who connect."""

    def __init__(self, emulator, path: Path = SOCKET):
        self.emulator, self.path = emulator, path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(short(path))
        self.door.listen()
        self.client: socket.socket | None = None
        self.passed_on = 0

    def close(self) -> None:
        self.drop()
        self.door.close()
        self.path.unlink(missing_ok=True)

    def drop(self) -> None:
        if self.client:
            self.client.close()
        self.client = None

    def connections(self) -> list[socket.socket]:
        """Which are to be waited for: one client at a time."""
        return [self.client or self.door]

    def work(self, ready: list) -> None:
        try:
            if self.client is None and self.door in ready:
                self.client = self.door.accept()[0]
                self.passed_on = self.emulator.output.rfind(b"\n") + 1
            elif self.client in ready:
                data = self.client.recv(1 << 16)
                if not data:
                    return self.drop()
                for number, part in enumerate(data.split(BREAK)):
                    if number:
                        self.emulator.send_break()
                    self.emulator.send(part)
            if self.client and (new := self.emulator.output[self.passed_on:]):
                self.passed_on += len(new)
                self.client.sendall(new)
        except OSError:
            self.drop()
