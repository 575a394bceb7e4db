// SPDX-License-Identifier: BSD-2-Clause
// Uses all of sdk/vesper.hpp: "PASS what" or "FAIL what" for each that this kernel has, and at the
// end how many of either.
#include "vesper.hpp"
#include "vesper_text.h"

static int counts[2];

static void check(const char* what, bool is_so)
{
    vesper_print(vsp::api, "%s %s\n", is_so ? "PASS" : "FAIL", what);
    ++counts[is_so];
}

static void files()
{
    auto missing = vsp::File::open("/no/such");
    check("a missing file is an error",
          !missing && missing.error() == vsp::Error{VESPER_NOT_FOUND});
    check("which has a text", missing.error().text() == "not found");
    check("and no number", missing->number() == -1);

    int before = vsp::api->file->open("/hello.txt");
    vsp::api->file->close(before);
    {
        auto file = vsp::File::open("/hello.txt");
        check("an open file has a number", file && file->number() == before);
        check("its length", *file->length() == 13);
        char text[64];
        auto part = file->read(std::span(text).first(5));
        check("a part", part && std::string_view(part->data(), part->size()) == "Hello");
        check("a position", file->seek(7) && true);
        part = file->read(text);
        check("the rest", part && std::string_view(part->data(), part->size()) == "world\n");
        part = file->read(text);
        check("nothing behind the end", part && part->empty());
        vsp::File moved = std::move(*file);
        check("it moves", moved.number() == before && file->number() == -1);
    }
    auto again = vsp::File::open("/hello.txt");
    check("it was closed once, at the end of its scope", again && again->number() == before);

    unsigned found = 0;
    auto root = vsp::File::open("/");
    auto end = root->each_entry(
        [&](const vesper_entry& entry) { found += std::string_view(entry.name) == "hello.txt"; });
    check("a directory is walked to its end", end && found == 1);
    check("a file is not",
          again->each_entry([](const vesper_entry&) {}).error().code == VESPER_NOT_DIRECTORY);
}

static void writing()
{
    auto file = vsp::File::open("ram:/notes", VESPER_OPEN_READ | VESPER_OPEN_WRITE |
                                                  VESPER_OPEN_CREATE | VESPER_OPEN_EXCLUSIVE);
    check("a file is made", bool(file));
    check("text is written", file->write("some notes").value_or(0) == 10);
    check("the position moves on", *file->position() == 10);
    check("it is cut", file->truncate(4) && file->stat()->bytes == 4);
    char text[16];
    auto part = file->seek(1) ? file->read(text) : vsp::Error{VESPER_INVALID};
    check("and read again", part && std::string_view(part->data(), part->size()) == "ome");
}

static void disks()
{
    int last = -1;
    bool in_order = true;
    vsp::each(vsp::api->block->info, [&](int disk, const vesper_block_info& info) {
        in_order = in_order && disk == last + 1 && info.block_bytes >= 512;
        last = disk;
    });
    check("disks are walked", in_order && last + 1 == vsp::api->block->count());
}

// Calls that this kernel may lack: they have to say so, or to work.
static void others()
{
    auto memory = vsp::DmaMemory::of(8192, 4096);
    if (memory) {
        check("DMA memory is aligned", *memory->physical() % 4096 == 0);
        check("and zeroed", memory->bytes().size() == 8192 && memory->bytes()[8191] == std::byte{});
    } else {
        check("no DMA memory", memory.error().code == VESPER_UNSUPPORTED);
    }
    int ticks = 0;
    auto tick = [&] { return ++ticks; };
    if (auto hook = vsp::Hook::timer(1000, 1000, tick)) {
        vsp::api->time->sleep(50000);
        check("a timer's hook is called", ticks > 2);
    } else {
        check("no timers", hook.error().code == VESPER_UNSUPPORTED);
    }
    int seen = ticks;
    vsp::api->time->sleep(20000);
    check("not after its scope", ticks == seen);
    auto go_on = [](vesper_frame&) { return 1; };
    check("nonsense is refused", !vsp::Hook::line(99, tick) && !vsp::Hook::exception(99, go_on) &&
                                     !vsp::Hook::message(9999, 0, tick) && !vsp::Claim::of(9999));
    auto hook = vsp::Hook::on_break(go_on);
    auto stop = vsp::Breakpoint::at(&ticks, VESPER_WRITTEN, 4);
    check("breaks and breakpoints", (hook || hook.error().code == VESPER_UNSUPPORTED) &&
                                        (stop || stop.error().code == VESPER_UNSUPPORTED));
}

int main(struct vesper* v)
{
    vsp::api = v;
    files();
    writing();
    disks();
    others();
    vesper_print(v, "%d passed, %d failed\n", counts[1], counts[0]);
    return counts[0];
}
