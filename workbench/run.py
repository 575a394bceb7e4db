# SPDX-License-Identifier: BSD-2-Clause
"""`./vesper run` and `./vesper image`."""
import contextlib
import os
import re
import shutil
import sys
import termios
import time
from pathlib import Path

from workbench import build, image, packages, payload, push, qemu
from workbench.console import BUILD, Problem, Step, say, shown

# Exit codes of `run`, besides 1 (something is wrong: it says what) and 2 (usage).
OFF, RESET, RETURNED, TIMED_OUT = 0, 3, 4, 124

CALLED = rb"kexec: \d+ bytes at [^\n]*\n"  # the kernel's last line before the payload
PROMPT = rb"\nvesper> ?$"                  # when it has returned or failed, or did not start
QUIET_SECONDS = 1.0                        # at the prompt: nobody is going to type
DEFAULT_LIMIT = 60                         # seconds, without a terminal
LEAVE = b"\x01"                            # Control-A


def chosen_root(options) -> Path | None:
    if not options.root:
        return None
    if not Path(options.root).is_dir():
        raise Problem(f"--root {shown(options.root)} is not a folder")
    return Path(options.root)


def shared_folder(options) -> Path | None:
    """That of --share, with which there are no disks."""
    if not options.share:
        return None
    folder = Path(options.share)
    if not folder.is_dir():
        raise Problem(f"--share {shown(folder)} is not a folder")
    if options.root:
        raise Problem("--share and --root exclude each other", "The folder is the root.")
    if options.boot not in ("multiboot", "pvh"):
        raise Problem(f"--share does not go with --boot {options.boot}",
                      "GRUB would need a disk; multiboot and pvh do not.")
    if options.machine == "isapc":
        raise Problem("--share needs PCI, which isapc lacks")
    return folder.absolute()


def machine_with_share(options, pc: qemu.Pc, kexec: Path | None, work: Path) -> None:
    """The folder as the root. A payload is not copied there: it has a share of its own."""
    pc.shares.append(qemu.Share("share", shared_folder(options)))
    words = "root=share"
    if kexec:
        folder = work / "payload"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for path, name in ((kexec, "kexec"), (payload.symbol_file(kexec), "kexec.sym")):
            if path.is_file():
                shutil.copyfile(path, folder / name)
        pc.shares.append(qemu.Share("payload", folder.absolute(), read_only=True))
        words += " kexec=payload:/kexec"
    pc.append = f"{words} {pc.append}".strip()


def make_image(options) -> int:
    source, root, out = payload.find(options.payload), chosen_root(options), Path(options.out)
    if out.is_block_device():
        raise Problem(f"{out} is a device", "Write to a file, look at it, then copy that with dd.")
    if not out.absolute().parent.is_dir():
        raise Problem(f"there is no folder {shown(out.absolute().parent)}")
    kexec = payload.make(source)
    loader = image.Loader(options.boot, build.kernel(options.config), options.append)
    with Step(f"Making {shown(out)} ({options.fs}, {options.label}, {options.boot})"):
        image.make_disk(out, fs=options.fs, label=options.label, kexec=kexec, root=root,
                        loader=loader, work=BUILD / "image")
    say(f"To write it to a disk or stick, all of which it replaces:\n"
        f"  dd if={shown(out)} of=/dev/... bs=4M conv=fsync")
    return 0


def machine(options, kernel: Path, kexec: Path | None, work: Path) -> qemu.Pc:
    """The PC that the options describe, with its disks made. No kexec: the root has one, or none.
    """
    pc = qemu.Pc(machine=options.machine, cpu=options.cpu, memory=options.memory,
                 append=options.append, display=options.display, options=options.qemu)
    work.mkdir(parents=True, exist_ok=True)
    if options.share:
        pvh = options.boot == "pvh"
        pc.kernel = qemu.without_multiboot(kernel, work / "vesper.pvh") if pvh else kernel
        machine_with_share(options, pc, kexec, work)
        return pc
    disk, boot_disk, archive = work / "disk.img", work / "boot.img", None
    if options.fs in image.ARCHIVES:
        archive = work / f"root.{options.fs}"
        with Step(f"Making the root ({options.fs})"):
            image.make_archive(archive, options.fs, kexec=kexec, root=chosen_root(options),
                               work=work)
    loader = None
    if options.boot in ("multiboot2", "netbsd"):
        loader = image.Loader(options.boot, kernel, options.append, module=archive)
        pc.boot_disk = boot_disk if archive or options.label == "none" else disk
    else:
        pvh = options.boot == "pvh"
        pc.kernel = qemu.without_multiboot(kernel, work / "vesper.pvh") if pvh else kernel
        pc.module = archive
    if not archive:
        with Step(f"Making the root ({options.fs}, label {options.label})"):
            image.make_disk(disk, fs=options.fs, label=options.label, kexec=kexec,
                            root=chosen_root(options), work=work,
                            loader=loader if pc.boot_disk == disk else None)
            pc.disks.append(disk)
    if pc.boot_disk == boot_disk:  # GRUB, the kernel and the archive on a disk of their own
        image.make_disk(boot_disk, fs="fat16", label="mbr", loader=loader, work=work)
        pc.disks.append(boot_disk)
    return pc


def ensure(options, source: Path | None, *more: str) -> None:
    """Installs what a run needs."""
    packages.ensure(*packages.BUILD, "qemu-system-x86", *more,
                    *(payload.needs(source) if source else ()),
                    *(() if options.share else packages.FILE_SYSTEM[options.fs]),
                    *(packages.GRUB if options.boot in ("multiboot2", "netbsd") else ()),
                    *(["qemu-system-gui"] if options.display == "gtk" else []))


def run(options) -> int:
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    folder, source = shared_folder(options), None
    if options.payload or not folder:
        source = payload.find(options.payload)
    elif not (folder / "kexec").is_file():
        raise Problem(f"there is no {shown(folder / 'kexec')}",
                      "Give a payload, or build one there.")
    chosen_root(options)
    ensure(options, source)
    if options.display == "curses" and not terminal:
        raise Problem("--display curses needs a terminal")
    kexec = payload.make(source) if source else None  # whose mistakes are the likeliest
    pc = machine(options, build.kernel(options.config), kexec, BUILD / "run")
    limit = options.timeout or (None if terminal else DEFAULT_LIMIT)
    with qemu.Emulator(pc, reboot=terminal) as emulator, \
            contextlib.closing(push.Share(emulator)) as share:
        session = Session(emulator, share, typed(options.input), limit)
        if options.display == "curses":
            say("Alt-2 shows QEMU's monitor, where `quit` leaves.")
            code = session.unattended(echo=False, idle_ends=False)
        elif terminal:
            code = session.attended()
        else:
            code = session.unattended(echo=True, idle_ends=True)
        if options.screenshot and emulator.ended != "exit":
            emulator.screenshot(Path(options.screenshot))
            say(f"The screen is in {options.screenshot}.")
        return code


def typed(text: str | None) -> bytes:
    r"""--input with its \n, \e and so on replaced; Enter is \n for the user and CR on the line."""
    if not text:
        return b""
    data = re.sub(r"\\e", r"\\x1b", text).encode().decode("unicode_escape").encode("latin-1")
    return data.replace(b"\n", b"\r")


class Session:
    """One run, from QEMU's start to the end; its methods return the exit code."""

    def __init__(self, emulator: qemu.Emulator, share: push.Share, text: bytes,
                 limit: float | None):
        self.emulator = emulator
        self.share = share
        self.text = text  # still to be typed
        self.limit = limit
        self.ends = time.monotonic() + limit if limit else None
        self.shown = 0
        self.in_reply = False

    def over(self) -> int | None:
        if self.emulator.ended == "exit":
            if words := self.emulator.last_words().strip():
                if self.emulator.process.returncode:
                    raise Problem(f"QEMU ended: {words}")
            return OFF
        if self.emulator.ended:
            return OFF if self.emulator.ended == "off" else RESET
        if self.ends and time.monotonic() > self.ends:
            say(f"\nvesper: stopped after {self.limit:g} seconds (--timeout)")
            return TIMED_OUT
        return None

    def step(self, *others) -> list:
        """Takes in a little, shows it, and types once there is somebody to read it."""
        ready = self.emulator.poll(0.1, *others, *self.share.connections())
        self.share.work(ready)
        if self.text and re.search(CALLED + b"|" + PROMPT, self.emulator.output):
            self.emulator.send(self.text)
            self.text = b""
        return ready

    def show(self) -> None:
        new = self.emulator.output[self.shown:]
        if new:
            self.shown += len(new)
            sys.stdout.buffer.write(self.without_replies(new))
            sys.stdout.buffer.flush()

    def without_replies(self, data: bytes) -> bytes:
        """Without what the machine says to `./vesper push`: lines that begin with 01."""
        kept = bytearray()
        for part in re.split(rb"(\x01|\n)", data):
            if part == b"\x01":
                self.in_reply = True
            elif not self.in_reply:
                kept += part
            elif part == b"\n":
                self.in_reply = False
        return bytes(kept)

    def unattended(self, echo: bool, idle_ends: bool) -> int:
        """Without a terminal: until the machine is off, or nothing more can happen."""
        last, quiet_since = 0, time.monotonic()
        while True:
            code = self.over()
            if code is None:
                self.step()
            if echo:
                self.show()
            if code is not None:
                return code
            if len(self.emulator.output) != last:
                last, quiet_since = len(self.emulator.output), time.monotonic()
            elif (idle_ends and not self.text and not self.share.client
                  and time.monotonic() - quiet_since > QUIET_SECONDS
                  and re.search(PROMPT, self.emulator.output)):
                say("\nvesper: the payload has ended, and the monitor waits for an operator")
                return RETURNED

    def attended(self) -> int:
        """With a terminal: what is typed goes to the serial port, until Control-A X."""
        say("This terminal is the machine's serial port. Control-A X leaves, Control-A B breaks.")
        saved = termios.tcgetattr(0)
        raw = termios.tcgetattr(0)
        raw[0] &= ~(termios.ICRNL | termios.INLCR | termios.IXON | termios.ISTRIP)
        raw[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG | termios.IEXTEN)
        prefix = False
        try:
            termios.tcsetattr(0, termios.TCSADRAIN, raw)
            while (code := self.over()) is None:
                if 0 in self.step(0):
                    for key in os.read(0, 1024):
                        byte = bytes([key])
                        if prefix and byte in b"xX":
                            return OFF
                        if byte == LEAVE and not prefix:
                            prefix = True
                            continue
                        if prefix and byte in b"bB":
                            self.emulator.send_break()
                        else:
                            self.emulator.send(byte)
                        prefix = False
                self.show()
            self.show()
            return code
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, saved)
            sys.stdout.write("\033[0m\n")
            sys.stdout.flush()


def clean() -> int:
    shutil.rmtree(BUILD, ignore_errors=True)
    return 0
