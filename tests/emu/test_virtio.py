# SPDX-License-Identifier: BSD-2-Clause
"""virtio devices, by each of their interfaces."""
import re

import pytest
from machine import PROMPT, WITHOUT_WAITING
from workbench.console import ROOT

RANDOM = ROOT / "samples/random.c"
NO_RDRAND = ("--cpu", "pentium3")
INTERFACES = {"": "modern", ",disable-legacy=on": "modern", ",disable-modern=on": "legacy"}


def sixteen_bytes(machine) -> bytes:
    """What the sample shows; by whom is the caller's to look at."""
    match = machine.see(r"random bytes by (\w+):((?: [0-9a-f]{2}){16})\r?\n")
    machine.see("the payload returned 0 ")
    machine.see(PROMPT)
    return match[1] + b":" + bytes.fromhex(match[2].decode())


@pytest.mark.parametrize("pc", ("pc", "q35"))
@pytest.mark.parametrize("how", INTERFACES, ids=lambda how: how.lstrip(",") or "transitional")
def test_random_bytes_come_from_the_device(boot, pc, how):
    shown = set()
    for _ in range(2):
        machine = boot(RANDOM, "--machine", pc, *NO_RDRAND,
                       qemu_options=("-device", f"virtio-rng-pci{how}"))
        shown.add(sixteen_bytes(machine))
        text = machine.text()
        assert re.search(rf"\nviornd0 at pci0 dev \d+ function 0: virtio entropy source, "
                         rf"{INTERFACES[how]} interface\n", text)
        assert text.count("viornd0") == 2, "a line of its own, and the sample's"
    assert len(shown) == 2 and all(line.startswith(b"viornd0:") for line in shown)


def test_two_devices_are_told_apart(boot):
    machine = boot(RANDOM, *NO_RDRAND, qemu_options=("-device", "virtio-rng-pci",
                                                     "-device", "virtio-rng-pci"))
    assert sixteen_bytes(machine).startswith(b"viornd0:")
    assert "\nviornd1 at pci0" in machine.text()


@pytest.mark.parametrize("how", INTERFACES, ids=lambda how: how.lstrip(",") or "transitional")
def test_a_device_that_never_answers_costs_its_deadline(boot, how):
    machine = boot(RANDOM, "--fs", "tar", *NO_RDRAND, qemu_options=(
        "-chardev", "null,id=mute", "-object", "rng-egd,chardev=mute,id=rng",
        "-device", f"virtio-rng-pci,rng=rng{how}", *WITHOUT_WAITING))
    assert sixteen_bytes(machine).startswith(b"jitter:")
    assert "viornd0: no answer\n" in machine.text()
    machine.type("run\n")  # once more, to be given up
    assert sixteen_bytes(machine).startswith(b"jitter:")
    assert "viornd0: not used any more\n" in machine.text()


def test_without_a_device_the_cpu_or_the_clocks_have_to_do(boot):
    assert sixteen_bytes(boot(RANDOM, *NO_RDRAND)).startswith(b"jitter:")
    assert sixteen_bytes(boot(RANDOM, "--cpu", "max")).startswith((b"rdseed:", b"rdrand:"))
