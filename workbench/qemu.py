# SPDX-License-Identifier: BSD-2-Clause
"""A PC in QEMU: its command line, its serial port, and QMP, QEMU's control connection.

One thread: poll() looks at both connections; whoever waits calls it until it is there.
"""
import json
import os
import re
import select
import socket
import struct
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from workbench.console import Problem

PROGRAM = "qemu-system-i386"
MACHINES = ("pc", "q35", "isapc")
MULTIBOOT_MAGIC = struct.pack("<I", 0x1BADB002)


@dataclass
class Share:
    """A folder that the guest has by virtio-9p.

    security_model=none: files are the user's own, modes and symbolic links are what they are, on
    either side. The "mapped" ones keep modes aside, and make links files that only guests can read;
    "passthrough" needs root, to give files to others.
    """
    tag: str
    folder: Path
    read_only: bool = False

    def command_line(self) -> list[str]:
        path = str(self.folder).replace(",", ",,")
        return ["-fsdev", f"local,id={self.tag},path={path},security_model=none,multidevs=remap"
                          f"{',readonly=on' if self.read_only else ''}",
                "-device", f"virtio-9p-pci,fsdev={self.tag},mount_tag={self.tag}"]


@dataclass
class Pc:
    """What to run. Disks are masters and slaves of IDE channels in turn."""
    program: str = PROGRAM
    machine: str = "pc"
    cpu: str | None = None
    memory: int = 128
    disks: list[Path | None] = field(default_factory=list)  # None: nothing is connected there
    boot_disk: Path | None = None  # one of disks; else a kernel is given
    kernel: Path | None = None
    append: str = ""
    module: Path | None = None     # what QEMU loads beside the kernel
    shares: list[Share] = field(default_factory=list)
    display: str = "none"
    options: list[str] = field(default_factory=list)

    def command_line(self) -> list[str]:
        words = ["-machine", self.machine, "-m", str(self.memory), "-display", self.display,
                 "-vga", "std"]
        if self.cpu:
            words += ["-cpu", self.cpu]
        if self.kernel:
            words += ["-kernel", str(self.kernel), "-append", self.append]
            if self.module:
                words += ["-initrd", str(self.module).replace(",", ",,")]
        bus = "ide"
        if self.machine == "q35":  # has no IDE of its own
            bus = "pata"
            words += ["-device", "piix3-ide,id=pata"]
        for number, disk in enumerate(self.disks):
            if disk is None:
                continue
            boot = ",bootindex=0" if disk == self.boot_disk else ""
            name = str(disk).replace(",", ",,")
            words += ["-drive", f"if=none,id=disk{number},format=raw,file={name}", "-device",
                      f"ide-hd,drive=disk{number},bus={bus}.{number // 2},unit={number % 2}{boot}"]
        for share in self.shares:
            words += share.command_line()
        return words + self.options


def without_multiboot(kernel: Path, copy: Path) -> Path:
    """A copy of a kernel that QEMU starts by PVH: where it finds Multiboot it prefers that."""
    data = kernel.read_bytes()
    at = data.find(MULTIBOOT_MAGIC, 0, 8192)
    if at < 0:
        raise Problem(f"{kernel} has no Multiboot header")
    copy.write_bytes(data[:at] + bytes(4) + data[at + 4:])
    return copy


class SerialLine:
    """Something at whose serial port one waits: poll() of a derived class takes in what it says."""

    def __init__(self):
        self.output = bytearray()      # all that came
        self.read_up_to = 0            # what expect() has seen of it
        self.ended: str | None = None  # "off", "reset", or "exit": the emulator itself ended

    def poll(self, seconds: float, *others) -> list:
        raise NotImplementedError

    def send(self, data: bytes) -> None:
        raise NotImplementedError

    def expect(self, pattern: bytes | str, seconds: float = 20) -> re.Match | None:
        """Waits until the serial port says it, after what was expected last; None: it did not."""
        if isinstance(pattern, str):
            pattern = pattern.encode()
        limit = time.monotonic() + seconds
        while True:
            if match := re.compile(pattern, re.S).search(self.output, self.read_up_to):
                self.read_up_to = match.end()
                return match
            if self.ended or time.monotonic() > limit:
                return None
            self.poll(limit - time.monotonic())

    def wait(self, seconds: float) -> str | None:
        """Waits until the machine is off or restarts: how it ended, or None."""
        limit = time.monotonic() + seconds
        while not self.ended and time.monotonic() < limit:
            self.poll(limit - time.monotonic())
        return self.ended


class Emulator(SerialLine):
    """A running QEMU. It stops, and does not end, when the guest is switched off or restarts."""

    def __init__(self, pc: Pc, reboot: bool = False, own_group: bool = False):
        """own_group: the terminal's Control-C does not reach it."""
        super().__init__()
        self.serial, serial = socket.socketpair()
        self.control, control = socket.socketpair()
        self.events: list[dict] = []
        self.replies: list[dict] = []
        self.pending = b""
        command = ["setpriv", "--pdeathsig", "KILL", pc.program,
                   "-chardev", f"socket,id=serial,fd={serial.fileno()}",
                   "-serial", "chardev:serial",
                   "-chardev", f"socket,id=control,fd={control.fileno()}",
                   "-mon", "chardev=control,mode=control",
                   "-action", f"reboot={'reset' if reboot else 'shutdown'},shutdown=pause",
                   *pc.command_line()]
        own_terminal = pc.display == "curses"
        with serial, control:
            self.process = subprocess.Popen(
                command, pass_fds=(serial.fileno(), control.fileno()),
                process_group=0 if own_group else None,
                stdin=None if own_terminal else subprocess.DEVNULL,
                stdout=None if own_terminal else subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            self.qmp("qmp_capabilities")
        except Problem:
            self.close()
            raise

    def __enter__(self) -> "Emulator":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def close(self) -> None:
        """Ends QEMU, and only that process."""
        self.process.kill()
        self.process.communicate()
        self.serial.close()
        self.control.close()

    # ---- connections ----

    def poll(self, seconds: float, *others) -> list:
        """Takes in what arrives, for at most that long; returns those of `others` to be read."""
        if self.ended == "exit":
            return []
        ready = select.select([self.serial, self.control, *others], [], [], max(0, seconds))[0]
        if self.serial in ready:
            self.output += self.receive(self.serial)
        if self.control in ready:
            self.pending += self.receive(self.control)
            *lines, self.pending = self.pending.split(b"\n")
            for line in filter(bytes.strip, lines):
                self.take(json.loads(line))
        return [other for other in ready if other in others]

    def receive(self, connection: socket.socket) -> bytes:
        try:
            data = connection.recv(1 << 16)
        except ConnectionError:
            data = b""
        if not data:
            self.ended = "exit"
        return data

    def take(self, message: dict) -> None:
        if "event" not in message:
            self.replies.append(message)
            return
        self.events.append(message)
        if message["event"] == "SHUTDOWN":
            self.ended = "reset" if message["data"]["reason"] == "guest-reset" else "off"

    def qmp(self, command: str, seconds: float = 30, **arguments):
        """Executes a QMP command and returns its result."""
        self.replies.clear()
        request = {"execute": command, "arguments": arguments}
        try:
            self.control.sendall(json.dumps(request).encode() + b"\n")
        except OSError:
            self.ended = "exit"
        limit = time.monotonic() + seconds
        while True:
            for reply in self.replies:
                if "return" in reply:
                    return reply["return"]
                if "error" in reply:
                    raise Problem(f"QEMU refuses {command}: {reply['error']['desc']}")
            self.replies.clear()  # the greeting
            if self.ended == "exit":
                raise Problem(f"QEMU ended: {self.last_words()}")
            if time.monotonic() > limit:
                raise Problem(f"QEMU did not answer {command} in {seconds} s")
            self.poll(limit - time.monotonic())

    def last_words(self) -> str:
        self.process.wait()
        said = self.process.stderr.read().decode(errors="replace").strip()
        return said or f"exit code {self.process.returncode}"

    # ---- what an operator does ----

    def send(self, data: bytes) -> None:
        """Sends to the serial port. QEMU holds back what the port's FIFO cannot take yet."""
        self.serial.sendall(data)

    def send_break(self) -> None:
        """The break condition on the serial port: the payload stops, and the monitor opens."""
        self.qmp("chardev-send-break", id="serial")

    def screenshot(self, path: Path) -> None:
        kind = "png" if path.suffix.lower() == ".png" else "ppm"
        self.qmp("screendump", filename=os.path.abspath(path), format=kind)
