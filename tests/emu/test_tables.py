# SPDX-License-Identifier: BSD-2-Clause
"""Every table of the API at work: its sample on a PC with real keys, mice, disks and devices."""
import os
import re
import signal
import time
from pathlib import Path

import pytest
from machine import PROMPT, Machine
from test_input import button, move
from workbench import build, payload
from workbench.console import ROOT

SAMPLES = ROOT / "samples"
PAYLOADS = Path(__file__).parent / "payloads"


def returns(machine: Machine, value: int = 0) -> None:
    machine.see(f"the payload returned {value} ")
    machine.see(PROMPT)


def with_disk(path: Path, content: bytes, number: int = 1):
    """For boot(): a further disk; 2 is the master of the second channel."""
    def change(pc):
        path.write_bytes(content)
        pc.disks += [None] * (number - len(pc.disks)) + [path]

    return change


# ---- input ----

def test_events_tells_of_keys_and_the_mouse(boot):
    machine = boot(SAMPLES / "events.c")
    machine.see("0: com0, terminal: ")
    machine.see("1: pckbd0, keyboard: ")
    machine.see("2: pms0, pointer: ")
    machine.see("Escape ends it.")
    for name, down, seen in (
            ("shift", True, "key 0xe1 down, modifiers 0x002, code 0x0; held: 0xe1"),
            ("a", True, "key 0x04 down, modifiers 0x002, code 0x41; held: 0x04 0xe1"),
            ("a", True, "key 0x04 repeated, modifiers 0x002, code 0x41; held: 0x04 0xe1"),
            ("shift", False, "key 0xe1 up, modifiers 0x000, code 0x0; held: 0x04"),
            ("a", False, "key 0x04 up, modifiers 0x000, code 0x0; held:")):
        machine.key_event(name, down)
        machine.see(rf"\d+ ms, device 1: {seen}\r?\n")
    move(machine, 5, -3)
    machine.see(r"device 2: by 5, -3, wheel 0, buttons 0x00, changed 0x00")
    button(machine, "right", True)
    machine.see(r"device 2: by 0, 0, wheel 0, buttons 0x02, changed 0x02")
    button(machine, "right", False)
    machine.see(r"buttons 0x00, changed 0x02")
    button(machine, "wheel-up", True)
    machine.see(r"wheel 1, buttons 0x00")
    machine.type("b")
    machine.see("device 0: key 0x05 down, modifiers 0x000, code 0x62; held:")
    machine.see("device 0: key 0x05 up")
    machine.keys("esc")
    machine.see("modifiers now 0x000; 0 events were lost")
    returns(machine)


# ---- console ----

def memory_rows(kexec: bytes, start: int) -> list[str]:
    """What scroll shows of a payload, from an offset on, on 23 rows."""
    rows = []
    for at in range(start, start + 23 * 16, 16):
        data = kexec[at:at + 16]
        text = "".join(chr(c) if 32 <= c < 127 else "." for c in data)
        rows.append(f"{0xC0430000 + at:08x}  {data.hex(' ')}  {text}".rstrip())
    return rows


def shows(machine: Machine, what) -> bool:
    """Whether the screen comes to look so: the serial line may tell of it earlier."""
    for _ in range(40):
        if what(machine.text_screen()):
            return True
        machine.poll(0.05)
    return False


def test_scroll_moves_the_rows_between_its_bars(boot):
    machine = boot(SAMPLES / "scroll.c")
    kexec = machine.kexec.read_bytes()
    machine.see("c0430160")
    first = 0
    for key, rows in ((None, 0), ("down", 1), ("down", 1), ("pgdn", 23), ("up", -1),
                      ("pgup", -23), ("up", -1), ("up", 0)):
        first += rows * 16
        if key:
            machine.keys(key)
        if rows:  # the last row that is drawn
            machine.see(f"c0430{first + (22 * 16 if rows > 0 else (-rows - 1) * 16):03x}")
        assert shows(machine, lambda screen: screen[1:24] == memory_rows(kexec, first)), key
        screen = machine.text_screen()
        assert screen[0] == " Memory of the payload"
        assert screen[24].startswith(" Up, Down, Page Up")
    machine.keys("pgdn")
    machine.see("c04302c0")
    machine.keys("home")
    machine.see(r"c0430000.*c0430160[^\r\n]*")
    attributes = machine.memory(0xB8000, 80 * 25 * 2)[1::2]
    assert set(attributes[:80]) == set(attributes[24 * 80:]) == {0x70}
    assert set(attributes[80:80 + 8]) == {0x0B}
    machine.keys("q")
    machine.see("the cursor was at 75, 23 of 80 x 25")
    returns(machine)
    for _ in range(30):  # the whole screen scrolls again
        machine.ask("peek 0 1")
    assert shows(machine, lambda screen: screen[24].startswith("vesper>"))


# ---- block ----

def test_blocks_writes_a_disk_and_finds_it_again(boot, tmp_path):
    image = tmp_path / "second.img"
    machine = boot(SAMPLES / "blocks.c", "--append", "args=wd1",
                   change=with_disk(image, b"\xee" * (1 << 20)))
    machine.see("wd1: QEMU HARDDISK, 2048 blocks of 512 bytes")
    machine.see("wrote 4 times 8 blocks: no error")
    machine.see("read 4 times 8 blocks: no error")
    machine.see("0 bytes differ")
    returns(machine)
    size = 8 * 512
    written = b"".join(bytes((i * 7 + (i >> 8) + part) & 255 for i in range(size))
                       for part in range(4))
    assert image.read_bytes() == written + b"\xee" * ((1 << 20) - len(written))


@pytest.mark.parametrize("disk, error, code", [("wd0p1", "busy", -10), ("wd7", "not found", -1)])
def test_blocks_leaves_other_disks_alone(boot, disk, error, code):
    machine = boot(SAMPLES / "blocks.c", "--append", f"args={disk}")
    before = (machine.work / "disk.img").read_bytes()
    machine.see(f'disk "{disk}": {error}')
    returns(machine, code)
    assert (machine.work / "disk.img").read_bytes() == before


# ---- file ----

def test_copy_makes_a_file_whole_and_again(boot, tmp_path):
    program = payload.make(SAMPLES / "copy.c", tmp_path).read_bytes() + bytes(100000)
    machine = boot(program, "--fs", "ext2", "--append", "args=kexec ram:/deep/copy")
    for _ in range(2):  # the second takes the place of the first, and is that
        machine.see(f"kexec to ram:/deep/copy: {len(program)} bytes")
        machine.see(r"wd0p1: the root, ext2, \d+ of \d+ bytes free")
        free, total = map(int, machine.see(r"ram: ramfs, (\d+) of (\d+) bytes free").groups())
        assert len(program) <= total - free < len(program) + 16384
        returns(machine)
        assert re.findall(r"\S+$", machine.ask("ls ram:/deep"), re.M) == ["copy"]
        machine.type("run ram:/deep/copy kexec ram:/deep/copy\n")


@pytest.mark.parametrize("source, target, error, code", [
    ("nothing", "ram:/x", "not found", -1), ("kexec", "nowhere:/x", "not found", -1),
    ("large", "ram:/x", "no space", -8)])
def test_copy_leaves_nothing_half_done(boot, source, target, error, code):
    machine = boot(SAMPLES / "copy.c", "--append", f"args={source} {target}",
                   files={"large": bytes(9 << 20)})
    machine.see(f"{source} to {target}: [^\r\n]*{error}")
    returns(machine, code)
    assert "x" not in machine.ask("ls ram:/").split()


# ---- memory ----

@pytest.mark.parametrize("mib", (8, 128, 1024))
def test_pages_gets_memory_and_sees_it_from_all_sides(boot, mib):
    machine = boot(SAMPLES / "pages.c", "--memory", str(mib))
    kib, start, end = machine.see(
        r"\n(\d+) KiB of RAM; this payload's: (\w+) ... (\w+)\r?\n").groups()
    assert mib * 1024 - 1024 < int(kib) < mib * 1024
    assert 0xC0430000 < int(start, 16) < int(end, 16) < 0xC0000000 + (mib << 20)
    before = int(machine.see(r"bytes and uses (\d+);")[1])
    below = machine.see("below 16 MiB: ([^\r\n]*)\r?\n")[1] == b"no error"
    if not below:
        machine.see("anywhere: no error")
    during, windows = map(int, machine.see(r"uses (\d+); (\d+) KiB are left").groups())
    assert during >= before + 16384
    at, physical, seen, window = (int(number, 16) for number in machine.see(
        r"at (\w+), for a device at (\w+), also at (\w+) and, uncached, at (\w+)\r?\n").groups())
    assert physical % 65536 == 0 and physical == seen and at in (seen, seen + 0xC0000000)
    assert physical + 16384 <= (16 if below else mib) << 20
    assert 0xE0000000 <= window < 0xF0000000
    machine.see("they hold 12345678 12345678 12345678")
    after, left = map(int, machine.see(r"uses (\d+); (\d+) KiB are left").groups())
    table = 2 * 4096  # of the window's pages, which stays, and what is before it for its alignment
    assert after <= before + table + 8 and left == windows - 16
    returns(machine)


# ---- device ----

def test_devices_shows_what_qemu_has(boot):
    machine = boot(SAMPLES / "devices.c", qemu_options=("-device", "edu"))
    returns(machine)
    text = machine.text()
    text = text[text.index("bytes at 0x"):]
    for line in ("com0 at isa0 port 0x3f8 irq 4: irq 4, driver com\n    ports 0x3f8 ... 0x3ff\n",
                 "ata0 at ide0 channel 0: driver ide\n", "wd0 at ata0 drive 0: driver ide\n"):
        assert line in text
    for device in machine.qmp("query-pci")[0]["devices"]:
        where = f"pci0 dev {device['slot']} function {device['function']}: " \
                f"{device['id']['vendor']:04x}:{device['id']['device']:04x} " \
                f"class {device['class_info']['class']:04x}"
        said = re.search(rf"\n\w\S* at {where}.*\n((?:    .*\n)*)", text)
        assert said, where
        for region in device["regions"]:
            if region["bar"] > 5 or region["address"] < 0:
                continue  # its ROM, or not in use
            kind = "ports" if region["type"] == "io" else "memory"
            first, last = region["address"], region["address"] + region["size"] - 1
            assert f"    {kind} 0x{first:x} ... 0x{last:x}" in said[1]


@pytest.mark.parametrize("name", ("pc", "q35"))
def test_a_claimed_device_is_driven_by_messages_and_given_back(boot, name):
    machine = boot(SAMPLES / "devices.c", "--machine", name, "--append", "args=edu",
                   qemu_options=("-device", "edu"))
    for _ in range(2):
        machine.see("edu: identification 010000ed")
        for count, result in enumerate(("3! = 6", "6! = 720", "9! = 362880", "12! = 479001600")):
            machine.see(f"{result}, {count + 1} interrupts")
        machine.see("edu: no error")
        returns(machine)
        machine.type("run\n")


def test_a_device_that_is_not_there(boot):
    machine = boot(SAMPLES / "devices.c", "--append", "args=edu")
    machine.see("edu: not found")
    returns(machine, -1)


def checks(machine: Machine) -> int:
    """How many checks passed since the payload was called; none may fail."""
    machine.see("DONE")
    said = machine.text()[machine.text().rindex("bytes at 0xc0430000"):]
    assert "FAIL" not in said, said
    return said.count("PASS")


def test_a_claimed_device_without_messages_has_its_line(boot):
    machine = boot(PAYLOADS / "line.c", qemu_options=("-device", "e1000"))
    for _ in range(2):
        assert checks(machine) == 10
        returns(machine)
        machine.type("run\n")


def test_a_controller_is_claimed_and_comes_back_with_its_disks(boot, tmp_path):
    second = tmp_path / "second.img"

    def add_copy_of_root(pc):
        with_disk(second, pc.disks[0].read_bytes(), 2)(pc)

    machine = boot(PAYLOADS / "claims.c", "--machine", "isapc", "--cpu", "486", "--append",
                   "root=wd0p1 args=ide0 ide1", change=add_copy_of_root)
    for _ in range(2):  # the first ends with the controller claimed
        assert checks(machine) == 15
        returns(machine)
        machine.type("run\n")


@pytest.mark.parametrize("name", ("pc", "q35"))
def test_every_device_can_be_claimed_or_says_why_not(boot, name):
    machine = boot(PAYLOADS / "claims.c", "--machine", name)
    machine.see("isa0: not supported")
    machine.see("ide0: busy")
    machine.see("type on the line")
    machine.type("l")
    machine.see("type on the keyboard")
    machine.keys("k")
    assert checks(machine) == 5
    returns(machine)


# ---- interrupt ----

def by_line(machine: Machine) -> None:
    machine.send(b"\x03")


def by_keyboard(machine: Machine) -> None:
    machine.keys("ctrl-c")


@pytest.mark.parametrize("press", (by_line, by_keyboard))
def test_timers_skips_a_fault_counts_and_ends_with_a_break(boot, press):
    machine = boot(SAMPLES / "timers.c")
    machine.see(r"exception 14 at c0430\w+: address 10, error 3; skipped")
    count = once = 0
    while count < 5 or not once:  # a slow emulator misses some
        count, ms, once, once_ms = map(int, machine.see(
            r"\n(\d+) times, (\d+) ms; the other: (\d), (\d+) ms\r?\n").groups())
        assert count * 100 <= ms < count * 100 + 2000
        assert (once == 0 and once_ms == 0) or (once == 1 and 250 <= once_ms < 2250)
    press(machine)
    assert int(machine.see(r"a break, after (\d+) calls")[1]) >= 5
    returns(machine)


def test_hooks_end_with_the_payload(boot):
    machine = boot(PAYLOADS / "hooks.c")
    for _ in range(2):
        said = machine.see(r"64 hooks, then: out of memory; called; calls at (\w+)\r?\n")
        counter = said[1].decode()
        returns(machine, 64)
        assert machine.ask(f"peek 0x{counter} 4") == machine.ask(f"peek 0x{counter} 4")
        machine.send(b"\x03")  # nobody is told any more
        machine.type("run\n")


# ---- power ----

def test_the_power_button_switches_off(boot):
    machine = boot(SAMPLES / "power.c")
    machine.see("o: off, r: restart, q: end")
    rested, all_ms = map(int, machine.see(r"rested (\d+) of (\d+) ms").groups())
    assert all_ms >= 1000 and rested > all_ms / 2
    machine.qmp("system_powerdown")
    machine.see("the power button")
    machine.ends("off")


def test_power_restarts(boot):
    machine = boot(SAMPLES / "power.c")
    machine.see("o: off, r: restart, q: end")
    machine.type("r")
    machine.ends("reset")


def test_a_machine_without_a_button_says_so(boot):
    machine = boot(SAMPLES / "power.c", "--machine", "isapc", "--cpu", "486")
    machine.see("no power button: not found")
    machine.type("q")
    returns(machine)


# ---- debug ----

def test_inspect_sees_itself(boot):
    machine = boot(SAMPLES / "inspect.c")
    machine.see("inspect: begins")
    for name in ("show_backtrace", "outer", r"\w*main"):
        machine.see(rf"called from c0430\w\w\w {name}\+0x\w+")
    assert int(machine.see(r"interrupts of line 0: (\d+)\r?\n")[1]) > 0
    assert int(machine.see(r"kernel memory, bytes used: (\d+)\r?\n")[1]) > 10000
    machine.see(r"ide0 +\d+ us  \w+ +write  command_block::Command = 0xc8: READ DMA")
    machine.see(r"\.\.U\.")
    machine.see(r"\*\*\* breakpoint 0 \(0xc043\w+ was written\) at 0xc0430\w+ .*main\+0x")
    machine.see(PROMPT)
    assert "main" in machine.ask("bt")
    machine.type("go\n")
    machine.see("it went on, with 42")
    machine.see("inspect: no error")
    returns(machine)


# ---- time ----

def test_the_clock_is_set_and_goes_on(boot):
    machine = boot(PAYLOADS / "rtc.c")
    machine.see("not there: -7 -7 -7 -7")
    machine.see("set: no error")
    machine.see("2032-02-28 23:59:59, 1961625599")
    machine.see("2032-02-29 00:00:00, 1961625600")
    clock = machine.qmp("qom-get", path="/machine", property="rtc-time")
    assert (clock["tm_year"], clock["tm_mon"], clock["tm_mday"]) == (132, 1, 29)
    machine.type("q")
    returns(machine)


def test_a_pause_while_the_clock_is_measured_does_not_make_it_wrong(boot):
    """A busy host: ticks of the 8254 are lost then, those of the TSC are not."""
    machine = boot(PAYLOADS / "laps.c")

    def lap() -> tuple[float, int, float]:
        typed = time.monotonic()
        machine.type(".")
        return typed, int(machine.see(r"(\d+) us")[1]), time.monotonic()

    machine.see(" us")
    time.sleep(0.5)
    os.kill(machine.process.pid, signal.SIGSTOP)
    time.sleep(1)
    os.kill(machine.process.pid, signal.SIGCONT)
    laps = [lap()]
    while time.monotonic() < laps[0][0] + 60:  # the last measure takes 2 s, or some of those
        time.sleep(0.25)
        laps.append(lap())
        (before, from_us, after), (typed, to_us, seen) = laps[-2:]
        assert 0 < to_us - from_us < 1e6 * (seen - before) * 1.01, laps[-9:]
        if seen > laps[0][0] + 2.5 and to_us - from_us > 1e6 * (typed - after) * 0.99:
            break
    else:
        pytest.fail(f"too slow: {laps[-9:]}")
    machine.type("q")
    returns(machine)


# ---- what no sample has ----

def test_the_other_calls_and_the_monitor_that_a_payload_opens(boot):
    machine = boot(PAYLOADS / "others.c")
    assert checks(machine) == 19
    machine.see(r"\*\*\* stopped at 0x\w+ \(/kexec \+ .*" + PROMPT.decode())
    machine.type("go\n")
    machine.see("went on with 0")
    returns(machine, 7)


# ---- what no kernel has yet ----

def test_calls_for_devices_that_are_not_there(boot):
    machine = boot(PAYLOADS / "absent.c")
    for table in ("display", "net", "audio"):
        calls, absent = map(int, machine.see(rf"{table}: (\d+) calls, (\d+) not found").groups())
        assert calls == absent > 5
    returns(machine)


def test_only_they_have_no_code():
    gates = (build.kernel("GENERIC").parent / "api/api_gates.inc").read_text()
    absent = {line.split()[1].split("_")[0] for line in gates.splitlines()
              if line.startswith("absent")}
    assert absent == {"display", "net", "audio"}
