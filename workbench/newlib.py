# SPDX-License-Identifier: BSD-2-Clause
"""The C library of payloads: newlib, and the glue of sdk/libc between it and vesper.h."""
import hashlib
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from workbench import packages, sources
from workbench.console import BUILD, ROOT, Problem, Step, alone_in, shown, tool

FOLDER = BUILD / "newlib"
GLUE = ROOT / "sdk/libc"
# Debian's compiler is one for Linux; a payload is not a program for that.
MACHINE = ("-U__linux__", "-U__linux", "-Ulinux", "-U__gnu_linux__", "-U__unix__", "-U__unix",
           "-Uunix", "-m32", "-march=i486", "-mpreferred-stack-boundary=2")
CODE = ("-g", "-O2", "-fno-pic", "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
        "-ffunction-sections", "-fdata-sections")
# The system calls have a leading underscore, and these too are made by the glue.
GIVEN = ("-UMISSING_SYSCALL_NAMES", "-DHAVE_RENAME", "-DHAVE_NANOSLEEP", "-DHAVE_FCNTL",
         "-DHAVE_BLKSIZE", "-D_POSIX_TIMERS=1")
CONFIGURE = ("--host=i686-elf", "--disable-multilib", "--disable-newlib-supplied-syscalls",
             "--disable-newlib-multithread", "--disable-newlib-wide-orient",
             "--enable-newlib-io-long-long", "--enable-newlib-io-long-double",
             "--enable-newlib-io-c99-formats", "--enable-newlib-io-pos-args",
             "--disable-dependency-tracking", "AR=ar", "RANLIB=ranlib", "AS=as",
             "READELF=readelf", "MAKEINFO=:", "CC=gcc " + " ".join(MACHINE),
             "CFLAGS=-w " + " ".join((*CODE, *GIVEN)))


def library() -> Path:
    """build/newlib with include/ and lib/ in it, built if need be."""
    state = hashlib.sha256("\0".join(CONFIGURE).encode()).hexdigest()
    stamp = FOLDER / "built"
    if not stamp.is_file() or stamp.read_text() != state:
        with alone_in(FOLDER):
            if not stamp.is_file() or stamp.read_text() != state:
                build()
                stamp.write_text(state)
    return FOLDER


def build() -> None:
    packages.ensure("g++-multilib", "dpkg-dev")
    source = sources.fetch("newlib")
    work = FOLDER / "work"
    with Step("Building newlib, the C library; once, about a minute"):
        for name in ("work", "include", "lib", "installed"):
            shutil.rmtree(FOLDER / name, ignore_errors=True)
        work.mkdir()
        step("configured", source / "newlib/configure", f"--prefix={FOLDER}/installed", *CONFIGURE)
        step("built", "make", f"-j{os.cpu_count()}")
        step("installed", "make", "install")
        for name in ("include", "lib"):
            (FOLDER / "installed/i686-elf" / name).rename(FOLDER / name)
        for name in ("lib/libc.a", "lib/libm.a", "include/stdio.h"):
            if not (FOLDER / name).is_file():
                raise Problem(f"newlib was built, but has no {name}",
                              "`./vesper clean` removes what there is.")
        (FOLDER / "lib/libg.a").unlink(missing_ok=True)
        shutil.rmtree(work)
        shutil.rmtree(FOLDER / "installed")


def step(done: str, *command) -> None:
    """A command in FOLDER/work, of whose many words only the last are shown if it fails."""
    log = FOLDER / f"{done}.log"
    with log.open("w") as output:
        result = subprocess.run([str(word) for word in command], cwd=FOLDER / "work",
                                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    if result.returncode:
        last = "\n".join(log.read_text(errors="replace").split("\n")[-15:]).rstrip()
        raise Problem(f"newlib could not be {done}:\n{last}",
                      f"All of it is in {shown(log)}. Mend that, then try again.")


def headers(cxx: bool = False) -> tuple[str, ...]:
    """Where the compiler finds the C library's headers, and no others but C++'s own."""
    version = tool("gcc", "-dumpversion").strip()
    machine = tool("gcc", "-print-multiarch").strip()
    templates = (f"/usr/include/c++/{version}", f"/usr/include/{machine}/c++/{version}/32")
    folders = (GLUE / "include", *(templates if cxx else ()), library() / "include",
               tool("gcc", "-print-file-name=include").strip())
    return ("-nostdinc", f"-I{ROOT / 'include'}", f"-I{ROOT / 'sdk'}",
            *(word for folder in folders for word in ("-isystem", str(folder))))


def glue() -> Path:
    """build/newlib/lib/libvesper.a, and entry.o beside it, made from sdk/libc."""
    library()
    inputs = sorted(path for path in GLUE.rglob("*") if path.is_file())
    state = hashlib.sha256()
    for path in (*inputs, *sorted((ROOT / "include").glob("*.h")), Path(__file__)):
        state.update(path.read_bytes())
    archive, stamp = FOLDER / "lib/libvesper.a", FOLDER / "lib/glue"
    with alone_in(FOLDER):
        if stamp.is_file() and stamp.read_text() == state.hexdigest():
            return archive
        work = FOLDER / "glue"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        parts = [path for path in inputs if path.suffix in (".c", ".cpp", ".S")]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda path: compile_glue(path, work), parts))
        shutil.move(work / "entry.o", FOLDER / "lib/entry.o")
        archive.unlink(missing_ok=True)
        tool("ar", "rcs", archive, *sorted(work.glob("*.o")))
        stamp.write_text(state.hexdigest())
    return archive


def compile_glue(path: Path, work: Path) -> None:
    language = ("g++", "-std=gnu++20", "-fno-exceptions", "-fno-rtti", "-ffreestanding") \
        if path.suffix == ".cpp" else ("gcc",)
    own = headers() if path.suffix != ".cpp" else (f"-I{ROOT / 'include'}",)
    tool(*language, *MACHINE, *CODE, "-Wall", "-Wextra", "-D_POSIX_TIMERS=1",
         "-D_POSIX_MONOTONIC_CLOCK=200112L", *own, "-c", path,
         "-o", work / (path.stem + ".o"), cause=f"{path.name} could not be compiled")
