# SPDX-License-Identifier: BSD-2-Clause
"""Debian's source packages, fetched by apt from the mirror that this machine is set up with.

Nothing outside build/ is touched, and no root is needed: apt works on lists of its own. It checks
the signature of the lists and the sums of the files."""
import os
import re
import shutil
import subprocess
from pathlib import Path

from workbench import packages
from workbench.console import BUILD, Problem, Step, alone_in, tool

FOLDER = BUILD / "sources"
APT = Path(os.environ.get("VESPER_APT", "/etc/apt"))  # tests point it elsewhere


def codename() -> str:
    found = re.search(r'^VERSION_CODENAME="?(\w+)', Path("/etc/os-release").read_text(), re.M)
    return found[1] if found else "stable"


def source_stanzas() -> str:
    """The machine's own package sources of its Debian release, as sources of source packages."""
    lists = [APT / "sources.list", *sorted(APT.glob("sources.list.d/*"))]
    text = "\n\n".join(path.read_text() for path in lists
                       if path.is_file() and path.suffix in (".list", ".sources"))
    stanzas = []
    for words in re.findall(r"^deb(?:-src)?[ \t]+(?:\[(.*?)\][ \t]+)?(\S+)[ \t]+(\S+)[ \t]+(.*)$",
                            text, re.M):
        signed = re.search(r"signed-by=(\S+)", words[0])
        stanzas.append({"URIs": words[1], "Suites": words[2], "Components": words[3],
                        **({"Signed-By": signed[1]} if signed else {})})
    for block in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t]+.*)*)", block, re.M))
        if "URIs" in fields and fields.get("Enabled", "yes").strip() != "no":
            stanzas.append(fields)
    ours = {codename(), "stable"}
    chosen = []
    for fields in stanzas:
        suites = ours & set(fields.get("Suites", "").split())
        if suites and "main" in fields.get("Components", "").split():
            chosen.append("Types: deb-src\n" + f"Suites: {suites.pop()}\nComponents: main\n"
                          + "".join(f"{name}: {fields[name]}\n" for name in ("URIs", "Signed-By")
                                    if name in fields))
    return "\n".join(dict.fromkeys(chosen))


def apt(folder: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess:
    options = {"Dir::Etc::sourcelist": folder / "debian.sources", "Dir::Etc::sourceparts": "-",
               "Dir::State::lists": folder / "lists", "Dir::Cache": folder / "cache",
               "APT::Sandbox::User": "root", "Acquire::Retries": "2", "Acquire::Languages": "none"}
    command = ["apt-get", "-q", *(part for name, value in options.items()
                                  for part in ("-o", f"{name}={value}")), *words]
    return subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")


def update(folder: Path) -> None:
    stanzas = source_stanzas()
    if not stanzas:
        raise Problem(f"apt has no package source for Debian {codename()}, component main",
                      f"Add one to {APT}/sources.list; the source packages come from there.")
    (folder / "lists/partial").mkdir(parents=True, exist_ok=True)
    (folder / "cache/archives/partial").mkdir(parents=True, exist_ok=True)
    (folder / "debian.sources").write_text(stanzas)
    result = apt(folder, "update", cwd=folder)
    if result.returncode or re.search("^[EW]: ", result.stdout, re.M):
        raise Problem(f"apt-get could not fetch the lists of sources:\n{result.stdout.rstrip()}",
                      "Is this machine online, and does `apt-get update` work on it? Try again.")


def fetch(package: str, tarball: bool = False) -> Path:
    """The unpacked source of a Debian package, fetched once; with Debian's changes to it, unless
    only the authors' tarball is asked for."""
    packages.ensure("dpkg-dev")
    folder = FOLDER / package
    unpacked = folder / "source"
    with alone_in(FOLDER):
        if unpacked.is_dir():
            return unpacked
        with Step(f"Fetching the source of {package} from Debian, once"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            download(package, folder, tarball)
            unpack(package, folder, tarball)
    return unpacked


def download(package: str, folder: Path, tarball: bool) -> None:
    words = ("--download-only", *(["--tar-only"] if tarball else []), "source", package)
    result = None
    if list(FOLDER.glob("lists/*_Sources*")):
        result = apt(FOLDER, *words, cwd=folder)
    if not result or result.returncode:  # the lists may be old
        update(FOLDER)
        result = apt(FOLDER, *words, cwd=folder)
    if result.returncode:
        raise Problem(f"apt-get could not fetch the source of {package}:\n{result.stdout.rstrip()}",
                      "Is this machine online? Try again; `./vesper clean` removes what there is.")


def unpack(package: str, folder: Path, tarball: bool) -> None:
    part = folder / "part"
    if tarball:
        part.mkdir()
        archive = next(folder.glob("*.orig.tar.*"))
        tool("tar", "-xf", archive, "-C", part, "--strip-components=1",
             cause=f"{archive.name} could not be unpacked")
    else:
        tool("dpkg-source", "--no-check", "-x", next(folder.glob("*.dsc")), part, cwd=folder,
             cause=f"the source of {package} could not be unpacked")
    part.rename(folder / "source")
