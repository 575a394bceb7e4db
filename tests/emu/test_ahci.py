# SPDX-License-Identifier: BSD-2-Clause
"""AHCI controllers: disks and CD drives at SATA ports; and the same disks at IDE."""
import re

import disks
import pytest
from machine import PROMPT
from workbench.console import ROOT

OBEY = ROOT / "tests/emu/payloads/obey.c"
MEDIA = ROOT / "tests/emu/payloads/media.c"
Q35 = ("--machine", "q35")
CONTROLLER = ("-device", "ich9-ahci,id=sata")


def disk(drive: str, port: int, more: str = "", bus: str = "ide") -> tuple[str, str]:
    """At a port of q35's own controller, whose bus is "ide"."""
    return ("-device", f"ide-hd,drive={drive},bus={bus}.{port}{more}")


@pytest.mark.parametrize("pc, bus", (("q35", "ide"), ("pc", "sata")))
def test_the_root_may_be_on_one(boot, pc, bus):
    more = CONTROLLER if bus == "sata" else ()
    machine = boot(OBEY, "--machine", pc, change=disks.root_on(*more, *disk("disk0", 4, bus=bus)))
    machine.see("ready")
    text = machine.text()
    assert re.search(r"\nahci0 at pci0 dev \d+ function \d: 8086:2922, AHCI 1.0, 6 ports, "
                     r"32 commands at once, NCQ\n", text)
    assert re.search(r"\nwd0 at ahci0 port 4: <QEMU HARDDISK>, \d+ MiB, \d+ sectors, NCQ\n", text)
    assert "polled" not in text


def test_reads_and_writes_as_the_host_sees_them(boot, tmp_path):
    disks.reads_and_writes(boot, tmp_path, *disk("n", 5), name="wd1", words=Q35)


def test_the_same_on_ide(boot, tmp_path):
    machine = disks.reads_and_writes(boot, tmp_path, "-device", "ide-hd,drive=n,bus=ide.1,unit=1",
                                     name="wd1")
    assert "wd1 discard: no error" in machine.text()


# Blocks of 4096 bytes are for tests/host/ahci_test.cpp: QEMU 7.2 has none on ide-hd.
def test_many_ports_and_controllers(boot, tmp_path):
    options, paths = list(CONTROLLER), []
    for number, (port, bus) in enumerate(((0, "ide"), (1, "ide"), (3, "sata"), (5, "sata"))):
        paths.append(disks.make(tmp_path / f"{number}.img"))
        options += disks.drive(paths[-1], f"d{number}")
        options += disk(f"d{number}", port, bus=bus)
    machine = disks.run(boot, "check", *options, name="wd4", words=Q35)
    text = machine.see("(.*)wd4 reads")[0].decode()
    port = re.search(r"\nwd4 at ahci\d port (\d)", text)[1]
    machine.read_up_to = 0
    disks.check(machine, "wd4", paths[1 if port == "1" else 3], 512, disks.SECTORS * 512)
    for number in (1, 2, 3, 4):
        assert re.search(rf"\nwd{number} at ahci\d port \d: <QEMU HARDDISK>, 8 MiB, 16384 sectors, "
                         rf"NCQ\n", machine.text())


def test_beyond_two_tebibytes(boot, tmp_path):
    disks.reads_and_writes(boot, tmp_path, *disk("n", 0), size=3 * disks.TIB, name="wd1", words=Q35)


@pytest.mark.parametrize("what, event", (("read", "read_aio"), ("fill", "write_aio")))
def test_an_error_names_its_blocks(boot, tmp_path, what, event):
    machine = disks.has_a_bad_block(boot, tmp_path, what, event,
                                    *disk("n", 2, ",werror=report,rerror=report"), name="wd1",
                                    words=Q35)
    verb = "write" if what == "fill" else "read"
    assert re.search(rf"\nwd1: {verb} of blocks 0...2047: ABRT \(status [0-9a-f]+, error 04\)\n",
                     machine.text())
    assert machine.text().count(f"{verb} of blocks") == 1


def test_one_bad_block_does_not_keep_others_from_being_read(boot, tmp_path):
    machine = disks.has_a_bad_block(boot, tmp_path, "storm", "read_aio",
                                    *disk("n", 2, ",rerror=report"), name="wd1", words=Q35)
    assert re.search(r"\nwd1: \d+ requests stopped: ABRT", machine.text())
    assert "\nwd1: read of blocks 776...783: ABRT" in machine.text()


def test_a_cd_at_a_port(boot, tmp_path):
    image = tmp_path / "a.iso"
    image.write_bytes(bytes(range(256)) * 8 * 700)
    machine = boot(MEDIA, "--machine", "q35", "--append", "args=cd0", qemu_options=(
        "-drive", f"if=none,id=disc,media=cdrom,format=raw,file={image}",
        "-device", "ide-cd,bus=ide.3,drive=disc"))
    machine.see("ready")
    assert re.search(r"\ncd0 at ahci0 port 3: <QEMU DVD-ROM>, CD/DVD, ", machine.text())
    machine.type("r")
    machine.see(r"sum [0-9a-f]{8}, no error\r\n")


# Not under load: QEMU 7.2 then uses memory that it has freed. tests/host/ahci_test.cpp does that.
def test_an_unplugged_controller(boot, tmp_path):
    path = disks.make(tmp_path / "disk.img")
    machine = boot(disks.PAYLOAD, "--append", "args=wd1 read", qemu_options=(
        *disks.drive(path, "n"), "-device", "ich9-ahci,id=sata,addr=5", *disk("n", 0, bus="sata")))
    machine.see("wd1 read: no error")
    machine.see(PROMPT)
    machine.qmp("device_del", id="sata")
    machine.ask("out.l 0xae10 0")
    machine.ask("out.l 0xae08 0x20")  # ejects slot 5, as an ACPI system does
    machine.type("run\n")
    machine.see("wd1: it has been removed\r\n")
    machine.see("wd1 read: the device has been removed\r\n")


def test_a_claimed_controller_is_quiet_and_comes_back(boot, tmp_path):
    path = disks.make(tmp_path / "disk.img")
    machine = boot(ROOT / "tests/emu/payloads/claims.c", "--machine", "q35", qemu_options=(
        *disks.drive(path, "n"), *disk("n", 1)))
    machine.see(r"ahci0: no error\r\n")
    found = machine.text().rsplit("ahci0: no error", 1)[0].rsplit("pcidev0.31.0: no error", 1)[1]
    assert "\nwd1 at ahci0 port 1: " in found, "anew, under its old name"


def test_a_trace_says_it_in_the_specifications_words(boot):
    machine = boot(None, "--machine", "q35", "--append", "trace=wd0",
                   change=disks.root_on(*disk("disk0", 1)))
    machine.see(PROMPT, 100)
    text = machine.text()
    for line in ("write  hba::Ghc = 0x80000001: AhciEnable HbaReset",
                 "write  fis::Command = 0xec: IDENTIFY DEVICE",
                  "write  fis::Command = 0xc8: READ DMA",
                 "write  header::Flags = 0x00010005: Descriptors: 1 FisWords: 5",
                 "write  port::Ci = 0x00000001", "Detection: established"):
        assert line in text, line
