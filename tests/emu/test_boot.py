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


# Where the root's disk is, and blank ones: master and slave of the first channel, of the second.
PLACES = {"alone": "R", "slave": "-R", "second channel": "--R", "second slave": "---R",
          "behind a blank one": "bR", "behind three": "bbbR", "before another": "Rb"}
FACTORS = {
    "protocol": PROTOCOLS,
    "fs": image.FILE_SYSTEMS,
    "label": image.LABELS,
    "place": tuple(PLACES),
    "machine": ("pc", "q35", "isapc"),
    "cpu": ("486", "486,-pse", "pentium", "pentium3", "max"),
    "memory": (8, 16, 64, 512, 4096),
    "root": ("found", "given"),
}


def is_possible(choice: dict) -> bool:
    """GRUB needs room on the disk; the ISA machine has no 4 GiB, and boots its first disk only."""
    grub = choice.get("protocol") in ("multiboot2", "netbsd")
    if grub and choice.get("label") == "none":
        return False
    if choice.get("machine") != "isapc":
        return True
    first = PLACES.get(choice.get("place"), "").lstrip("-").startswith
    return choice.get("memory") != 4096 and not (grub and first("b"))


def pairwise(factors: dict) -> list[dict]:
    """Choices of which every possible pair of values is in at least one."""
    names = list(factors)
    missing = {((a, x), (b, y)) for i, a in enumerate(names) for b in names[i + 1:]
               for x in factors[a] for y in factors[b] if is_possible({a: x, b: y})}
    choices = []
    while missing:
        choice = dict(min(missing, key=str))
        for name in names:
            if name in choice:
                continue
            known = [(other, choice[other]) for other in names if other in choice]
            possible = [x for x in factors[name] if is_possible(choice | {name: x})]

            def gain(value):
                return sum(pair in missing or pair[::-1] in missing
                           for pair in (((name, value), other) for other in known))

            choice[name] = max(possible, key=gain)
        ordered = [(name, choice[name]) for name in names]
        missing -= {(x, y) for i, x in enumerate(ordered) for y in ordered[i + 1:]}
        choices.append(dict(ordered))
    return choices


@pytest.mark.parametrize("choice", [pytest.param(choice, id="-".join(map(str, choice.values())))
                                    for choice in pairwise(FACTORS)])
def test_all_pairs(boot, tmp_path, choice):
    place = PLACES[choice["place"]]
    number = place.replace("-", "").index("R")
    root = f"wd{number}" + {"mbr": "p1", "gpt": "p1", "bsd": "a", "none": ""}[choice["label"]]
    blank = tmp_path / "blank"
    blank.write_bytes(bytes(1 << 20))

    def rearrange(pc):
        kinds = {"R": pc.disks[0], "b": blank, "-": None}
        pc.disks = [kinds[kind] for kind in place]
        pc.options += ["-snapshot"]  # the blank ones are one file

    words = [f"--{name}" if name != "protocol" else "--boot" for name in
             ("protocol", "fs", "label", "machine", "cpu", "memory")]
    values = [str(choice[name]) for name in
              ("protocol", "fs", "label", "machine", "cpu", "memory")]
    given = ["--append", f"root={root}"] if choice["root"] == "given" else []
    machine = boot(OBEY, *(word for pair in zip(words, values) for word in pair), *given,
                   change=rearrange)
    mode = machine.see(f"wd{number} at ata[01] drive [01]: .*?(DMA|PIO)", 90)[1]
    assert mode == (b"PIO" if choice["machine"] == "isapc" else b"DMA")
    machine.see(f"root on {root}: {choice['fs']}")
    answers(machine)


@pytest.mark.parametrize("cpu", ("486,-pse", "pentium3"))
@pytest.mark.parametrize("memory", (8, 256))
@pytest.mark.parametrize("config", ("MINE", "TINY"))
def test_the_smaller_configurations(boot, config, memory, cpu):
    machine = boot(OBEY, "--config", config, "--cpu", cpu, "--memory", str(memory))
    answers(machine)
    machine.keys("b")
    machine.see("key 00000062")


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


@pytest.mark.parametrize("name, mode", (("pc", "MWDMA2"), ("isapc", "PIO")))
def test_ide_drives_have_their_best_mode(boot, name, mode):
    """The PIIX3 has no Ultra DMA; on ISA there is nothing that could be set."""
    machine = boot(ECHO, "--machine", name,
                   qemu_options=("-drive", "if=ide,index=2,media=cdrom"))
    machine.see(rf"wd0 at ata0 drive 0: <QEMU HARDDISK>, \d+ MiB, \d+ sectors, {mode}\r\n")
    machine.see(rf"cd0 at ata1 drive 0: <QEMU DVD-ROM>, CD/DVD, no medium, {mode}\r\n")
    echoes(machine)


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
        machine.see(CALLED, 90)
        machine.see("X")
        if emulator is V86InNode:  # its keyboard is not QEMU's
            machine.keys("k")
        else:
            machine.type("k")
        machine.see("k")
    finally:
        print(machine.text())
        machine.close()
