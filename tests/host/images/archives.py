#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Archives by GNU tar and cpio, in all forms that a loader may be given."""
import os
import subprocess
import sys
import tempfile

import tree

LONG = "long " * 12 + "/" + "name " * 20
LONGER = "/".join(["d" * 60] * 5) + "/" + "l" * 120


def run(*command: str, cwd: str, names: str = "") -> None:
    done = subprocess.run(command, cwd=cwd, input=names.encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=dict(os.environ, TZ="UTC"))
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.decode()}")


def write(folder: str, name: str, size: int) -> None:
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(tree.content(os.path.basename(name), size))


def names_in(folder: str) -> str:
    return "".join(sorted(os.path.relpath(os.path.join(where, name), folder) + "\n"
                          for where, folders, files in os.walk(folder)
                          for name in folders + files))


def tar(out: str, name: str, folder: str, *options: str) -> None:
    run("tar", "--create", "--sort=name", "--owner=0", "--group=0", "--file",
        f"{out}/archive-{name}.tar", *options, ".", cwd=folder)


def cpio(out: str, name: str, folder: str, names: str) -> None:
    run("cpio", "--quiet", "-o", "-H", name, "-F", f"{out}/archive-{name}.cpio", cwd=folder,
        names=names)


def main(out: str) -> None:
    os.makedirs(out, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        folder = tree.make(os.path.join(work, "tree"), big=False)
        os.link(os.path.join(folder, "medium"), os.path.join(folder, "second name"))
        os.chmod(os.path.join(folder, "hello.txt"), 0o4711)
        os.mkfifo(os.path.join(folder, "fifo"))
        for where, folders, files in os.walk(folder, topdown=False):
            for name in files + folders:
                os.utime(os.path.join(where, name), (1234567890,) * 2, follow_symlinks=False)
        names = names_in(folder)
        for kind in "newc", "crc", "odc":
            cpio(out, kind, folder, names)
        write(folder, LONG, 500)
        tar(out, "ustar", folder, "--format=ustar", "--exclude=./longlink")
        write(folder, LONGER, 400)
        os.symlink(LONGER, os.path.join(folder, "to a longer one"))
        tar(out, "gnu", folder, "--format=gnu")
        tar(out, "pax", folder, "--format=pax", "--mtime=2009-02-13 23:31:30.5")
        tar(out, "packed", folder, "--gzip")
        small = os.path.join(work, "small")
        write(small, "file", 600)
        write(small, "d/other", 30)
        os.link(os.path.join(small, "file"), os.path.join(small, "link"))
        os.symlink("d/other", os.path.join(small, "symlink"))
        tar(out, "small", small, "--format=pax", "--no-recursion", "-b", "1", ".", "./d",
            "./d/other", "./file", "./link", "./symlink")
        tar(out, "v7", small, "--format=v7", "-b", "1")
        for kind in "newc", "odc":
            run("cpio", "--quiet", "-o", "-H", kind, "-F", f"{out}/archive-small-{kind}.cpio",
                cwd=small, names=names_in(small))
        with open(os.path.join(small, "sparse"), "wb") as file:
            file.truncate(1 << 20)
            for at in range(0, 1 << 20, 100_000):
                file.seek(at)
                file.write(b"data")
        write(small, "z", 5)
        tar(out, "sparse", small, "--format=gnu", "--sparse")
        tar(out, "sparse-pax", small, "--format=pax", "--sparse")


if __name__ == "__main__":
    main(sys.argv[1])
