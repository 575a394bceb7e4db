# SPDX-License-Identifier: BSD-2-Clause
"""The command line of ./vesper."""
import argparse
import ast
import runpy

from workbench import image, qemu
from workbench.console import ROOT, Problem, say

HELP = """\
./vesper COMMAND ...       Vesper's workbench. It installs missing Debian packages as needed.

  run [PAYLOAD] [options] [-- QEMU OPTIONS]
      Builds the kernel, makes a disk whose root has PAYLOAD as /kexec, and boots a PC with it in
      QEMU. PAYLOAD is a raw binary, an ELF file (.elf), or a source file (.asm .c .cpp .rs .zig
      .fth), of which one is made first, or port:lua or port:pforth; without one, the demonstration
      (samples/demo.c) runs. Its functions' names become /kexec.sym, for fault reports.
      A C or C++ program gets a C library, unless its main takes a struct vesper * (docs/sdk.md).
        --root DIR          the root also has the files of this folder
        --share DIR         this folder itself is the root, by virtio-9p, and there is no disk: what
                            either side changes there the other one sees. PAYLOAD is not put into
                            DIR, the kernel has it as payload:/kexec; without one, DIR/kexec runs
        --fs FS             ffs2 (default) ffs1 ext2 ext4 fat16 fat32 iso9660; tar and cpio: the
                            root is md0, an archive that the loader puts into memory
        --label LABEL       mbr (default): the root is wd0p1; gpt: the same; bsd: a NetBSD
                            disklabel, wd0a; none: the whole disk, wd0
        --boot PROTOCOL     multiboot (default) and pvh: QEMU loads the kernel;
                            multiboot2 and netbsd: GRUB does, from the disk
        --disk ide          what the disk is connected to
        --machine MACHINE   pc (default) q35 isapc
        --cpu CPU           486, pentium3, max, ...: `qemu-system-i386 -cpu help`
        --memory MIB        default 128
        --config NAME       a file in conf/; default GENERIC
        --append TEXT       the kernel's command line: root=wd0a console=com0 args=...
        --input TEXT        typed once the payload runs; \\n is Enter, \\e Escape, \\xNN any byte
        --timeout S         give up after so many seconds; default 60 without a terminal
        --display DISPLAY   the screen: none (default), gtk: in a window, curses: in this terminal
        --screenshot PNG    writes the screen to a file at the end
      The terminal is the serial port; Control-A X leaves, Control-A B is a
      break, which stops the payload. Without a terminal it ends with:
        0  the machine was switched off             3    the machine restarted (or crashed)
        4  the payload returned or failed: the      124  the time was up
           monitor waits for an operator            1    something else is wrong; it says what

  debug [PAYLOAD] [options of run] [-- GDB OPTIONS]
      The same under gdb, with the symbols of kernel and payload; it begins at the payload's first
      instruction, and ends when gdb is left. The terminal is gdb's. Without a terminal:
      ./vesper debug x.c -- -batch -x script.gdb

  push FILE [--args TEXT] [--port SOCKET|DEVICE]
      Sends a payload over the serial line to a machine that is in the monitor or runs another one,
      which ends, and calls it: without a restart. FILE is what `run` takes. Without --port: to the
      machine of `./vesper run`; else to a serial device, or a socket of QEMU's (telnet=on).

  image OUT [PAYLOAD] [--root DIR] [--fs FS] [--label mbr|bsd|gpt]
            [--boot multiboot2|multiboot|netbsd] [--config NAME] [--append TEXT]
      Writes a disk that a PC boots from its BIOS: GRUB, the kernel as /vesper, PAYLOAD as /kexec.

  trace --driver NAME [-o FILE] -- [PAYLOAD] [options of run]
      Runs PAYLOAD as run does, and writes what a driver did with its device: registers and fields
      by their names, DMA, interrupts, repeated polls folded. NAME: wd0, com0, "wd0,pckbd0" or all.

  build [--config NAME] [--clang]
      Builds build/NAME/vesper, by default GENERIC; with clang: build/NAME-clang/vesper.

  test [--quick | --long] [--only check|host|fuzz|emu] [FILTER]
      Runs all tests, or those whose names contain FILTER. --quick: fuzzers run over their corpus
      only, and the emulator tests without those marked slow. --long, hours: up to 10,000 power cuts
      in each test of them, 10 million inputs or half an hour for each fuzzer. The last line is
      `N passed, N failed`.

  bindings [--check]        makes sdk/vesper.* and docs/api.md from include/vesper.h; --check: says
                            which are not as that has it
  bench [NAME ...]          runs bench/NAME.py, for example `./vesper bench boot`; or lists them
  clean                     removes build/, where everything lies that was made
  help                      shows this
"""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="./vesper", add_help=False)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, add_help=False, allow_abbrev=False)

    disk = argparse.ArgumentParser(add_help=False)
    disk.add_argument("--root", metavar="DIR")
    disk.add_argument("--config", default="GENERIC")
    disk.add_argument("--append", default="", metavar="TEXT")

    run = argparse.ArgumentParser(parents=[disk], add_help=False)
    run.add_argument("payload", nargs="?")
    run.add_argument("--fs", choices=image.FILE_SYSTEMS + image.ARCHIVES, default="ffs2")
    run.add_argument("--share", metavar="DIR")
    run.add_argument("--label", choices=image.LABELS, default="mbr")
    run.add_argument("--boot", choices=("multiboot", "multiboot2", "pvh", "netbsd"),
                     default="multiboot")
    run.add_argument("--disk", choices=("ide",), default="ide")
    run.add_argument("--machine", choices=qemu.MACHINES, default="pc")
    run.add_argument("--cpu")
    run.add_argument("--memory", type=int, default=128, metavar="MIB")
    run.add_argument("--input", metavar="TEXT")
    run.add_argument("--timeout", type=float, metavar="S")
    run.add_argument("--display", choices=("none", "gtk", "curses"), default="none")
    run.add_argument("--screenshot", metavar="PNG")
    for name in ("run", "debug"):
        commands.add_parser(name, parents=[run], add_help=False, allow_abbrev=False)

    make = commands.add_parser("image", parents=[disk], add_help=False, allow_abbrev=False)
    make.add_argument("out", metavar="OUT")
    make.add_argument("payload", nargs="?")
    make.add_argument("--fs", choices=image.FILE_SYSTEMS, default="ffs2")
    make.add_argument("--label", choices=("mbr", "bsd", "gpt"), default="mbr")
    make.add_argument("--boot", choices=image.LOADERS, default="multiboot2")

    send = command("push")
    send.add_argument("file")
    send.add_argument("--args", default="")
    send.add_argument("--port")

    build = command("build")
    build.add_argument("--config", default="GENERIC")
    build.add_argument("--clang", action="store_true")

    test = command("test")
    effort = test.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true")
    effort.add_argument("--long", action="store_true")
    test.add_argument("--only", choices=("check", "host", "fuzz", "emu"))
    test.add_argument("filter", nargs="?", default="")

    command("bindings").add_argument("--check", action="store_true")
    command("clean")
    command("help")
    return top


def dispatch(words: list[str]) -> int:
    if not words or words[0] in ("help", "-h", "--help") or {"-h", "--help"} & set(words):
        print(HELP, end="")
        return 0 if words else 2
    if words[0] == "bench":
        return bench(words[1:])
    if words[0] == "trace":
        return trace(words[1:])
    own, others = words, []
    if words[0] in ("run", "debug") and "--" in words:
        at = words.index("--")
        own, others = words[:at], words[at + 1:]
    options = parser().parse_args(own)
    options.words = options.qemu = others
    if options.command == "test":
        from workbench import suite
        return suite.test(options)
    if options.command == "bindings":
        from workbench import bindings
        return bindings.write(options.check)
    from workbench import build, debug, run
    if options.command == "run":
        return run.run(options)
    if options.command == "debug":
        return debug.debug(options)
    if options.command == "push":
        from workbench import push
        return push.push(options)
    if options.command == "image":
        return run.make_image(options)
    if options.command == "clean":
        return run.clean()
    build.kernel(options.config, options.clang)
    return 0


def trace(words: list[str]) -> int:
    """Its own options, then those of run: `-- PAYLOAD ... -- QEMU OPTIONS`."""
    from workbench import trace
    own = argparse.ArgumentParser(prog="./vesper trace", add_help=False, allow_abbrev=False)
    own.add_argument("--driver", required=True, metavar="NAME")
    own.add_argument("-o", dest="out", metavar="FILE")
    at = words.index("--") if "--" in words else len(words)
    rest = words[at + 1:]
    end = rest.index("--") if "--" in rest else len(rest)
    options = parser().parse_args(["run", *rest[:end]])
    options.qemu = rest[end + 1:]
    return trace.trace(own.parse_args(words[:at], options))


def bench(words: list[str]) -> int:
    scripts = {path.stem: path for path in sorted((ROOT / "bench").glob("*.py"))}
    if not words:
        for name, path in scripts.items():
            print(f"{name:10}{ast.get_docstring(ast.parse(path.read_text())).splitlines()[0]}")
        return 0
    if words[0] not in scripts:
        raise Problem("which benchmark?", f"There are: {', '.join(scripts)}.", code=2)
    return runpy.run_path(str(scripts[words[0]]))["main"](words[1:])


def main(words: list[str]) -> int:
    try:
        return dispatch(words)
    except Problem as problem:
        say(f"vesper: {problem}")
        return problem.code
    except KeyboardInterrupt:
        say("")
        return 130
