# SPDX-License-Identifier: BSD-2-Clause
"""A PC for tests: the workbench's emulator with fingers, eyes and a ruler."""
import functools
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from workbench import build, cli, payload, qemu, run

CALLED = run.CALLED
PROMPT = run.PROMPT
# Options for QEMU: while the machine waits, its clocks jump from timer to timer. It must not wait
# for what takes the host's time, as IDE disks do.
WITHOUT_WAITING = ("-icount", "shift=3,sleep=off")

kernel_of = functools.cache(build.kernel)  # nobody changes a source while the tests run


@functools.cache
def compiled(source: Path, changed: int) -> tuple[Path, tempfile.TemporaryDirectory]:
    """What payload.make() makes of a source, once for all tests, and the folder that it is in."""
    folder = tempfile.TemporaryDirectory()
    return payload.make(source, Path(folder.name)), folder


@dataclass(frozen=True)
class Picture:
    width: int
    height: int
    data: bytes  # red, green, blue of each pixel, row by row

    @staticmethod
    def from_ppm(data: bytes) -> "Picture":
        head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
        width, height = int(head[1]), int(head[2])
        return Picture(width, height, data[head.end():head.end() + width * height * 3])

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        at = (y * self.width + x) * 3
        return tuple(self.data[at:at + 3])

    def colors(self) -> set[tuple[int, int, int]]:
        return {tuple(self.data[at:at + 3]) for at in range(0, len(self.data), 3)}


class Watched(qemu.SerialLine):
    """A serial port with somebody before it."""

    def text(self) -> str:
        return self.output.decode("latin-1").replace("\r\n", "\n")

    def see(self, pattern: bytes | str, seconds: float = 60) -> re.Match:
        """Waits until the serial port says it, after what was seen before; fails if it does not."""
        match = self.expect(pattern, seconds)
        assert match, f"not seen: {pattern!r}; after:\n{self.text()[-3000:]}"
        return match

    def type(self, text: str) -> None:
        """Types on the serial line."""
        self.send(text.replace("\n", "\r").encode("latin-1"))

    def ask(self, command: str, seconds: float = 60) -> str:
        """What the monitor, which is at its prompt, has to say to a command."""
        self.type(command + "\n")
        said = self.see(rb"\r(?:\n(.*)\r)?" + PROMPT, seconds)[1] or b""
        return said.decode("latin-1").replace("\r\n", "\n")


class Machine(Watched, qemu.Emulator):
    def __init__(self, pc: qemu.Pc, work: Path):
        super().__init__(pc)
        self.work = work
        self.kexec: Path | None = None  # the payload's binary, where start() was given its source

    @classmethod
    def start(cls, kexec, *words: str, work: Path, files: dict[str, bytes] | None = None,
              kernel: Path | None = None, qemu_options: tuple[str, ...] = (),
              change=None) -> "Machine":
        """Boots with the options of `./vesper run`.

        kexec: a source or binary file, port:NAME, or its bytes, or None for a root without /kexec.
        files: further files of the root, by path. change(pc): changes the qemu.Pc made of all that.
        """
        work.mkdir(parents=True, exist_ok=True)
        options = cli.parser().parse_args(["run", *words])
        options.qemu = ["-nodefaults", *qemu_options]
        if files:
            options.root = work / "files"
            for name, content in files.items():
                path = options.root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        if isinstance(kexec, bytes):
            (work / "kexec.bin").write_bytes(kexec)
            kexec = work / "kexec.bin"
        elif kexec:
            source = payload.find(str(kexec))
            kexec, _ = compiled(source, source.stat().st_mtime_ns)
        pc = run.machine(options, kernel or kernel_of(options.config), kexec, work)
        if change:
            change(pc)
        machine = cls(pc, work)
        machine.kexec = kexec
        return machine

    def keys(self, *names: str) -> None:
        """Presses and releases keys of the PC's keyboard, which QEMU names: "a", "shift-a"."""
        for name in names:
            chord = [{"type": "qcode", "data": part} for part in name.split("-")]
            self.qmp("send-key", **{"keys": chord, "hold-time": 20})

    def key_event(self, name: str, down: bool) -> None:
        key = {"type": "qcode", "data": name}
        event = {"type": "key", "data": {"down": down, "key": key}}
        self.qmp("input-send-event", events=[event])

    def memory(self, physical: int, size: int) -> bytes:
        path = self.work / "memory"
        self.qmp("pmemsave", val=physical, size=size, filename=str(path))
        return path.read_bytes()

    def text_screen(self, columns: int = 80, rows: int = 25) -> list[str]:
        """What VGA text memory shows."""
        cells = self.memory(0xB8000, columns * rows * 2)
        text = cells[::2].decode("cp437")
        return [text[at:at + columns].rstrip(" \0") for at in range(0, columns * rows, columns)]

    def picture(self) -> Picture:
        path = self.work / "screen.ppm"
        self.screenshot(path)
        return Picture.from_ppm(path.read_bytes())

    def ends(self, how: str, seconds: float = 60) -> None:
        """Waits until the machine is "off", or has had a "reset"."""
        ended = self.wait(seconds)
        assert ended == how, f"it is {ended or 'still on'}, not {how}:\n{self.text()[-3000:]}"
