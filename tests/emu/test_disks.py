# SPDX-License-Identifier: BSD-2-Clause
"""Every controller, and the same for each: the root on it, all that a payload can do to a disk, bad
blocks, a full volume, and what happens when it goes. What only one of them can do is in files of
their own."""
import re
from dataclasses import dataclass

import disks
import pytest
from machine import PROMPT

GIB = 1 << 30
Q35, ISA, OLD = ("--machine", "q35"), ("--machine", "isapc"), ("--cpu", "486")
SCSI = ("-device", "virtio-scsi-pci,id=scsi,addr=5")
ATA = "(ABRT|UNC|IDNF) "


@dataclass(frozen=True)
class Controller:
    unit: str                       # of the disks: wd0 ...
    device: str                     # what connects drive {name} as the {n}-th disk
    attached: str                   # what the log says of it
    fs: str = "ffs2"                # the root's
    words: tuple[str, ...] = ()     # what else the workbench is told
    before: tuple[str, ...] = ()    # what else the emulator is told, before the disks
    size: int = 3 * disks.TIB       # of the disk that is checked,
    block_bytes: int = 512          # and its blocks
    large: bool = True              # 16 MiB in one call: not where each word costs QEMU its time
    says: str | None = ""           # of sectors 777 and 1555, which are bad; None: QEMU has none
    goes: str = ""                  # what is taken out under load,
    key: str = ""                   # and which key is typed then

    def options(self, n: int, name: str) -> tuple[str, ...]:
        words = self.device.format(n=n, name=name, channel=n // 2, unit=n % 2, slot=4 + n)
        if n and self.block_bytes > 512:
            words += ",logical_block_size={0},physical_block_size={0}".format(self.block_bytes)
        return tuple(word for part in words.split() for word in ("-device", part))


IDE = "ide-hd,drive={name},bus=ide.{channel},unit={unit}"
NVME = "nvme,drive={name},serial={n},addr={slot},id=disk{n}"
VIRTIO = "virtio-blk-pci,drive={name},addr={slot},id=disk{n}"
HD = "scsi-hd,drive={name},bus=scsi.0,scsi-id={n},id=disk{n}"
CARD = "sdhci-pci sd-card,drive={name},id=disk{n}"
# With reads under way QEMU 7.2 itself crashes when an NVMe controller or AHCI's is unplugged. Key q
# does it between two reads; the host tests' fakes go in the middle of them.
CONTROLLERS = {
    "ide": Controller("wd", IDE, "wd1 at ata0 drive 1: <QEMU HARDDISK>, [^\n]*, MWDMA2\n", "fat16",
                      says=ATA),
    "ide on ISA": Controller("wd", IDE, "wd1 at ata0 drive 1: <QEMU HARDDISK>, [^\n]*, PIO\n",
                             "ffs1", ISA, large=False, says=ATA),
    "ahci": Controller("wd", "ide-hd,drive={name},bus=ide.{n}",
                       "wd1 at ahci0 port 1: <QEMU HARDDISK>, [^\n]*, NCQ", "ext4", Q35, says=ATA),
    "ahci by its line": Controller(
        "wd", "ide-hd,drive={name},bus=sata.{n}",
        "ahci0 at pci0 [^\n]*: 8086:2922, AHCI 1.0, 6 ports, 32 commands at once, NCQ\n",
        words=OLD, before=("-device", "ich9-ahci,id=sata"), says=ATA),
    "nvme": Controller("ld", NVME + ",mdts=3",
                       "nvme0 at pci0 [^\n]*: NVM Express 1.4, <QEMU NVMe Ctrl>, 63 ", "ext2",
                       says="(unrecovered read error|write fault) ", goes="disk1", key="q"),
    "nvme by its line": Controller("ld", NVME, "ld1 at nvme1 nsid 1: ", "ffs2", (*OLD, *Q35),
                                   says="(unrecovered read error|write fault) "),
    "virtio-blk": Controller("ld", VIRTIO, "virtio block device, modern interface\n", "ext2",
                             says="I/O error", goes="disk1", key="e"),
    "virtio-blk by its line": Controller(
        "ld", VIRTIO + ",disable-legacy=on,vectors=0", "virtio block device, modern interface\n",
        "fat32", Q35, block_bytes=4096, says="I/O error"),
    "virtio-blk legacy": Controller(
        "ld", VIRTIO + ",disable-modern=on", "virtio block device, legacy interface\n",
        says="I/O error", goes="disk1", key="e"),
    "virtio-blk legacy by its line": Controller(
        "ld", VIRTIO + ",disable-modern=on,vectors=0,event_idx=off",
        "virtio block device, legacy interface\n", "ext4", OLD, says="I/O error"),
    "virtio-scsi": Controller("sd", HD, "sd1 at vioscsi0 target 1 lun 0: ", before=SCSI,
                              goes="disk1"),
    "virtio-scsi by its line": Controller(
        "sd", HD, "virtio SCSI host, modern interface", "ext4", block_bytes=4096,
        before=(SCSI[0], SCSI[1] + ",disable-legacy=on,vectors=0"), goes="scsi", key="e"),
    "virtio-scsi legacy": Controller(
        "sd", HD, "virtio SCSI host, legacy interface", "fat16", OLD,
        before=(SCSI[0], SCSI[1] + ",disable-modern=on")),
    "sd card": Controller("ld", CARD, "ld1 at sdhc1 slot 0: <QEMU!>, SD, ", "fat16", size=4 * GIB,
                          large=False, says=None, goes="disk1"),
    "sd card without DMA": Controller(
        "ld", "sdhci-pci,capareg=0x057034b4 sd-card,drive={name},spec_version=1",
        "ld1 at sdhc1 slot 0: <QEMU!>, SD, ", "ffs1", Q35, size=16 << 20,
        large=False, says=None),
}


def has_bad_blocks(machine, name: str, says: str) -> None:
    disks.see(machine, name, beside_the_bad_one="no error",
              bad_read="the device reported an error")
    machine.see(rf"{name} 1 of 256 reads failed, 0 are wrong")
    disks.see(machine, name, bad_write="the device reported an error")
    machine.see(rf"{name} 1 of 256 writes failed, 0 are wrong")
    for verb in ("read", "write"):
        assert re.search(rf"\n{name}: {verb} of blocks? [\d.]+: {says}", machine.text())


@pytest.mark.parametrize("kind", CONTROLLERS)
def test_a_disk_is_all_that_a_disk_is(boot, tmp_path, kind):
    it = CONTROLLERS[kind]
    checked = disks.make(tmp_path / "checked.img", it.size, it.block_bytes)
    bad = disks.make(tmp_path / "bad.img", 64 << 20, it.block_bytes)
    options = (*disks.drive(checked, "checked"), *it.options(1, "checked"),
               *disks.broken(bad, "bad"), *it.options(2, "bad"))
    names = [f"{it.unit}{n}" for n in range(3)]
    has_bad = it.says is not None
    words = [f"{names[1]} check", f"{names[1]} huge" * it.large, f"{names[2]} bad" * has_bad,
             f"{names[0]} exhaust", f"{names[1]} storm"]
    change = disks.root_on(*it.before, *it.options(0, "disk0"), size=32 << 20)
    machine = boot(disks.PAYLOAD, "--fs", it.fs, "--label", "none", *it.words, "--append",
                   f"args={' '.join(filter(None, words))}", qemu_options=options, change=change)
    machine.see(f"root on {names[0]}: {it.fs}")
    disks.check(machine, names[1], checked, it.block_bytes)
    if it.large:
        disks.check_large(machine, names[1], checked)
    if has_bad:
        has_bad_blocks(machine, names[2], it.says)
    disks.see(machine, names[0], full="no space left", sync="no error", full_again="no space left",
              files="no error")
    assert re.search(it.attached, machine.text()) and "polled" not in machine.text()
    machine.see(rf"{names[1]}: \d+ blocks")
    if it.goes:
        if it.unit == "ld" and "sd-card" in it.device:
            machine.qmp("eject", id=it.goes, force=True)
        else:
            machine.qmp("device_del", id=it.goes)
        machine.type(it.key)
        machine.see(f"{names[1]} storm: the device has been removed\r\n")
        machine.see(PROMPT)
    machine.process.kill()
    machine.process.wait()
    disks.is_consistent(machine.work / "disk.img", it.fs)


def test_a_slot_without_a_card(boot):
    machine = boot(None, qemu_options=("-device", "sdhci-pci"))
    machine.see(PROMPT)
    assert "SD host controller" in machine.text() and "ld0" not in machine.text()


def throttle(machine, drive: str, bytes_a_second: int) -> None:
    rest = dict.fromkeys(("bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"), 0)
    machine.qmp("block_set_io_throttle", device=drive, bps=bytes_a_second, **rest)


def test_disks_that_do_not_answer_for_a_while(boot, tmp_path):
    """AHCI's are for the host tests: the driver's write that resets the link (PxSCTL) does not
    return while a command of NCQ is under way: QEMU 7.2 waits for its end there, by
    bdrv_aio_cancel(), with the lock that all of QEMU needs, QMP's as well."""
    devices = {"ld0": "nvme,serial=1,addr=8", "ld1": "virtio-blk-pci,addr=9"}
    options = []
    for name, device in devices.items():
        options += [*disks.drive(disks.make(tmp_path / name), name), "-device",
                    f"{device},drive={name},id={name}"]
    words = ["wd0 key", *(f"{name} late" for name in (*devices, *devices)), "wd0 wait", "wd0 key",
             *(f"{name} read" for name in devices)]
    machine = boot(disks.PAYLOAD, "--append", f"args={' '.join(words)}", qemu_options=options)
    machine.see("wd0: ")
    for name in devices:
        throttle(machine, name, 1)
    machine.type(" ")
    for name in devices:
        disks.see(machine, name, late="no error")
    for name in devices:
        disks.see(machine, name, late="the device did not answer in time")
        throttle(machine, name, 0)
    machine.type(" ")
    for name in devices:
        disks.see(machine, name, read="no error")


@pytest.mark.slow  # a minute
def test_a_scsi_disk_that_does_not_answer(boot, tmp_path):
    words = ["wd0 key", "sd0 late", "sd0 late", "wd0 wait", "sd0 read"]
    machine = boot(disks.PAYLOAD, "--append", f"args={' '.join(words)}", qemu_options=(
        *SCSI, *disks.drive(disks.make(tmp_path / "late.img"), "late"),
        *("-device", "scsi-hd,drive=late,bus=scsi.0")))
    machine.see("wd0: ")
    throttle(machine, "late", 1)
    machine.type(" ")
    for said in ("sd0 late: no error",  # QEMU lets the first one through
                 "vioscsi0: stopped, because a command does not end",
                 "sd0: no answer; once more", "vioscsi0: stopped, because a command does not end",
                 "sd0: does not answer, and is left alone for 30 seconds",
                 "sd0 late: the device did not answer in time",
                 "sd0: read of blocks 0...2047: it did not answer before",
                 "sd0 read: the device did not answer in time", PROMPT):
        machine.see(said)
