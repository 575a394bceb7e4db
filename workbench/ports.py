# SPDX-License-Identifier: BSD-2-Clause
"""Programs of other people as payloads: port:NAME, built by sdk/ports/NAME/build.

That is a shell script, run in build/ports/NAME, with the unpacked source as its argument and
vesper-cc in the PATH; it leaves `kexec` there. Its second line with words names the Debian source
package: "# Source: NAME", or "# Source: NAME (tarball)" for what its authors gave out alone."""
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from workbench import newlib, packages, sources
from workbench.console import BUILD, ROOT, Problem, Step, alone_in, shown

PORTS = ROOT / "sdk/ports"
PREFIX = "port:"


def names() -> list[str]:
    return sorted(path.parent.name for path in PORTS.glob("*/build"))


def make(name: str) -> Path:
    """The raw binary of a port, built if it, its glue or the C library has changed."""
    script = PORTS / name / "build"
    if not script.is_file():
        raise Problem(f"there is no {PREFIX}{name}", f"There are: {', '.join(names())}.")
    source = re.search(r"^# Source: (\S+)( \(tarball\))?$", script.read_text(), re.M)
    packages.ensure("g++-multilib")
    library = newlib.glue()
    unpacked = sources.fetch(source[1], tarball=bool(source[2]))
    state = hashlib.sha256((library.parent / "glue").read_bytes())
    for path in (*sorted((PORTS / name).iterdir()), ROOT / "sdk/vesper.fs"):
        state.update(path.read_bytes())
    folder = BUILD / "ports" / name
    binary, stamp = folder / "kexec", folder / "built"
    with alone_in(folder):
        if not stamp.is_file() or stamp.read_text() != state.hexdigest():
            with Step(f"Building {name}; once"):
                build(name, script, unpacked, folder)
            stamp.write_text(state.hexdigest())
    return binary


def build(name: str, script: Path, source: Path, folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != ".lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    environment = {**os.environ, "PATH": f"{ROOT / 'sdk/bin'}:{os.environ['PATH']}", "LC_ALL": "C"}
    log = folder / "build.log"
    with log.open("w") as output:
        result = subprocess.run([script, source], cwd=folder, env=environment,
                                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    if result.returncode or not (folder / "kexec").is_file():
        last = "\n".join(log.read_text(errors="replace").rstrip().split("\n")[-15:])
        raise Problem(f"{PREFIX}{name} could not be built:\n{last}", f"All of it: {shown(log)}")
