# SPDX-License-Identifier: BSD-2-Clause
"""The benchmarks' instruments. What they measure is nobody's business here."""
import pytest
from bench import disk, fs
from bench.kit import counter, elf, memory, peers, profile, storage
from test_workbench import vesper
from workbench import build

pytestmark = pytest.mark.xdist_group("bench")  # all use build/bench


def test_bench_lists_the_benchmarks():
    result = vesper("bench")
    assert result.returncode == 0
    for name in ("boot", "api", "disk", "fs"):
        assert name in result.stdout


def test_the_calls_of_the_api_stay_within_their_limits():
    """No time but instructions are counted: they are the same on a busy computer."""
    result = vesper("bench", "api")
    print(result.stdout)
    for title in ("keyq()", "time->ticks()", "emit()", "file->read() of 4 KiB"):
        assert title in result.stdout
    assert result.returncode == 0, result.stdout + result.stderr


def test_an_unknown_row_is_told_the_known_ones():
    result = vesper("bench", "boot", "vesper-windows")
    assert result.returncode == 2
    assert "vesper-multiboot-ffs2" in result.stderr


def test_counts_from_reset_are_the_same_every_time():
    """With no disk there is nothing that the host could do sooner or later."""
    start = peers.direct()
    first, second = (counter.pass_once(start.pc, start.entry, 60) for _ in range(2))
    assert first.instructions == 0  # the first instruction is the marker
    assert first.reset_instructions == second.reset_instructions
    assert first.reset_instructions > 1_000_000  # the BIOS


def test_a_kernel_is_counted_from_its_entry_to_the_payload():
    start = peers.vesper("multiboot", "ffs2")
    passage = counter.pass_once(start.pc, start.entry, start.seconds)
    assert 10_000 < passage.instructions < passage.reset_instructions
    assert 0 < passage.seconds < passage.reset_seconds
    timed = counter.pass_once(start.pc, start.entry, start.seconds, counted=False)
    assert timed.instructions == 0 and timed.seconds > 0

    functions = profile.functions(start, build.kernel())
    assert functions["kernel_main"] > 0
    # Another pass: how long it waits for the disk depends on how busy this computer is.
    assert 10_000 < functions.total() < 10 * passage.instructions
    assert functions["(outside)"] < functions.total() / 4


def test_memory_is_counted_in_pages_written():
    vesper_start, direct = peers.vesper("multiboot", "ffs2"), peers.direct()
    used = memory.used(vesper_start, direct, 32)
    loaded = sum(part.memory_bytes for part in elf.segments(vesper_start.pc.kernel))
    assert loaded < used.written < used.memory
    assert used.withheld > 0x330000  # from 1 MiB to the payload


def test_requests_to_a_disk_are_counted():
    """On Vesper alone: Linux would have to be fetched, and takes its time to boot."""
    rows = storage.measure(disk.machine("virtio-blk", "Vesper", 1, 64), 60, counted=True)
    assert [row.name for row in rows] == [name for name, *_ in disk.ROWS]
    assert all(64 < row.instructions for row in rows)


@pytest.mark.parametrize("system", ["ffs2", "fat32"])
def test_files_are_counted(system):
    rows = storage.measure(fs.files(system, "Vesper", quick=True), 60, counted=True)
    in_turns = ["raw", "read"] * 10
    assert [row.name for row in rows] == ["write", "make", *in_turns, "list"]
    assert all(0 < row.instructions for row in rows)


def test_folders_of_any_size_cost_the_same():
    """Ten times as many names, and not twice the instructions."""
    rows = storage.measure(fs.folders("ffs2", "Vesper", quick=True), 60, counted=True)
    at = {count: {row.name: row.instructions for row in rows[n * 4:n * 4 + 4]}
          for n, count in enumerate((100, 1000))}
    for name in ("make", "find", "miss"):
        assert at[1000][name] < 2 * at[100][name], name
