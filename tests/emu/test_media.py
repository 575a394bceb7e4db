# SPDX-License-Identifier: BSD-2-Clause
"""Roots on CDs, on disks with a GPT, and in memory."""
import re
import subprocess
from pathlib import Path

import disks
import pytest
from machine import PROMPT
from workbench import build, image, packages, payload
from workbench.console import ROOT
from workbench.qemu import Pc

HERE = Path(__file__).parent
ECHO = HERE / "payloads/echo.asm"
COPY = ROOT / "samples/copy.c"


def echoes(machine) -> None:
    machine.see("X")
    machine.type("k")
    machine.see("k")


# ---- archives that the loader puts into memory ----

@pytest.mark.parametrize("fs", image.ARCHIVES)
@pytest.mark.parametrize("protocol", ("multiboot", "multiboot2", "pvh"))
def test_a_root_in_memory(boot, protocol, fs):
    machine = boot(ECHO, "--boot", protocol, "--fs", fs)
    machine.see(r"md0 at mainbus0: <.*?>, \d+ bytes")
    machine.see(f"root on md0: {fs}")
    echoes(machine)


@pytest.mark.parametrize("protocol", ("multiboot", "multiboot2"))
def test_a_large_archive_stays_where_it_is(boot, protocol):
    """Larger than the heap of 2 MiB, and than what is between the kernel and the payload."""
    size = 12 << 20
    text = b"the end of a large file\n"
    machine = boot(HERE / "payloads/return.asm", "--fs", "tar", "--boot", protocol,
                   "--memory", "32",
                   files={"large": bytes(size - len(text)) + text, "small": b"small\n"})
    machine.see("root on md0: tar")
    machine.see("the payload returned 42")
    machine.see(PROMPT)
    assert f"{size}  large" in machine.ask("ls")
    said = machine.ask("mem")
    start, length = re.search(r"module .* at 0x(\w+), (\d+) bytes", said).groups()
    arena_end = int(re.search(r" - 0x(\w+) +\d+ KiB  the payload's", said)[1], 16)
    used = int(re.search(r"heap: (\d+) of", said)[1])
    assert int(start, 16) >= arena_end - 0xC0000000
    assert int(length) > size and used < 1500
    assert machine.memory(int(start, 16), int(length)).count(text) == 1
    assert machine.ask("cat small") == "small"


def test_a_file_in_memory_is_written(boot):
    content = b"".join(b"%d: %s\n" % (number, b"x" * 60) for number in range(900, 1000))
    machine = boot(COPY, "--fs", "cpio", "--append", "args=/from /to", files={"from": content})
    machine.see("root on md0: cpio")
    machine.see("the payload returned 0 ")
    machine.see(PROMPT)
    assert machine.ask("ls /to").split()[0] == str(len(content))
    assert machine.ask("cat /to").encode() == content.rstrip()


def test_the_kernels_memory_is_used_up_by_files(boot):
    machine = boot(disks.PAYLOAD, "--fs", "tar", "--append", "args=md0 exhaust")
    disks.see(machine, "md0", full="no space left", sync="no error", full_again="no space left",
              files="no error")
    machine.see(PROMPT)
    assert "kexec" in machine.ask("ls")


def test_a_packed_archive_is_named(boot, tmp_path):
    packed = tmp_path / "packed"
    subprocess.run(["tar", "czf", packed, "-C", HERE, "payloads"], check=True)
    machine = boot(ECHO, qemu_options=("-initrd", str(packed)))
    machine.see("md0: packed by gzip: unpack it before it is loaded")
    machine.see("root on wd0p1: ffs2")
    echoes(machine)


def test_a_disks_image_in_memory(boot, power_on, tmp_path):
    disk = tmp_path / "disk"
    image.make_disk(disk, fs="ext2", label="mbr", kexec=payload.make(ECHO, tmp_path), work=tmp_path)
    machine = power_on(Pc(kernel=build.kernel(), module=disk, options=["-nodefaults"]))
    machine.see("root on md0p1: ext2")
    echoes(machine)


# ---- GPT ----

@pytest.mark.parametrize("damage", (512 + 20, 1024 + 40))
def test_the_copy_of_a_damaged_gpt(boot, damage):
    def change(pc):
        data = bytearray(pc.disks[0].read_bytes())
        data[damage] ^= 1
        pc.disks[0].write_bytes(data)

    machine = boot(ECHO, "--label", "gpt", "--fs", "ext2", change=change)
    machine.see("GPT: the first one cannot be used; the copy in sector")
    machine.see("wd0p1: Linux \"root\", .* at sector 2048")
    machine.see("root on wd0p1: ext2")
    echoes(machine)


# ---- CDs' images ----

@pytest.fixture
def tree(tmp_path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "kexec").write_bytes(payload.make(ECHO, tmp_path).read_bytes())
    return folder


def on_a_disk(power_on, disk: Path):
    return power_on(Pc(kernel=build.kernel(), disks=[disk], options=["-nodefaults"]))


def test_a_bridge_disc_is_udf(power_on, tmp_path, tree):
    packages.ensure("genisoimage")
    disk = tmp_path / "disk.iso"
    subprocess.run(["genisoimage", "-quiet", "-udf", "-o", disk, tree], check=True)
    machine = on_a_disk(power_on, disk)
    machine.see("root on wd0: udf")
    echoes(machine)


def test_a_hybrid_disc_is_the_root_beside_its_partitions(power_on, tmp_path, tree):
    """As distributions are written to sticks."""
    packages.ensure("xorriso", "grub-pc-bin", "dosfstools")
    disk, efi, grub = tmp_path / "disk.iso", tmp_path / "efi.img", Path("/usr/lib/grub/i386-pc")
    subprocess.run(["mkfs.fat", "-C", efi, "400"], check=True, stdout=subprocess.DEVNULL)
    (tree / "cdboot.img").write_bytes((grub / "cdboot.img").read_bytes())
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-b", "cdboot.img", "-no-emul-boot",
                    "-boot-load-size", "4", "--grub2-mbr", grub / "boot_hybrid.img",
                    "-partition_offset", "16", "-append_partition", "2", "0xef", efi,
                    "-appended_part_as_gpt", "-o", disk, tree], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    machine = on_a_disk(power_on, disk)
    machine.see('wd0p2: EFI "Appended2", 400 KiB')
    machine.see("root on wd0: iso9660")
    echoes(machine)
