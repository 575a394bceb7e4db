# SPDX-License-Identifier: BSD-2-Clause
"""A folder of the host as the root, by virtio-9p: what the machine does there, and the host."""
import os
import re
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from machine import PROMPT
from workbench import payload, qemu
from workbench.console import ROOT, shown

HERE = Path(__file__).parent
ECHO = HERE / "payloads/echo.asm"
SHARE = HERE / "payloads/share.c"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "the folder, shared"
    path.mkdir()
    return path


def does(machine, key: str, seconds: float = 60) -> re.Match:
    machine.type(key)
    return machine.see(f"(?s)(.*)done: {key}, 0 failures", seconds)


@pytest.mark.parametrize("pc", ("pc", "q35"))
@pytest.mark.parametrize("protocol", ("multiboot", "pvh"))
def test_the_root_is_a_folder(boot, folder, protocol, pc):
    machine = boot(ECHO, "--share", str(folder), "--boot", protocol, "--machine", pc)
    machine.see(r"vio9p0 at pci0 dev \d+ function 0: virtio 9P file server \"share\", modern")
    machine.see("root on vio9p0: 9p")
    machine.see("X")
    machine.type("k")
    machine.see("k")
    assert not list(folder.iterdir()), "nothing was written there"


@pytest.mark.parametrize("how", ("disable-legacy=on", "disable-modern=on"))
def test_each_interface(boot, folder, how):
    (folder / "kexec").write_bytes(payload.make(ECHO, folder.parent).read_bytes())
    share = ("-fsdev", f"local,id=s,path={str(folder).replace(',', ',,')},security_model=none",
             "-device", f"virtio-9p-pci,fsdev=s,mount_tag=t,{how}")

    def no_disks(pc):
        pc.disks.clear()

    machine = boot(None, qemu_options=share, change=no_disks)
    machine.see(f"file server \"t\", {'modern' if 'legacy' in how else 'legacy'} interface")
    machine.see("root on vio9p0: 9p")  # found by itself: it has /kexec
    machine.see("X")


def test_what_the_machine_does_the_host_sees(boot, folder):
    (folder / "empty").mkdir()
    for name in ("removed", "replaced", "open", "cut"):
        (folder / name).write_text(f"{name[0]}ld\n")
    machine = boot(SHARE, "--share", str(folder))
    machine.see("ready")
    does(machine, "s")
    made = folder / "made"
    assert sorted(os.listdir(os.fsencode(made))) == [
        b"file", b"hole", b"link", b"name \xc3\xa4\x80", b"second"]
    assert sorted(os.listdir(folder)) == ["cut", "made", "replaced"]
    assert (made / "file").read_text() == "one\ntwo\n"
    assert (folder / "replaced").read_text() == "moved\n"
    assert (folder / "cut").read_text() == "cld"
    assert os.readlink(made / "link") == "file"
    assert (made / "link").read_text() == "one\ntwo\n"
    second = (made / "second").stat()
    assert second.st_nlink == 2 and second.st_ino == (made / "file").stat().st_ino
    assert stat.S_IMODE(second.st_mode) == 0o640 and second.st_mtime == 1_000_000_000
    assert second.st_uid == os.getuid()
    hole = (made / "hole").stat()
    assert hole.st_size == 5_000_000_003 and hole.st_blocks < 1000
    with open(made / "hole", "rb") as file:
        file.seek(5_000_000_000)
        assert file.read() == b"end"
    does(machine, "y")
    machine.type("q")
    machine.see("the payload returned 0 ")


def test_a_big_file_and_ten_thousand_entries(boot, folder):
    machine = boot(SHARE, "--share", str(folder))
    machine.see("ready")
    does(machine, "b")
    piece = bytes((i * 7 + (i >> 8)) & 255 for i in range(1 << 20))
    data = (folder / "big").read_bytes()
    assert len(data) == 24 * ((1 << 20) - 1)
    assert data.startswith(piece[1:])
    (folder / "many").mkdir()
    for number in range(10000):
        if number % 10:
            (folder / "many" / str(number)).touch()
    assert "10000 entries" in does(machine, "m", 100)[1].decode()
    assert sorted(map(int, os.listdir(folder / "many"))) == [n for n in range(10000) if n % 10 != 5]


def test_a_hundred_folders_inside_one_another(boot, folder):
    machine = boot(SHARE, "--share", str(folder))
    machine.see("ready")
    does(machine, "d")
    assert not list(folder.iterdir())


def test_what_is_no_file_and_odd_names(boot, folder, monkeypatch):
    """The host waits when it opens a FIFO that nobody else has open."""
    (folder / "odd").mkdir()
    monkeypatch.chdir(folder / "odd")  # the name of a socket has to be short
    os.mkfifo("fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
    names = [b"\xff\xfe", b"tab\t", b"a\\b", b"-dash", b" space ", b"...", b"colon:x", b"x" * 200,
             b"new\nline"]
    for name in names:
        Path(os.fsdecode(name)).write_text("odd")
    machine = boot(SHARE, "--share", str(folder))
    machine.see("ready")
    said = does(machine, "o")[1].decode("latin-1").replace("\r\n", "\n")
    for name in ("fifo", "socket"):
        assert f"[{name}] is 3, 3; read: not supported; write: not supported;" in said
    for name in names:
        assert f"[{name.decode('latin-1')}] is 0, 0; read: ok; write: ok;" in said
        assert Path(os.fsdecode(name)).read_text() == "xdd"
    assert said.count(" is ") == len(names) + 2


def test_the_host_removes_what_is_open(boot, folder):
    for name in ("goes", "unread"):
        (folder / name).write_text("open")
    machine = boot(SHARE, "--share", str(folder))
    machine.see("ready")
    machine.type("r")
    machine.see("open\r\n")
    with (folder / "goes").open() as file:
        for name in ("goes", "unread"):
            (folder / name).unlink()
        machine.type("x")
        said = machine.see("(?s)(.*)done: r, 0 failures")[1].decode()
        assert "unread: not found" in said and "goes: not found" in said
        assert file.read() == "Weenmore"


def test_what_the_host_does_the_machine_sees(boot, folder):
    edited = folder / "edited"
    edited.write_text("first")
    machine = boot(SHARE, "--share", str(folder))
    machine.see("ready")
    assert "edited: 5 bytes" in does(machine, "e")[1].decode()
    with open(edited, "a") as file:
        file.write(" and more")
    assert "edited: 14 bytes" in (said := does(machine, "e")[1].decode()) and "and more]" in said
    (folder / "new").write_text("as editors save")
    os.replace(folder / "new", edited)
    os.utime(edited, (5, 5))
    assert "edited: 15 bytes, at 5: [as editors save]" in does(machine, "e")[1].decode()
    machine.type("q")
    machine.see(PROMPT)
    edited.write_text("from the host\n")
    assert machine.ask("cat edited") == "from the host"
    (folder / "d").mkdir()
    (folder / "d/x").write_text("x")
    assert "x" in machine.ask("ls d")


def test_the_payload_is_made_again_while_the_machine_runs(boot, folder):
    """Without a payload on the command line the folder's kexec runs, whatever it is by then."""
    def build(text: str) -> None:
        source = folder.parent / "text.c"
        source.write_text('#include "vesper.h"\n#include "vesper_text.h"\n'
                          'int main(struct vesper *v) { vesper_print(v, "[%s]", "' + text +
                          '"); return 0; }\n')
        (folder / "kexec").write_bytes(payload.make(source, folder.parent).read_bytes())

    build("one")
    machine = boot(None, "--share", str(folder))
    machine.see(r"\[one\]")
    machine.see(PROMPT)
    build("another one")
    machine.type("run\n")
    machine.see(r"\[another one\]")


def test_a_folder_for_reading_only(boot, folder):
    (folder / "edited").write_text("text")

    def change(pc):
        pc.shares[0].read_only = True

    machine = boot(SHARE, "--share", str(folder), change=change)
    machine.see("ready")
    assert "edited: 4 bytes" in does(machine, "e")[1].decode()
    machine.type("s")
    machine.see("mkdir: .*read-only")


def test_no_share_of_that_name(boot, folder):
    machine = boot(ECHO, "--share", str(folder), "--append", "root=nowhere")
    machine.see("root=nowhere: there is no such disk or partition; there are: vio9p0 vio9p1")


@pytest.mark.xdist_group("run")
def test_run_with_a_share(folder):
    def run(*words) -> subprocess.CompletedProcess:
        return subprocess.run([ROOT / "vesper", "run", *words], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=100, text=True)

    assert f"there is no {shown(folder / 'kexec')}" in run("--share", str(folder)).stderr
    assert "is not a folder" in run("--share", str(folder / "none")).stderr
    assert "needs PCI" in run("--share", str(folder), "--machine", "isapc").stderr
    assert "--boot netbsd" in run("--share", str(folder), "--boot", "netbsd").stderr
    assert "exclude" in run("--share", str(folder), "--root", str(folder)).stderr
    result = run("--share", str(folder), str(HERE / "payloads/return.asm"), "--timeout", "60")
    assert result.returncode == 4 and "the payload returned 42" in result.stdout
    assert not list(folder.iterdir())


def test_paths_with_commas():
    words = qemu.Share("t", Path("/a,b")).command_line()
    assert "path=/a,,b," in words[1]
