# SPDX-License-Identifier: BSD-2-Clause
"""Builds the kernel, the host tests and the fuzzers by CMake."""
import os
import re
import subprocess
from pathlib import Path

from workbench import packages
from workbench.console import BUILD, ROOT, Problem, Step, alone_in, tool


def configurations() -> list[str]:
    return sorted(path.name for path in (ROOT / "conf").iterdir() if path.is_file())


def kernel(config: str = "GENERIC", clang: bool = False) -> Path:
    """build/CONFIG/vesper, up to date."""
    if config not in configurations():
        raise Problem(f"there is no configuration {config}",
                      f"conf/ has {', '.join(configurations())}; another file there makes one.")
    packages.ensure(*packages.BUILD, *(["clang"] if clang else []))
    folder = BUILD / (f"{config}-clang" if clang else config)
    run("clang" if clang else "GENERIC", folder, f"Building the kernel ({folder.name})",
        f"-DVESPER_CONFIG={config}", "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
    return folder / "vesper"


def environment() -> dict[str, str]:
    """What one configuration has compiled the others, which are made of the same files, take."""
    return {**os.environ, "CCACHE_DIR": str(BUILD / "ccache"), "CCACHE_BASEDIR": str(ROOT),
            "CCACHE_NOHASHDIR": "1"}


def run(preset: str, folder: Path, title: str, *definitions: str) -> None:
    """Configures if need be, and builds; the compiler is heard only when it fails."""
    with Step(title) as step, alone_in(folder):
        configure(preset, folder, *definitions)
        process = subprocess.Popen(["ninja", "-C", str(folder)], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   errors="replace", env=environment())
        said = []
        for line in process.stdout:
            if done := re.match(r"\[(\d+/\d+)\]", line):
                step.progress(done[1])
            elif not line.startswith(("/usr/bin/", ": &&", "ninja: ", "-- ")):
                said.append(line)
        if process.wait():
            raise Problem("the build failed:\n" + "".join(said).rstrip())


def configure(preset: str, folder: Path, *definitions: str) -> Path:
    if not (folder / "build.ninja").exists():
        tool("cmake", "--preset", preset, "-B", folder, *definitions, cwd=ROOT,
             cause="CMake could not configure the build",
             cure="If the folder was moved or copied, `./vesper clean` helps.")
    return folder
