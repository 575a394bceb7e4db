# SPDX-License-Identifier: BSD-2-Clause
"""From power-on to a payload that answers, by every way there is."""
from pathlib import Path

import pytest
from machine import CALLED, Machine
from others import Bochs, V86InNode
from workbench import build, image, payload

HERE = Path(__file__).parent
PROTOCOLS = ("multiboot", "multiboot2", "pvh", "netbsd")
ECHO = HERE / "payloads/echo.asm"
OBEY = HERE / "payloads/obey.c"


def echoes(machine) -> None:
    """The seed's payload: prints X, waits, prints the key."""
    machine.see(CALLED)
    machine.see("X")
    machine.type("k")
    machine.see("k")


def answers(machine: Machine) -> None:
    machine.see(r"ready \[.*?\]")
    machine.type("a")
    machine.see("key 00000061")


@pytest.mark.parametrize("fs", image.FILE_SYSTEMS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_from_every_file_system(boot, protocol, fs):
    machine = boot(ECHO, "--boot", protocol, "--fs", fs)
    name = {"multiboot": "Multiboot ", "multiboot2": "Multiboot 2", "pvh": "PVH",
            "netbsd": "NetBSD"}
    machine.see(f"started by {name[protocol]}")
    machine.see(f"root on wd0p1: {fs}")
    echoes(machine)


@pytest.mark.parametrize("label, root", [("mbr", "wd0p1"), ("bsd", "wd0a"), ("none", "wd0")])
@pytest.mark.parametrize("fs", ("ffs2", "ext4", "fat16"))
@pytest.mark.parametrize("protocol", ("multiboot", "netbsd"))
def test_every_label(boot, protocol, fs, label, root):
    machine = boot(ECHO, "--boot", protocol, "--fs", fs, "--label", label)
    machine.see(f"root on {root}: {fs}")
    echoes(machine)


@pytest.mark.parametrize("cpu", ("486", "pentium", "pentium3", "max"))
@pytest.mark.parametrize("machine", ("pc", "q35", "isapc"))
def test_every_machine_and_cpu(boot, machine, cpu):
    answers(boot(OBEY, "--machine", machine, "--cpu", cpu))


@pytest.mark.parametrize("memory", (8, 16, 64, 512, 1024, 4096))
def test_every_size_of_memory(boot, memory):
    answers(boot(OBEY, "--memory", str(memory)))


@pytest.mark.parametrize("config", ("MINE", "TINY"))
def test_the_smaller_configurations(boot, config):
    answers(boot(OBEY, "--config", config))


@pytest.mark.slow
def test_the_kernel_that_clang_builds(boot):
    answers(boot(OBEY, kernel=build.kernel("GENERIC", clang=True)))


@pytest.mark.parametrize("protocol", ("multiboot", "multiboot2", "pvh"))
def test_args_reach_the_payload(boot, protocol):
    machine = boot(OBEY, "--boot", protocol, "--append", "root=wd0p1 args=one two")
    machine.see(r"ready \[one two\]")


def test_netbsds_loader_names_the_root(boot):
    machine = boot(OBEY, "--boot", "netbsd", "--label", "bsd", "--append", "-v root=wd0a")
    machine.see("root on wd0a")
    answers(machine)


def test_the_payload_switches_off(boot):
    machine = boot(OBEY)
    answers(machine)
    machine.type("o")
    machine.ends("off")


@pytest.mark.parametrize("name", ("pc", "q35", "isapc"))
def test_the_payload_reboots(boot, name):
    machine = boot(OBEY, "--machine", name)
    answers(machine)
    machine.type("r")
    machine.ends("reset")


def test_the_screen_shows_it_too(boot):
    machine = boot(OBEY)
    answers(machine)
    assert any("ready []" in line for line in machine.text_screen())
    picture = machine.picture()
    assert (picture.width, picture.height) == (720, 400)
    assert len(picture.colors()) >= 2


@pytest.mark.parametrize("emulator", (Bochs, V86InNode))
@pytest.mark.parametrize("protocol", image.LOADERS)
def test_other_peoples_pcs(tmp_path, emulator, protocol):
    loader = image.Loader(protocol, build.kernel())
    image.make_disk(tmp_path / "disk", fs="ffs2", label="mbr", kexec=payload.make(ECHO, tmp_path),
                    loader=loader, work=tmp_path)
    if emulator is Bochs:
        machine = Bochs(tmp_path / "disk", tmp_path)
    else:
        machine = V86InNode(tmp_path / "disk")
    try:
        echoes(machine)
    finally:
        print(machine.text())
        machine.close()
