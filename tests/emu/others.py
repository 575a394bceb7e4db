# SPDX-License-Identifier: BSD-2-Clause
"""PCs that are not QEMU: Bochs, and v86 in Node. They boot a disk, and one talks to COM1."""
import os
import select
import socket
import subprocess
from pathlib import Path

from machine import Watched
from workbench.console import BUILD, alone_in, tool

V86 = "0.5.462"
BOCHS = """\
config_interface: textconfig
display_library: rfb, options="timeout=0"
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: ips=50000000
clock: sync=none
megs: {memory}
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path="{disk}", mode=flat
boot: disk
com1: enabled=1, mode=socket-client, dev=127.0.0.1:{port}
log: {work}/bochs.log
panic: action=fatal
error: action=report
info: action=ignore
"""


class Other(Watched):
    """A process, and the two ends of the serial line: file descriptors."""

    def __init__(self, command: list[str], **options):
        super().__init__()
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], **options)
        self.source = self.target = -1

    def poll(self, seconds: float, *others) -> list:
        if select.select([self.source], [], [], max(0, seconds))[0]:
            try:
                data = os.read(self.source, 1 << 16)
            except ConnectionError:
                data = b""
            self.output += data
            if not data:
                self.ended = "exit"
        return []

    def send(self, data: bytes) -> None:
        os.write(self.target, data)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Bochs(Other):
    def __init__(self, disk: Path, work: Path, memory: int = 64):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            settings = BOCHS.format(disk=disk, port=port, work=work, memory=memory)
            (work / "bochsrc").write_text(settings)
            (work / "debugger").write_text("c\n")  # Debian's Bochs starts in its debugger
            with open(work / "bochs.out", "wb") as out:
                super().__init__(["bochs", "-q", "-f", str(work / "bochsrc"),
                                  "-rc", str(work / "debugger")],
                                 stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            server.settimeout(20)
            self.line = server.accept()[0]
        self.source = self.target = self.line.fileno()

    def close(self) -> None:
        super().close()
        self.line.close()


class V86InNode(Other):
    def __init__(self, disk: Path, memory: int = 64):
        folder = BUILD / "v86"
        library = folder / "node_modules/v86/build"
        with alone_in(folder):
            if not (library / "v86.wasm").exists():
                tool("npm", "install", "--no-audit", "--no-fund", "--prefix", folder, f"v86@{V86}",
                     cause="npm could not fetch v86")
        script = Path(__file__).with_name("v86.mjs")
        super().__init__(["node", str(script), str(library / "libv86.mjs"),
                          str(library / "v86.wasm"), str(disk), str(memory)],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.source = self.process.stdout.fileno()
        self.target = self.process.stdin.fileno()

    def keys(self, text: str) -> None:
        """Types on the PC's keyboard."""
        self.send(b"\0" + text.encode())

    def close(self) -> None:
        super().close()
        self.process.stdin.close()
        self.process.stdout.close()
