# SPDX-License-Identifier: BSD-2-Clause
"""SD cards."""
import disks
import pytest
from machine import PROMPT
from test_scsi import MEDIA, sum_of
from workbench.console import ROOT

OBEY = ROOT / "tests/emu/payloads/obey.c"
GIB = 1 << 30


def card(drive: str, name: str = "", controller: str = "", more: str = "") -> tuple[str, ...]:
    return ("-device", f"sdhci-pci,id=sd{name}{controller}",
            "-device", f"sd-card,drive={drive}{more}")


@pytest.mark.parametrize("pc", ("pc", "q35"))
def test_the_root_may_be_on_one(boot, pc):
    def change(machine):
        with machine.disks[0].open("ab") as image:  # a power of two, as cards are
            image.truncate(16 << 20)
        disks.root_on(*card("disk0"))(machine)

    machine = boot(OBEY, "--machine", pc, change=change)
    machine.see("ready")
    assert "\nsdhc0 at pci0" in machine.text() and "SD host controller" in machine.text()
    assert "\nld0 at sdhc0 slot 0: <QEMU!>, SD, 16 MiB, 32768 sectors\n" in machine.text()
    assert "polled" not in machine.text()


@pytest.mark.parametrize("size, more, controller", (
    (disks.SECTORS * 512, "", ""), (4 * GIB, "", ""), (disks.SECTORS * 512, ",spec_version=1", ""),
    (disks.SECTORS * 512, "", ",capareg=0x057034b4")),
    ids=("SDSC", "SDHC", "SD 1", "without DMA"))
def test_reads_and_writes_as_the_host_sees_them(boot, tmp_path, size, more, controller):
    path = disks.make(tmp_path / "disk.img", size)
    machine = boot(disks.PAYLOAD, "--append", "args=ld0 check", qemu_options=(
        *disks.drive(path, "n"), *card("n", "", controller, more)))
    disks.check(machine, "ld0", path, 512, size)


def test_two_controllers(boot, tmp_path):
    options = []
    for name in "ab":
        path = disks.make(tmp_path / f"{name}.img")
        options += [*disks.drive(path, name), *card(name, name)]
    machine = boot(MEDIA, "--append", "args=ld1", qemu_options=tuple(options))
    machine.see("ready")
    machine.type("r")
    machine.see(sum_of(path))


def test_a_slot_without_a_card(boot):
    machine = boot(None, qemu_options=("-device", "sdhci-pci"))
    machine.see(PROMPT)
    assert "SD host controller" in machine.text() and "ld0" not in machine.text()


def test_a_card_that_is_taken_out_is_gone(boot, tmp_path):
    path = disks.make(tmp_path / "disk.img")
    machine = boot(disks.PAYLOAD, "--append", "args=ld0 storm", qemu_options=(
        *disks.drive(path, "n"), "-device", "sdhci-pci", "-device", "sd-card,drive=n,id=card"))
    machine.see("ld0: 16384 blocks")
    machine.qmp("eject", id="card", force=True)
    machine.see("ld0 storm: the device has been removed\r\n")
    machine.see(PROMPT)
