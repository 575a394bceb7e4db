# SPDX-License-Identifier: BSD-2-Clause
"""sdk/bin/vesper-cc and vesper-c++: C and C++ programs as payloads."""
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from workbench import newlib, packages
from workbench.console import ROOT, Problem, say, tool

HELP = """\
{name} [--bare] [--elf] [OPTIONS OF {gcc}] FILES

Compiles and links a program to a raw binary, a payload for Vesper:

    {name} -o kexec program{suffix} -lm

All options are {gcc}'s, but for these:
  --bare   without the C library: main is int main(struct vesper *)
  --elf    the output is the ELF file, not the raw binary made from it
Beside OUTPUT it leaves OUTPUT.elf, for gdb, and OUTPUT.sym, its symbols by address.
The C library is newlib; it is fetched and built once, into build/ of Vesper's folder.
"""
SDK = ROOT / "sdk"
HOSTED = (*newlib.MACHINE, *newlib.CODE, "-no-pie", "-D__vesper__=1", "-D_POSIX_TIMERS=1",
          "-D_POSIX_MONOTONIC_CLOCK=200112L",
          "-Werror=main")
BARE = (*newlib.MACHINE, *newlib.CODE, "-Os", "-Wall", "-ffreestanding", "-no-pie",
        f"-I{ROOT / 'include'}", f"-I{SDK}")
CXX = ("-std=gnu++20", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics",
       "-D_GLIBCXX_EXTERN_TEMPLATE=0")
LINK = ("-m32", "-nostdlib", "-static", "-Wl,--gc-sections", "-Wl,--build-id=none",
        "-Wl,-z,noexecstack", "-Wl,--no-warn-rwx-segments", "-Wl,-T", str(SDK / "payload.ld"))
SOURCES = {".c", ".i", ".s", ".S", ".cc", ".cp", ".cpp", ".cxx", ".c++", ".C", ".ii"}
IN_CXX = {".cc", ".cp", ".cpp", ".cxx", ".c++", ".C", ".ii"}
WITH_VALUE = {"-o", "-I", "-L", "-l", "-D", "-U", "-x", "-include", "-imacros", "-isystem",
              "-iquote", "-idirafter", "-MF", "-MT", "-MQ", "-T", "-u", "-Xlinker", "-e",
              "-Xassembler", "-Xpreprocessor", "--param", "-z", "-aux-info", "-B"}
NO_LINKING = {"-c", "-S", "-E", "-M", "-MM", "-fsyntax-only"}


class Words:
    """A command line of gcc's, with our own words taken out."""

    def __init__(self, words: list[str]):
        self.bare = "--bare" in words
        self.elf = "--elf" in words
        self.rest: list[str] = []
        self.inputs: list[str] = []
        self.output = ""
        mine = iter(word for word in words if word not in ("--bare", "--elf"))
        for word in mine:
            value = [next(mine, "")] if word in WITH_VALUE else []
            if word == "-o":
                self.output = value[0]
                continue
            if word.startswith("-o") and not word.startswith("-ob"):
                self.output = word[2:]
                continue
            if not word.startswith("-") or word == "-":
                self.inputs.append(word)
            self.rest += [word, *value]
        self.links = bool(self.inputs) and not NO_LINKING & set(self.rest)

    def any_cxx(self) -> bool:
        return any(Path(name).suffix in IN_CXX for name in self.inputs)


def flags(bare: bool, cxx: bool) -> tuple[str, ...]:
    if bare:
        return (*BARE, *(CXX if cxx else ()))
    return (*HOSTED, *(CXX if cxx else ()), *newlib.headers(cxx))


def libraries(bare: bool) -> tuple[str, ...]:
    """What the linker gets behind the program's own files."""
    if bare:
        return (*LINK, *BARE, str(SDK / "start.S"), str(SDK / "memory.c"), "-lgcc")
    archive = newlib.glue()
    return (*LINK, f"-L{archive.parent}", str(archive.parent / "entry.o"), "-Wl,--start-group",
            "-lvesper", "-lc", "-lm", "-lgcc", "-Wl,--end-group")


def finish(elf: Path, output: Path) -> None:
    """The raw binary, unless the ELF file is wanted, and the symbols of a linked program."""
    output.with_name(output.name + ".sym").write_text(tool("nm", "-n", elf))
    if output != elf:
        tool("objcopy", "-O", "binary", elf, output)


def compile_all(command: list[str], sources: list[str], folder: str) -> list[str] | None:
    """The object files of several sources, compiled at the same time; None after an error."""
    objects = [f"{folder}/{at}.o" for at in range(len(sources))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(
            lambda pair: subprocess.run([*command, "-c", pair[0], "-o", pair[1]],
                                        stderr=subprocess.PIPE, text=True, errors="replace"),
            zip(sources, objects)))
    sys.stderr.write("".join(result.stderr for result in results))
    return None if any(result.returncode for result in results) else objects


def compile_and_link(gcc: str, words: Words) -> int:
    output = Path(words.output or "a.out")
    elf = output if words.elf else output.with_name(output.name + ".elf")
    own = flags(words.bare, gcc == "g++" or words.any_cxx())
    sources = [name for name in words.inputs if Path(name).suffix in SOURCES]
    with tempfile.TemporaryDirectory() as folder:
        rest = words.rest
        if len(sources) > 1 and "-x" not in rest:
            options = [word for word in rest
                       if word not in words.inputs and not word.startswith(("-l", "-Wl,"))]
            objects = compile_all([gcc, *own, *options], sources, folder)
            if not objects:
                return 1
            made = dict(zip(sources, objects))
            rest = [made.get(word, word) for word in rest]
        command = [gcc, *own, *rest, "-x", "none", *libraries(words.bare), "-o", str(elf)]
        if code := subprocess.run(command).returncode:
            return code
    finish(elf, output)
    return 0


def main(compiler: str, arguments: list[str]) -> int:
    name = "vesper-cc" if compiler == "gcc" else "vesper-c++"
    if not arguments or arguments == ["--help"]:
        print(HELP.format(name=name, gcc=compiler, suffix=".c" if compiler == "gcc" else ".cpp"),
              end="")
        return 0 if arguments else 2
    try:
        packages.ensure("g++-multilib")
        words = Words(arguments)
        if words.links:
            return compile_and_link(compiler, words)
        own = flags(words.bare, compiler == "g++" or words.any_cxx()) if words.inputs else ()
        output = ["-o", words.output] if words.output else []
        return subprocess.run([compiler, "-m32", *own, *words.rest, *output]).returncode
    except Problem as problem:
        say(f"{name}: {problem}")
        return problem.code
    except KeyboardInterrupt:
        return 130
