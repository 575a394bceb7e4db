# SPDX-License-Identifier: BSD-2-Clause
"""What is on the screen: VGA text, and the frame buffer that GRUB or UEFI hands over."""
import shutil
import time
from pathlib import Path

import pytest
from machine import Machine
from screen import text_of
from workbench import build, image, payload
from workbench.console import tool
from workbench.qemu import Pc

OBEY = Path(__file__).parent / "payloads/obey.c"
FIRMWARE = "/usr/share/ovmf/OVMF.fd"
GREY = (0xAA, 0xAA, 0xAA)


def last_lines(count: int) -> list[str]:
    """Of what obey.c writes for l."""
    return [f"line {i:08x}" for i in range(100 - count, 100)]


def log_of(machine: Machine, columns: int) -> list[str]:
    """What Vesper said on the serial port, as a screen shows it."""
    said = machine.text()
    lines = said[said.index("isa0 at mainbus0"):].rstrip("\n").split("\n")
    return [line[i:i + columns].rstrip() for line in lines
            for i in range(0, max(len(line), 1), columns)]


def becomes(look, right) -> None:
    """Screens are written after the serial port."""
    limit = time.monotonic() + 20
    while not right(shown := look()) and time.monotonic() < limit:
        time.sleep(0.1)
    assert right(shown), "\n".join(shown)


def write_lines(machine: Machine) -> None:
    machine.type("l")
    machine.see("line 00000063.*\n")


def test_vga_text_shows_the_log_and_the_payloads_output(boot):
    machine = boot(OBEY, "--append", "args=at work")
    machine.see("ready")
    machine.type("b")
    machine.see("key 00000062.*\n")
    log = log_of(machine, 80)
    assert "ready [at work]" in log
    becomes(machine.text_screen, lambda screen: log == screen[:len(log)])
    picture = machine.picture()
    assert (picture.width, picture.height) == (720, 400)
    assert picture.colors() == {(0, 0, 0), (0xA8, 0xA8, 0xA8)}


@pytest.mark.parametrize("name", ("pc", "isapc"))
def test_vga_text_scrolls(boot, name):
    machine = boot(OBEY, "--machine", name)
    machine.see("ready")
    write_lines(machine)
    becomes(machine.text_screen, lambda screen: screen == last_lines(24) + [""])


def graphics_disk(work: Path, loader: image.Loader) -> Path:
    image.make_disk(work / "disk", fs="ffs2", label="mbr", kexec=payload.make(OBEY, work),
                    loader=loader, work=work / "work")
    return work / "disk"


def shows_what_happens(machine: Machine, width: int, height: int, bits: int) -> None:
    machine.see(f"genfb0 at mainbus0: {width} x {height}, {bits} bits a pixel", 90)
    machine.see("ready.*\n")
    machine.keys("b")
    machine.see("key 00000062.*\n")
    log = log_of(machine, width // 8) + ["_"]
    becomes(lambda: text_of(machine.picture()), lambda screen: log == screen[1:len(log) + 1])
    write_lines(machine)
    lines = last_lines(height // 16 - 1) + ["_"]
    becomes(lambda: text_of(machine.picture()), lambda screen: screen == lines)
    picture = machine.picture()
    assert (picture.width, picture.height) == (width, height)
    black, (red, green, blue) = sorted(picture.colors())
    assert black == (0, 0, 0)
    assert all(abs(channel - 0xAA) < 8 for channel in (red, green, blue))  # 5 bits are few


@pytest.mark.parametrize("protocol, mode", [
    ("multiboot2", (1024, 768, 32)), ("multiboot2", (1024, 768, 24)),
    ("multiboot2", (800, 600, 16)),
    ("multiboot2", (640, 480, 32)), ("netbsd", (800, 600, 32))])
def test_grubs_frame_buffer(power_on, tmp_path, protocol, mode):
    loader = image.Loader(protocol, build.kernel(), mode="{}x{}x{}".format(*mode))
    disk = graphics_disk(tmp_path, loader)
    machine = power_on(Pc(disks=[disk], boot_disk=disk, options=["-nodefaults"]))
    shows_what_happens(machine, *mode)


def uefi_disk(work: Path, kernel: Path) -> Path:
    """FAT with GRUB where UEFI looks for a program, and all else beside it."""
    tree = work / "tree"
    (tree / "EFI/BOOT").mkdir(parents=True)
    shutil.copyfile(kernel, tree / "vesper")
    commands = work / "efi.cfg"
    commands.write_text("serial --unit=0 --speed=115200\nterminal_output console serial\n"
                        "set root=hd0,msdos1\nmultiboot2 /vesper args=UEFI\n"
                        "set gfxpayload=1024x768x32\nboot\n")
    tool("grub-mkimage", "-O", "x86_64-efi", "-o", tree / "EFI/BOOT/BOOTX64.EFI",
         "-p", "(hd0,msdos1)/", "-c", commands, "part_msdos", "fat", "multiboot2", "serial",
         "terminal", "boot", "efi_gop")
    image.make_disk(work / "disk", fs="fat16", label="mbr", kexec=payload.make(OBEY, work),
                    root=tree, work=work / "work")
    return work / "disk"


@pytest.mark.parametrize("name, memory", [("pc", 128), ("q35", 1024), ("pc", 4096)])
def test_uefi(power_on, tmp_path, name, memory):
    disk = uefi_disk(tmp_path, build.kernel())
    machine = power_on(Pc(program="qemu-system-x86_64", machine=name, memory=memory, disks=[disk],
                          boot_disk=disk, options=["-nodefaults", "-bios", FIRMWARE]))
    shows_what_happens(machine, 1024, 768, 32)
    assert "ready [UEFI]" in machine.text()
    machine.type("m")
    # The firmware keeps what lies at 8 MiB.
    assert int(machine.see("arena ([0-9a-f]{8})")[1], 16) >= 3 << 20
    machine.type("o")
    machine.ends("off")
