# SPDX-License-Identifier: BSD-2-Clause
"""Builds the kernel, the host tests and the fuzzers by CMake."""
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
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
    folder = kernel_folder(config, clang)
    with Step(f"Building the kernel ({folder.name})") as step:
        make_kernel(config, clang, step.progress)
    return folder / "vesper"


def every_kernel() -> None:
    """Each configuration, and GENERIC by clang, at the same time: g++ links on one processor."""
    packages.ensure(*packages.BUILD, "clang")
    with Step("Building all kernels"), ThreadPoolExecutor() as pool:
        made = [pool.submit(make_kernel, config) for config in configurations()]
        made.append(pool.submit(make_kernel, "GENERIC", clang=True))
        for one in made:
            one.result()


def kernel_folder(config: str, clang: bool) -> Path:
    return BUILD / (f"{config}-clang" if clang else config)


def make_kernel(config: str, clang: bool = False, progress=lambda done: None) -> None:
    make("clang" if clang else "GENERIC", kernel_folder(config, clang), progress,
         f"-DVESPER_CONFIG={config}", "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")


def environment() -> dict[str, str]:
    """What one configuration has compiled the others, which are made of the same files, take."""
    return {**os.environ, "CCACHE_DIR": str(BUILD / "ccache"), "CCACHE_BASEDIR": str(ROOT),
            "CCACHE_NOHASHDIR": "1"}


def run(preset: str, folder: Path, title: str, *definitions: str) -> None:
    with Step(title) as step:
        make(preset, folder, step.progress, *definitions)


def make(preset: str, folder: Path, progress, *definitions: str) -> None:
    """Configures if need be, and builds; the compiler is heard only when it fails."""
    with alone_in(folder):
        configure(preset, folder, *definitions)
        process = subprocess.Popen(["ninja", "-C", str(folder)], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   errors="replace", env=environment())
        said = []
        for line in process.stdout:
            if done := re.match(r"\[(\d+/\d+)\]", line):
                progress(done[1])
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
