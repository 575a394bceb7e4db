# SPDX-License-Identifier: BSD-2-Clause
"""The workbench itself: what it says, the payloads it compiles, the disks it makes."""
import os
import re
import struct
import subprocess
from pathlib import Path

import pytest
from workbench import image, payload, trace
from workbench.console import ROOT, Problem

FILES = {"kexec": b"\xf4" * 3000, "hello.txt": b"Hello, world\n", "folder/deep/file": b"x" * 70000,
         "empty": b"", "A long name with spaces.text": b"long"}
GRUB_DEVICE = {"none": "loop0", "mbr": "loop0,msdos1", "bsd": "loop0,netbsd1",
               "gpt": "loop0,gpt1"}


def vesper(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    return subprocess.run([ROOT / "vesper", *words], stdin=subprocess.DEVNULL, cwd=cwd, timeout=100,
                          capture_output=True, text=True)


@pytest.fixture
def tree(tmp_path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "tree"


def disk_of(tree: Path, tmp_path: Path, fs: str, label: str, **more) -> Path:
    disk = tmp_path / "disk.img"
    image.make_disk(disk, fs=fs, label=label, root=tree, work=tmp_path / "work", **more)
    return disk


# ---- what it says ----

def test_help_names_every_command_and_option():
    result = vesper("help")
    assert result.returncode == 0
    for word in ("run", "debug", "push", "image", "build", "test", "bench", "clean", "help",
                 "--root", "--fs", "--label", "--boot", "--disk", "--machine", "--cpu", "--memory",
                 "--config", "--append", "--input", "--timeout", "--display", "--screenshot",
                 "124", "trace", "--driver"):
        assert word in result.stdout
    assert max(map(len, result.stdout.split("\n"))) <= 100


def test_it_works_through_a_symbolic_link_from_elsewhere(tmp_path):
    (tmp_path / "v").symlink_to(ROOT / "vesper")
    (tmp_path / "workbench.py").write_text("raise SystemExit('not this one')")
    result = subprocess.run(["./v", "help"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("words, code, message", [
    ((), 2, ""),
    (("nonsense",), 2, "nonsense"),
    (("run", "--fs", "ntfs"), 2, "ffs2"),
    (("run", "missing.asm"), 1, "there is no payload missing.asm"),
    (("run", "LICENSE", "--root", "missing"), 1, "--root missing is not a folder"),
    (("build", "--config", "NONE"), 1, "conf/ has GENERIC"),
    (("bench", "nonsense"), 2, "which benchmark?"),
    (("trace", "--", "LICENSE"), 2, "--driver"),
    (("image", "missing/out.img", "LICENSE"), 1, "there is no folder missing"),
    (("run", "LICENSE", "--", "-nonsense"), 1, "-nonsense: invalid option"),
])
def test_errors_name_the_cause(words, code, message):
    result = vesper(*words)
    assert result.returncode == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_netbsds_protocol_has_no_command_line(tmp_path):
    loader = image.Loader("netbsd", tmp_path / "vesper", "args=hello")
    with pytest.raises(Problem, match="cannot pass on 'args=hello'"):
        image.boot_command(loader)
    loader = image.Loader("netbsd", tmp_path / "vesper", "-v root=wd0a")
    assert image.boot_command(loader) == "knetbsd -v --root=wd0a /vesper"


# ---- payloads ----

def test_an_assembly_error_is_shown_with_its_line(tmp_path):
    source = tmp_path / "bad.asm"
    source.write_text("bits 32\nnonsense eax\n")
    with pytest.raises(Problem, match=r"bad\.asm:2: error"):
        payload.make(source, tmp_path)


def test_a_compiler_error_is_shown_with_its_line(tmp_path):
    source = tmp_path / "bad.c"
    source.write_text("int main(void)\n{\n    return nonsense;\n}\n")
    with pytest.raises(Problem, match=r"bad\.c:3:12: error"):
        payload.make(source, tmp_path)


def test_a_missing_main_is_explained(tmp_path):
    source = tmp_path / "bad.c"
    source.write_text("int x;\n")
    with pytest.raises(Problem, match="A payload has int main"):
        payload.make(source, tmp_path)


def test_an_empty_payload_is_refused(tmp_path):
    source = tmp_path / "empty.bin"
    source.write_bytes(b"")
    with pytest.raises(Problem, match="is empty"):
        payload.make(source, tmp_path)


PROGRAM = """\
#include "vesper.h"
struct pair { int a, b; } copied, original = {0x11223344, 2};
static char large[1 << 20];
int main(struct vesper *vesper)
{
    copied = original;
    vesper->emit(large[copied.a]);
    return copied.b;
}
"""


@pytest.mark.parametrize("suffix", [".c", ".cpp"])
def test_c_and_cpp_become_raw_binaries_without_their_bss(tmp_path, suffix):
    source = tmp_path / ("program" + suffix)
    source.write_text(PROGRAM)
    binary = payload.make(source, tmp_path).read_bytes()
    assert binary[:2] == b"\x53\x57"  # the entry of sdk/start.S: push ebx, push edi
    assert struct.pack("<II", 0x11223344, 2) in binary
    assert len(binary) < 1024


def test_a_binary_is_taken_as_it_is(tmp_path):
    binary = tmp_path / "payload"
    binary.write_bytes(b"\xc3")
    assert payload.make(binary, tmp_path) == binary


# ---- disks ----

def grub(disk: Path, command: str, path: str, label: str) -> bytes:
    """GRUB's file systems are other people's code that can read all of ours."""
    words = ["grub-fstest", str(disk), command, f"({GRUB_DEVICE[label]})/{path}"]
    return subprocess.run(words, check=True, capture_output=True, timeout=20).stdout


@pytest.mark.parametrize("label", image.LABELS)
@pytest.mark.parametrize("fs", image.FILE_SYSTEMS)
def test_a_disk_has_the_files(tree, tmp_path, fs, label):
    disk = disk_of(tree, tmp_path, fs, label)
    assert disk.stat().st_size % 512 == 0
    for name, content in FILES.items():
        assert grub(disk, "cat", name, label) == content


@pytest.mark.parametrize("fs, checker", [
    ("ext2", ["e2fsck", "-f", "-n"]), ("ext4", ["e2fsck", "-f", "-n"]),
    ("fat16", ["fsck.fat", "-n"]), ("fat32", ["fsck.fat", "-n"])])
def test_the_checkers_find_nothing(tree, tmp_path, fs, checker):
    disk = disk_of(tree, tmp_path, fs, "none")
    result = subprocess.run([*checker, disk], capture_output=True, text=True,
                            env=os.environ | {"PATH": os.environ["PATH"] + ":/sbin"})
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("fs, totals", [("ffs1", ("<4I", 192)), ("ffs2", ("<4Q", 1008))])
def test_ffs_has_inodes_for_more_files(tree, tmp_path, fs, totals):
    form, at = totals
    data = disk_of(tree, tmp_path, fs, "none").read_bytes()
    _, _, free_inodes, _ = struct.unpack_from(form, data, 8192 + at)
    assert free_inodes > 1000


def test_fat16_and_fat32_are_what_they_say(tree, tmp_path):
    assert disk_of(tree, tmp_path, "fat16", "none").read_bytes()[54:62] == b"FAT16   "
    assert disk_of(tree, tmp_path, "fat32", "none").read_bytes()[82:90] == b"FAT32   "


@pytest.mark.parametrize("fs, kind", [("ffs2", 0xA9), ("ext2", 0x83), ("fat32", 0x0C)])
def test_the_mbr_has_one_active_partition_that_fills_the_disk(tree, tmp_path, fs, kind):
    disk = disk_of(tree, tmp_path, fs, "mbr")
    sector = disk.read_bytes()[:512]
    assert sector[510:] == b"\x55\xaa"
    active, found, start, sectors = struct.unpack_from("<B3xB3xII", sector, 446)
    assert (active, found, start) == (0x80, kind, 2048)
    assert 0 <= disk.stat().st_size // 512 - (start + sectors) < 2048
    assert sector[462:510] == bytes(48)


@pytest.mark.parametrize("fs, kind, inset", [("ffs1", 7, 0), ("ext4", 17, 0), ("fat16", 8, 64)])
def test_the_disklabel_is_netbsds(tree, tmp_path, fs, kind, inset):
    disk = disk_of(tree, tmp_path, fs, "bsd")
    data = disk.read_bytes()
    assert data[450] == 0xA9
    label = data[2049 * 512:2050 * 512]
    assert label[:4] == label[132:136] == struct.pack("<I", 0x82564557)
    assert struct.unpack_from("<I", label, 40) == (512,)  # d_secsize
    assert struct.unpack_from("<I", label, 60) == (len(data) // 512,)  # d_secperunit
    (partitions,) = struct.unpack_from("<H", label, 138)
    checksum = 0
    for (word,) in struct.iter_unpack("<H", label[:148 + 16 * partitions]):
        checksum ^= word
    assert checksum == 0
    size, start, _, found = struct.unpack_from("<IIIB", label, 148)
    assert (start, found) == (2048 + inset, kind)
    assert struct.unpack_from("<II", label, 148 + 32) == (size + inset, 2048)    # c
    assert struct.unpack_from("<II", label, 148 + 48) == (len(data) // 512, 0)  # d


def test_the_gpt_is_what_sgdisk_expects(tree, tmp_path):
    disk = disk_of(tree, tmp_path, "ffs2", "gpt")
    result = subprocess.run(["/usr/sbin/sgdisk", "--verify", "--print", disk], capture_output=True,
                            text=True)
    assert "No problems found" in result.stdout, result.stdout
    assert re.search(r"\n +1 +2048 +\d+ .* A902  root\n", result.stdout)


def test_the_folder_given_as_root_is_only_read(tree, tmp_path):
    def state():
        return sorted((str(path), path.lstat().st_mtime_ns, path.lstat().st_ino,
                       path.lstat().st_nlink) for path in tree.rglob("*"))

    before = state()
    (tmp_path / "payload").write_bytes(b"\xc3")
    disk = disk_of(tree, tmp_path, "ext2", "none", kexec=tmp_path / "payload")
    assert state() == before
    assert grub(disk, "cat", "kexec", "none") == b"\xc3"


def test_links_survive_and_become_files_on_fat(tree, tmp_path):
    (tree / "link").symlink_to("hello.txt")
    for fs in ("ext2", "fat16"):  # Debian's GRUB loses the last letter of a link on FFS
        assert grub(disk_of(tree, tmp_path, fs, "none"), "cat", "link", "none") == b"Hello, world\n"


def test_a_large_file_fits_whatever_the_file_system(tree, tmp_path):
    (tree / "large").write_bytes(os.urandom(40 << 20))
    for fs in image.FILE_SYSTEMS:
        disk = disk_of(tree, tmp_path, fs, "mbr")
        assert grub(disk, "cat", "large", "mbr") == (tree / "large").read_bytes()


def test_grub_needs_a_label(tree, tmp_path):
    loader = image.Loader("multiboot2", tmp_path / "vesper")
    with pytest.raises(Problem, match="no room"):
        disk_of(tree, tmp_path, "ffs2", "none", loader=loader)


# ---- transcripts ----

@pytest.mark.xdist_group("run")  # as all that share build/run
def test_a_trace_shows_how_a_disk_is_read(tmp_path):
    out = tmp_path / "wd0.txt"
    result = vesper("trace", "--driver", "wd0", "-o", str(out), "--", "samples/dump.c",
                    "--input", "q", "--timeout", "60")
    assert result.returncode == 4, result.stdout + result.stderr  # the payload returned
    text = out.read_text()
    for part in ("  ide0  drives_there\n        +0 us    write  command_block::Device = 0xa0",
                 "write  command_block::Command = 0xec: IDENTIFY DEVICE\n",
                 "read   command_block::Data, 256 times\n",
                 "write  command_block::Command = 0xc8: READ DMA\n",
                 "write  bus_master::Command = 0x09: ToMemory Start\n"):
        assert part in text
    assert re.search(r"read   control_block::AlternateStatus = 0x50: Ready SeekComplete, "
                     r"\d+ times in \d+ us\n", text)
    assert re.search(r"dma    Descriptor = 0x[0-9a-f]{8}, 512 bytes\n", text)
    assert re.search(r"ide0  \(interrupt\)\n +\+0 us    line 14\n(.*\n){1,4}.*"
                     r"read   command_block::Status.*\n.*line 14 acknowledged\n", text)
    assert "com0" not in text and "pckbd0" not in text
    assert re.search(r"^Commands: IDENTIFY DEVICE 2, SET FEATURES \d, READ DMA \d+\.$", text, re.M)


@pytest.mark.xdist_group("run")
def test_a_device_that_is_not_there_cannot_be_traced():
    result = vesper("trace", "--driver", "wd7", "--", "samples/list.c")
    assert result.returncode == 1
    assert "trace: there is no device wd7" in result.stdout
    assert "wd7 did nothing, or there is no such device" in result.stderr


def line(us: int, what: str, function: str = "f", device: str = "ide0") -> str:
    return f"{device:6} {us:10} us  {function:20}  {what}\r\n"


def test_polls_of_several_registers_are_folded():
    said = line(5, "write  Command = 0x01") + "".join(
        line(10 + i, f"read   {'AB'[i % 2]} = 0x80: Busy") for i in range(82)) + line(
        95, "read   A = 0x00")
    text = trace.transcript(trace.parse(said))
    assert text.count("Busy") == 2
    assert "+5 us    read   A = 0x80: Busy, 41 times in 81 us\n" in text
    assert "read   B = 0x80: Busy, 41 times in 81 us  (in turn)\n" in text
    assert "+90 us    read   A = 0x00\n" in text


def test_what_the_kernel_folded_is_added_up():
    said = line(0, "read   A = 0x80: Busy, 10 times in 90 us") + line(
        100, "read   A = 0x80: Busy, 31 times in 212 us") + line(400, "write  A = 0x80")
    records = trace.parse("wd0p1: type 0xa9\n" + said + "hello 5 us\n")
    assert len(records) == 3
    assert "A = 0x80: Busy, 41 times in 312 us\n" in trace.transcript(records)


def test_lost_records_are_said_where_they_were():
    said = line(0, "read   A = 0x00") + "trace: 7 records were lost here\r\n" + line(
        9, "read   A = 0x00")
    text = trace.transcript(trace.parse(said))
    assert re.search(r"A = 0x00\ntrace: 7 records were lost here\n(.*\n)+.*A = 0x00\n", text)
