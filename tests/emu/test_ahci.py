# SPDX-License-Identifier: BSD-2-Clause
"""What AHCI controllers have beside what test_disks.py has."""
import re

import disks
from machine import PROMPT
from workbench.console import ROOT

Q35 = ("--machine", "q35")
CONTROLLER = ("-device", "ich9-ahci,id=sata")


def disk(drive: str, port: int, more: str = "", bus: str = "ide") -> tuple[str, str]:
    """At a port of q35's own controller, whose bus is "ide"."""
    return ("-device", f"ide-hd,drive={drive},bus={bus}.{port}{more}")


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
    disks.check(machine, "wd4", paths[1 if port == "1" else 3])
    for number in (1, 2, 3, 4):
        assert re.search(rf"\nwd{number} at ahci\d port \d: <QEMU HARDDISK>, 8 MiB, 16384 sectors, "
                         rf"NCQ\n", machine.text())


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
