# SPDX-License-Identifier: BSD-2-Clause
"""Keys: typed on the PC's keyboard or the serial line, read back by a payload."""
import time
from pathlib import Path

import pytest
from machine import Machine

OBEY = Path(__file__).parent / "payloads/obey.c"
ALT, SHIFT, CONTROL, F1 = 0x1000, 0x2000, 0x4000, 0x111

# Keys as QEMU names them, and what include/vesper.h says of them.
LETTERS = [(c, ord(c)) for c in "bdqz"] + [(f"shift-{c}", ord(c.upper())) for c in "bdqz"]
SIGNS = [("1", ord("1")), ("shift-1", ord("!")), ("shift_r-2", ord("@")), ("0", ord("0")),
         ("minus", ord("-")), ("shift-minus", ord("_")), ("bracket_left", ord("[")),
         ("apostrophe", ord("'")), ("shift-grave_accent", ord("~")), ("backslash", ord("\\")),
         ("shift-less", ord("|")), ("slash", ord("/")), ("spc", ord(" ")), ("ret", 13),
         ("backspace", 8), ("tab", 9), ("esc", 27)]
CONTROLS = [("ctrl-a", 1), ("ctrl_r-z", 26), ("ctrl-bracket_left", 27), ("alt-b", ALT | ord("b")),
            ("alt-shift-b", ALT | ord("B")), ("alt-ret", ALT | 13)]
NAMED = ["up", "down", "left", "right", "home", "end", "pgup", "pgdn", "insert", "delete"]
CODES = [(name, 0x101 + i) for i, name in enumerate(NAMED)] + [
    ("pause", 0x10B), ("print", 0x10C), ("compose", 0x10D)]
CODES += [(f"shift-{name}", code | SHIFT) for name, code in CODES[:10]]
CODES += [("ctrl-left", CONTROL | 0x103), ("alt-right", ALT | 0x104),
          ("ctrl-alt-delete", CONTROL | ALT | 0x10A)]
FUNCTIONS = [(f"f{i + 1}", F1 + i) for i in range(12)] + [
    ("shift-f1", SHIFT | F1), ("ctrl-f10", CONTROL | F1 + 9), ("alt-f12", ALT | F1 + 11)]
KEYPAD = [("kp_8", 0x101), ("kp_5", 0x10E), ("kp_0", 0x109), ("kp_decimal", 0x10A),
          ("kp_add", ord("+")), ("kp_subtract", ord("-")), ("kp_multiply", ord("*")),
          ("kp_divide", ord("/")), ("kp_enter", 13), ("shift-kp_4", ord("4"))]
DIGITS = [(f"kp_{i}", ord(str(i))) for i in range(10)] + [("kp_decimal", ord("."))]


def start(boot, *words: str) -> Machine:
    machine = boot(OBEY, *words)
    machine.see("ready.*\n")
    return machine


def code(machine: Machine) -> int:
    return int(machine.see("key ([0-9a-f]{8})")[1], 16)


def check(machine: Machine, keys: list[tuple[str, int]]) -> None:
    for name, expected in keys:
        machine.keys(name)
        found = code(machine)
        assert found == expected, f"{name} is {found:#x}, not {expected:#x}"


# None of these does obey.c obey.
SILENT = "thequaknfsbdgvyzpwj"


def tap(machine: Machine, names: str) -> None:
    for name in names:
        for down in (True, False):
            machine.key_event(name, down)
            time.sleep(0.05)  # QEMU's keyboard remembers 16 bytes and forgets further ones


def see_keys(machine: Machine, text: str) -> None:
    assert [code(machine) for _ in text] == list(map(ord, text))


@pytest.mark.parametrize("name", ("pc", "q35", "isapc"))
def test_every_kind_of_key(boot, name):
    machine = start(boot, "--machine", name)
    check(machine, LETTERS + SIGNS + CONTROLS + CODES + FUNCTIONS + KEYPAD)


def test_caps_lock_turns_letters_only_and_num_lock_the_keypad(boot):
    machine = start(boot)
    machine.keys("caps_lock")
    check(machine, [("b", ord("B")), ("shift-b", ord("b")), ("1", ord("1")), ("ctrl-b", 2)])
    machine.keys("caps_lock", "num_lock")
    check(machine, [("b", ord("b")), *DIGITS, ("shift-kp_8", 0x101 | SHIFT), ("up", 0x101)])
    machine.keys("num_lock")
    check(machine, [("kp_8", 0x101)])


def test_a_key_held_down_repeats_only_as_the_keyboard_repeats_it(boot):
    machine = start(boot)
    machine.key_event("shift", True)
    machine.key_event("b", True)
    assert code(machine) == ord("B")
    machine.key_event("b", True)  # as the keyboard's own repetition looks
    assert code(machine) == ord("B")
    machine.key_event("shift", False)
    machine.key_event("b", True)
    assert code(machine) == ord("b")
    machine.key_event("b", False)
    check(machine, [("q", ord("q"))])


@pytest.mark.parametrize("name", ("pc", "isapc"))
def test_no_key_is_lost_while_the_payload_computes(boot, name):
    machine = start(boot, "--machine", name)
    machine.keys("c")
    machine.see("computing")
    tap(machine, SILENT)
    machine.see("computed")
    see_keys(machine, SILENT)


def test_nothing_from_the_serial_line_is_lost_while_the_payload_computes(boot):
    machine = start(boot)
    machine.type("c")
    machine.see("computing")
    machine.type(SILENT * 12)
    machine.see("computed")
    see_keys(machine, SILENT * 12)


def test_with_interrupts_off_both_are_polled(boot):
    machine = start(boot)
    machine.type("i")
    assert code(machine) == ord("i")
    check(machine, LETTERS + CODES)
    machine.type(SILENT)
    see_keys(machine, SILENT)


def test_both_at_once(boot):
    machine = start(boot)
    for key, byte in zip("abdefg", "ABDEFG"):
        machine.keys(key)
        machine.type(byte)
        assert {code(machine), code(machine)} == {ord(key), ord(byte)}


def test_a_terminals_sequences(boot):
    machine = start(boot)
    for text, expected in [
            ("\x1b[A", 0x101), ("\x1bOB", 0x102), ("\x1b[3~", 0x10A),
            ("\x1b[1;5D", CONTROL | 0x103),
            ("\x1bOP", F1), ("\x1b[24~", F1 + 11), ("\x1bb", ALT | ord("b")), ("\x1b", 27),
            ("\x7f", 8), ("\x01", 1), ("\n", 13)]:
        machine.type(text)
        assert code(machine) == expected
        machine.type("b")
        assert code(machine) == ord("b")


def test_console_chooses_who_is_heard(boot):
    machine = start(boot, "--append", "console=com0")
    machine.keys("q")
    machine.type("b")
    assert code(machine) == ord("b")
