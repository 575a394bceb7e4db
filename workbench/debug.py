# SPDX-License-Identifier: BSD-2-Clause
"""`./vesper debug`: a payload under gdb, which talks to the kernel over a second serial line."""
import contextlib
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from workbench import build, packages, payload, push, qemu, run
from workbench.console import BUILD, Problem, say, tool

WAITING = r"gdb: the payload begins at [^\n]*; waiting on com1[^\n]*\n"
BOOT_SECONDS, WAITING_SECONDS = 60, 5


def commands(kernel: Path, symbols: Path | None, line: Path) -> str:
    """What gdb executes before it is the user's."""
    words = ["set confirm off", "set architecture i386", "set remotetimeout 30"]
    if symbols:
        words.append(f"file {symbols}")
    words += [f"add-symbol-file {kernel}.debug", f"target remote {line}"]
    return "".join(f"{word}\n" for word in words)


def debug(options) -> int:
    source = payload.find(options.payload)
    if options.display == "curses":
        raise Problem("--display curses needs the terminal, which is gdb's here")
    run.ensure(options, source, "gdb")
    kexec = payload.make(source, BUILD / "debug", "-Og")
    options.append = f"gdb=com1 {options.append}"
    kernel = build.kernel(options.config)
    with tempfile.TemporaryDirectory(prefix="vesper-") as folder:
        line = Path(folder, "com1")  # the path of a socket must be short
        options.qemu = ["-chardev", f"socket,id=gdb,path={line},server=on,wait=off",
                        "-serial", "chardev:gdb"]
        pc = run.machine(options, kernel, kexec, BUILD / "debug")
        with qemu.Emulator(pc, own_group=True) as emulator, \
                contextlib.closing(push.Share(emulator, Path(folder, "serial"))) as share:
            session = run.Session(emulator, share, run.typed(options.input), options.timeout)
            boot(session)
            script = Path(folder, "start.gdb")
            script.write_text(commands(kernel, payload.elf_of(source, BUILD / "debug"), line))
            return attended(session, ["gdb", "-q", "-x", str(script), *options.words])


def boot(session: run.Session) -> None:
    """Until the kernel waits for gdb."""
    emulator = session.emulator
    called = emulator.expect(run.CALLED + b"|" + run.PROMPT, BOOT_SECONDS)
    waits = called and emulator.expect(WAITING, WAITING_SECONDS)
    session.show()
    if not waits:
        raise Problem("the kernel does not wait for gdb at the payload's first instruction",
                      "It needs a payload that it can load, and `tool gdb` in its configuration.")


def attended(session: run.Session, command: list[str]) -> int:
    """gdb has the terminal, Control-C too; what the machine says is shown between. gdb's code."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    gdb = subprocess.Popen(command, preexec_fn=lambda: signal.signal(signal.SIGINT, before))
    try:
        while gdb.poll() is None:
            if session.over() is not None:
                session.show()
                say("\nvesper: the machine is off")
                session.emulator.close()  # gdb notices
                return gdb.wait()
            session.step()
            session.show()
        session.step()
        session.show()
        return gdb.returncode
    finally:
        gdb.kill()
        gdb.wait()
        signal.signal(signal.SIGINT, before)
