# SPDX-License-Identifier: BSD-2-Clause
"""Each program in samples/ does on a PC what its head says."""
import re
import subprocess

import disks
import pytest
from machine import PROMPT
from workbench import packages, payload
from workbench.console import ROOT

SAMPLES = ROOT / "samples"
CLOCK = ("-rtc", "base=2031-05-17T21:58:42")  # what the PC's clock says when it is switched on
FILES = {"hello.txt": b"Hello, world\n", "folder/deep/file": b"x" * 70000, "empty": b""}
FREESTANDING = ["-m32", "-march=i486", "-Os", "-Wall", "-Wextra", "-Werror", "-ffreestanding",
                f"-I{ROOT / 'include'}", f"-I{ROOT / 'sdk'}", "-o", "/dev/null", "-c"]
CXX = ["-x", "c++", "-std=gnu++20", "-fno-exceptions", "-fno-rtti"]


def returns(machine, value: int) -> None:
    machine.see(f"the payload returned {value} ")
    machine.see(PROMPT)


@pytest.mark.parametrize("compiler", (["gcc"], ["clang"], ["g++", *CXX], ["clang++", *CXX]))
@pytest.mark.parametrize("name", [path.name for path in sorted(SAMPLES.glob("*.c"))])
def test_every_compiler_takes_them_as_c_and_cpp(name, compiler):
    result = subprocess.run([*compiler, *FREESTANDING, SAMPLES / name], capture_output=True,
                            text=True)
    assert result.returncode == 0, result.stderr


FORMATS = r"""
#include "vesper_text.h"
int main(struct vesper *vesper)
{
    char small[4];
    vesper_print(vesper, "[%5d|%-5d|%05d|%d|%x|%08x|%c|%%]\n", -42, -42, -42, 0, 0xbeefu, 31u, 'c');
    vesper_print(vesper, "[%llu|%lld|%llx|%20llu]\n", ~0ull, -9223372036854775807ll - 1,
                 0x123456789abcdefull, 1ull << 40);
    vesper_print(vesper, "[%s|%6s|%-6s|%.2s|%4.2s]\n", "text", "ab", "ab", "abcd", "abcd");
    uint32_t length = vesper_format(small, sizeof small, "%s", "cut off");
    vesper_print(vesper, "[%s|%u]\n", small, length);
    int64_t times[] = {0, 951782399, 951782400, 4102444799, -1, -62135596800};
    for (uint32_t i = 0; i < sizeof times / sizeof *times; ++i) {
        struct vesper_date d = vesper_date_of(times[i]);
        vesper_print(vesper, "%04u-%02u-%02u %02u:%02u:%02u\n", d.year, d.month, d.day, d.hour,
                     d.minute, d.second);
    }
    return 0;
}
"""


def test_vesper_text_makes_text_of_numbers_and_dates(boot, tmp_path):
    source = tmp_path / "formats.c"
    source.write_text(FORMATS)
    machine = boot(source)
    returns(machine, 0)
    lines = machine.text().split("\n")
    first = next(number for number, line in enumerate(lines) if line.startswith("[  -42"))
    assert lines[first:first + 10] == [
        "[  -42|-42  |-0042|0|beef|0000001f|c|%]",
        "[18446744073709551615|-9223372036854775808|123456789abcdef|       1099511627776]",
        "[text|    ab|ab    |ab|  ab]", "[cut|3]", "1970-01-01 00:00:00",
        "2000-02-28 23:59:59", "2000-02-29 00:00:00", "2099-12-31 23:59:59",
        "1969-12-31 23:59:59", "0001-01-01 00:00:00"]


def test_echo_prints_the_key_and_returns_its_code(boot):
    machine = boot(SAMPLES / "echo.asm")
    machine.see("X")
    machine.type("k")
    machine.see("k")
    returns(machine, ord("k"))


def test_echo_takes_the_pcs_keyboard_too(boot):
    machine = boot(SAMPLES / "echo.asm")
    machine.see("X")
    machine.keys("shift-a")
    machine.see("A")
    returns(machine, ord("A"))


def test_the_clock_shows_the_pcs_time_and_goes_on(boot):
    machine = boot(SAMPLES / "clock.c", qemu_options=CLOCK)
    machine.see("2031-05-17   up for 0:00:0[0-9]")
    before = int(machine.see(r"up for 0:00:(\d\d)")[1])
    assert int(machine.see(r"up for 0:00:(\d\d)")[1]) > before
    # The digits are of lit cells: white space in a colour of its own, 8 columns apart.
    attributes = machine.memory(0xB8000, 80 * 25 * 2)[1::2]
    colon = [attributes[row * 80 + 4 + 2 * 8 + 2] for row in range(2, 7)]
    assert colon == [0x07, 0xE0, 0x07, 0xE0, 0x07]
    hours = [[attributes[row * 80 + 4 + column] for column in range(0, 14, 2)]
             for row in range(2, 7)]
    two = ["##", ".#", "##", "#.", "##"]
    assert [row[:3:2] for row in hours] == [[0xE0 if c == "#" else 0x07 for c in r] for r in two]
    machine.type(" ")
    returns(machine, 0)


@pytest.mark.parametrize("fs", ("ffs2", "ext2", "fat16"))
def test_list_shows_the_files_with_size_and_date(boot, fs):
    machine = boot(SAMPLES / "list.c", "--fs", fs, files=FILES)
    returns(machine, 0)
    lines = {line.rsplit(" ", 1)[-1]: line for line in machine.text().split("\n")}
    day = r"20\d\d-[01]\d-[0-3]\d [012]\d:[0-5]\d"
    assert re.fullmatch(rf"- +13 {day}  hello\.txt", lines["hello.txt"])
    assert re.fullmatch(rf"- +70000 {day}  folder/deep/file", lines["folder/deep/file"])
    assert re.fullmatch(rf"- +0 {day}  empty", lines["empty"])
    assert re.fullmatch(rf"d +\d+ {day}  folder/deep", lines["folder/deep"])
    size = machine.kexec.stat().st_size
    assert re.fullmatch(rf"- +{size} {day}  kexec", lines["kexec"])
    names = payload.symbol_file(machine.kexec).stat().st_size
    assert re.fullmatch(rf"- +{names} {day}  kexec.sym", lines["kexec.sym"])
    assert f"5 files, {13 + 70000 + size + names} bytes; " in machine.text()


def test_list_shows_links_and_takes_a_path(boot, tmp_path):
    (tmp_path / "tree/folder").mkdir(parents=True)
    (tmp_path / "tree/folder/link").symlink_to("/kexec")
    tree = str(tmp_path / "tree")
    machine = boot(SAMPLES / "list.c", "--root", tree, "--append", "args=/folder/")
    machine.see(r"\nl +/folder/link\r?\n0 files, 0 bytes; 0 directories, 1 links")
    returns(machine, 0)


def test_list_names_what_is_missing(boot):
    machine = boot(SAMPLES / "list.c", "--append", "args=no/such")
    machine.see("no/such: not found")
    returns(machine, -1)


def rows(data: bytes) -> list[str]:
    """As dump writes them."""
    return [f"{at:04x}  {data[at:at + 8].hex(' ')}  {data[at + 8:at + 16].hex(' ')}  "
            + "".join(chr(c) if 32 <= c < 127 else "." for c in data[at:at + 16])
            for at in range(0, len(data), 16)]


def test_dump_shows_the_first_sector_of_the_disk(boot):
    machine = boot(SAMPLES / "dump.c")
    disk = (machine.work / "disk.img").read_bytes()
    machine.see(rf"\nwd0 +{len(disk) // 512} blocks of 512  QEMU HARDDISK")
    machine.see(r"\n  wd0p1 +\d+ blocks of 512  ")
    machine.see(r"\nwd0 block 0\r?\n")
    machine.see(re.escape(rows(disk[:256])[-1]))
    machine.type("n")
    machine.see(re.escape(rows(disk[:512])[-1]))  # ... 55 aa
    machine.type("n")
    machine.see(r"\nwd0 block 1\r?\n")
    machine.see("00f0 .*\n")
    machine.type("q")
    returns(machine, 0)
    assert "\n".join(rows(disk[:256])) in machine.text()


def test_dump_shows_a_block_of_a_partition(boot):
    machine = boot(SAMPLES / "dump.c", "--append", "args=wd0p1 2")
    disk = (machine.work / "disk.img").read_bytes()
    machine.see(r"\nwd0p1 block 2\r?\n")
    machine.see(re.escape(rows(disk[2050 * 512:2050 * 512 + 256])[-1]))
    machine.type("q")
    returns(machine, 0)


@pytest.mark.parametrize("args, message, code", [
    ("wd7", "wd7: not found", -1), ("wd0 x", "x: not the number of a block", -7),
    ("wd0 99999999", "wd0 block 99999999: invalid argument", -7)])
def test_dump_names_what_is_wrong(boot, args, message, code):
    machine = boot(SAMPLES / "dump.c", "--append", f"args={args}")
    machine.see(message)
    returns(machine, code)


# ---- on a folder of the host, a floppy and SD cards ----

def test_the_samples_about_files_and_disks_on_media_of_other_kinds(boot, tmp_path):
    packages.ensure("exfatprogs", "dosfstools", "mtools")
    folder, long = tmp_path / "folder", bytes(range(256)) * 1000
    folder.mkdir()
    for name in ("copy", "volumes", "inspect", "blocks", "dump"):
        (folder / name).write_bytes(payload.make(SAMPLES / f"{name}.c", tmp_path).read_bytes())
    (folder / "long").write_bytes(long)
    images = {name: tmp_path / name for name in ("floppy", "raw", "exfat")}
    subprocess.run(["/usr/sbin/mkfs.fat", "-C", images["floppy"], "-n", "DISKETTE", "1440"],
                   check=True, stdout=subprocess.DEVNULL)
    for name in ("raw", "exfat"):
        images[name].write_bytes(bytes(16 << 20))
    subprocess.run(["/usr/sbin/mkfs.exfat", "-L", "Karte", images["exfat"]], check=True,
                   stdout=subprocess.DEVNULL)
    options = [word for name, image in images.items()
               for word in ("-drive", f"if=none,id={name},format=raw,file={image}")]
    for name, device in (("floppy", "floppy"), ("raw", "sdhci-pci"), ("raw", "sd-card"),
                         ("exfat", "sdhci-pci"), ("exfat", "sd-card")):
        options += ["-device", device + ("" if device == "sdhci-pci" else f",drive={name}")]
    machine = boot(SAMPLES / "list.c", "--share", str(folder), qemu_options=tuple(options))
    machine.see(r"- +256000 [-\d]+ [:\d]+  long\r\n")
    returns(machine, 0)

    def runs(words: str, *lines: str) -> None:
        machine.type(f"run {words}\n")
        for line in lines:
            machine.see(line)
        returns(machine, 0)

    runs("/copy /long /made/copy", r"/long to /made/copy: 256000 bytes\r\n",
         "vio9p0: the root, 9p, ")
    assert (folder / "made/copy").read_bytes() == long
    runs("/copy /long fd0:/made/Long.name", "256000 bytes", "fd0: fat12, ")
    runs("/copy fd0:/made/Long.name ld1:/Folder/copy", "256000 bytes", "ld1: exfat, ")
    for disk in ("fd0", "ld1"):
        machine.type(f"run /inspect {disk}\n")
        machine.see(r"\.\.U\.")
        machine.see(PROMPT)
        machine.type("go\n")
        machine.see("inspect: no error")
        returns(machine, 0)
    runs("/blocks ld0", "ld0: QEMU!, 32768 blocks of 512 bytes", "0 bytes differ", "discard: ")
    runs("/volumes fd0", r"ld0 +16777216 bytes, removable, not found\r\n",
         r"fd0 +1474560 bytes, removable, mounted\r", r'\nfd0: fat12 "DISKETTE", \d+ of',
         r'\nld1: exfat "Karte", \d+ of', "fd0 is given back: no error")
    machine.type("run /dump ld0\n")
    machine.see(r"ld0 block 0\r\n0000  00 07 0e 15 ")
    machine.type("q")
    returns(machine, 0)
    machine.process.kill()
    machine.process.wait()
    copied = subprocess.run(["mtype", "-i", images["floppy"], "::made/Long.name"], check=True,
                            capture_output=True).stdout
    assert copied == long
    for name, fs in (("floppy", "fat12"), ("exfat", "exfat")):
        disks.is_consistent(images[name], fs)


# ---- the demonstration ----

def test_the_demonstration_draws_all_and_switches_off(boot):
    machine = boot(SAMPLES / "demo.c", "--append", "args=once", files=FILES)
    machine.ends("off")
    text = re.sub(r"\x1b(\[[0-9;]*[A-Za-z]|[78])", "", machine.text())
    for word in ("Vesper: a demonstration", "MiB of RAM; ours: ", "80 x 25 cells", "Services",
                 "Physical addresses", "QEMU HARDDISK", "wd0p1", "hello.txt", "folder/",
                 "Code page 437"):
        assert word in text


def test_the_demonstration_shows_pages_and_names_keys(boot):
    machine = boot(SAMPLES / "demo.c", qemu_options=CLOCK)
    machine.see("Type a key")
    lines = machine.text_screen()
    assert " " * 18 + "random power debug" in lines
    assert "    No device     display net audio" in lines
    machine.see("2031-05-17 2[12]:[0-5][0-9]:[0-5][0-9]")
    machine.keys("f2")
    machine.see("Physical addresses")
    machine.see("code   274 = 0x0112")
    machine.type("3")
    machine.see("The root directory")
    machine.see("kexec")
    machine.keys("ctrl-a")
    machine.see("Ctrl-A .*code     1 = 0x0001")
    machine.keys("shift-up")
    machine.see("Shift-Up .*code  8449 = 0x2101")
    machine.see("Ctrl-A 3 F2")
    machine.keys("right")
    machine.see("Code page 437")
    machine.keys("esc")
    returns(machine, 0)


def test_the_demonstration_fills_the_screen(boot):
    machine = boot(SAMPLES / "demo.c")
    machine.see("up 0:00:0[0-9]")
    screen = machine.text_screen()
    assert screen[0].startswith(" Vesper: a demonstration")
    assert "F1 Machine" in screen[1]
    assert screen[24].startswith(" 1-4, F1-F4, arrows: pages")
    attributes = machine.memory(0xB8000, 80 * 25 * 2)[1::2]
    assert attributes[3 * 80 + 3:3 * 80 + 6] == b"\x17\xf0\xf0"  # the first letter begins
    assert len(machine.picture().colors()) >= 7


def test_the_demonstration_switches_off(boot):
    machine = boot(SAMPLES / "demo.c")
    machine.see("Type a key")
    machine.type("o")
    machine.ends("off")


def test_the_demonstration_says_why_it_cannot_switch_off(boot):
    machine = boot(SAMPLES / "demo.c", "--machine", "isapc", "--cpu", "486")
    machine.see("Type a key")
    machine.type("o")
    machine.see("power off: not found")
    returns(machine, -1)
