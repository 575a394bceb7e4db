# SPDX-License-Identifier: BSD-2-Clause
"""Keys, mouse and power button as events: sent by QMP, shown by the monitor's command `events`."""
import re
from pathlib import Path

import pytest
from machine import PROMPT, Machine

OBEY = Path(__file__).parent / "payloads/obey.c"
EVENT = r"(\d+) (\w+): usage (\w+) (\w+), modifiers (\w+), key (\w+)\r\n"
MOTION = r"(\d+) (\w+): (by|at) (-?\d+), (-?\d+), wheel (-?\d+), buttons (\w+), changed (\w+)\r\n"


def start(boot, *words: str, **more) -> Machine:
    machine = boot(None, *words, **more)
    machine.see(PROMPT)
    machine.type("events\n")
    machine.see("pckbd0: PS/2 keyboard\r\n")
    machine.see(r"pms0: [^\r]*\r\n")
    return machine


def key(machine: Machine) -> tuple[int, int, str, int, int]:
    match = machine.see(EVENT)
    time, device, usage, what, modifiers, code = (part.decode() for part in match.groups())
    assert device == "pckbd0"
    return int(time), int(usage, 16), what, int(modifiers, 16), int(code, 16)


def motion(machine: Machine) -> tuple[int, ...]:
    match = machine.see(MOTION)
    time, device, how, *numbers = (part.decode() for part in match.groups())
    assert (device, how) == ("pms0", "by")
    x, y, wheel = map(int, numbers[:3])
    buttons, changed = (int(number, 16) for number in numbers[3:])
    return int(time), x, y, wheel, buttons, changed


def move(machine: Machine, x: int = 0, y: int = 0) -> None:
    machine.qmp("input-send-event", events=[
        {"type": "rel", "data": {"axis": "x", "value": x}},
        {"type": "rel", "data": {"axis": "y", "value": y}}])


def button(machine: Machine, name: str, down: bool) -> None:
    machine.qmp("input-send-event",
                events=[{"type": "btn", "data": {"button": name, "down": down}}])


@pytest.mark.parametrize("name", ("pc", "q35", "isapc"))
def test_keys_go_down_and_up_with_modifiers_in_order(boot, name):
    machine = start(boot, "--machine", name)
    steps = [("shift", True, 0xE1, 0x02, 0), ("a", True, 0x04, 0x02, ord("A")),
             ("ctrl_r", True, 0xE4, 0x12, 0), ("left", True, 0x50, 0x12, 0x6103),
             ("left", False, 0x50, 0x12, 0), ("shift", False, 0xE1, 0x10, 0),
             ("a", False, 0x04, 0x10, 0), ("ctrl_r", False, 0xE4, 0, 0),
             ("caps_lock", True, 0x39, 0x200, 0), ("caps_lock", False, 0x39, 0x200, 0),
             ("b", True, 0x05, 0x200, ord("B")), ("b", False, 0x05, 0x200, 0),
             ("kp_7", True, 0x5F, 0x200, 0x105), ("kp_7", False, 0x5F, 0x200, 0),
             ("meta_l", True, 0xE3, 0x208, 0), ("meta_l", False, 0xE3, 0x200, 0)]
    before = 0
    for qcode, down, usage, modifiers, code in steps:
        machine.key_event(qcode, down)
        time, *found = key(machine)
        assert found == [usage, "down" if down else "up", modifiers, code], qcode
        assert time > before
        before = time


def test_a_key_held_down_is_told_as_repeated(boot):
    machine = start(boot)
    for _ in range(2):
        machine.key_event("b", True)
    machine.key_event("b", False)
    assert [key(machine)[2] for _ in range(3)] == ["down", "repeated", "up"]


def test_the_serial_line_presses_and_releases_keys(boot):
    machine = start(boot)
    machine.type("A")
    for what, code in (("down", "41"), ("up", "0")):
        machine.see(rf"com0: usage 04 {what}, modifiers 002, key {code}\r\n")


@pytest.mark.parametrize("name", ("pc", "isapc"))
def test_the_mouse_moves_clicks_and_turns_its_wheel(boot, name):
    machine = start(boot, "--machine", name)
    assert "PS/2 mouse, 5 buttons, wheel" in machine.text()
    move(machine, 5, 3)
    first = motion(machine)
    assert first[1:] == (5, 3, 0, 0, 0)
    move(machine, -7, -1)
    second = motion(machine)
    assert second[1:] == (-7, -1, 0, 0, 0)
    assert second[0] > first[0]
    held = 0
    for name, bit in (("left", 1), ("right", 2), ("middle", 4), ("side", 8), ("extra", 16)):
        button(machine, name, True)
        held |= bit
        assert motion(machine)[3:] == (0, held, bit), name
    for name, bit in (("left", 1), ("extra", 16), ("middle", 4)):
        button(machine, name, False)
        held &= ~bit
        assert motion(machine)[3:] == (0, held, bit), name
    for name, wheel in (("wheel-up", 1), ("wheel-down", -1)):
        button(machine, name, True)
        button(machine, name, False)
        assert motion(machine)[3:5] == (wheel, held), name


def test_mouse_and_keyboard_at_once(boot):
    machine = start(boot)
    for i in range(20):
        move(machine, 1 + i, 0)
        assert motion(machine)[1] == 1 + i
        machine.key_event("b", i % 2 == 0)
        assert key(machine)[2] == ("up" if i % 2 else "down")
    machine.key_event("caps_lock", True)  # its light is told while the mouse talks
    move(machine, 9, 9)
    assert motion(machine)[1:3] == (9, 9)


def test_keys_still_reach_a_payload_while_nobody_reads_the_mouse(boot):
    machine = boot(OBEY)
    machine.see("ready.*\n")
    for i in range(300):
        move(machine, 1 + i % 3, 0)
    machine.keys("b")
    assert int(machine.see("key ([0-9a-f]{8})")[1], 16) == ord("b")


@pytest.mark.parametrize("name", ("pc", "q35"))
def test_the_power_button_is_told_and_does_not_switch_off(boot, name):
    machine = start(boot, "--machine", name)
    for _ in range(2):
        machine.qmp("system_powerdown")
        machine.see("power button\r\n")
    machine.type("q")
    machine.see(PROMPT)
    assert machine.text().count("power button\n") == 2
    assert re.search(r"1", machine.ask("peek 0x410 1"))  # it goes on
