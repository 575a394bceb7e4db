// SPDX-License-Identifier: BSD-2-Clause
// Operations by path on the volume in RAM. The input is operations of four bytes: which, two paths,
// an argument. A path is two names of four, by its bits; links may lead anywhere.
#include "fakes/machine.h"
#include "fs/open_file.h"
#include "fuzz/walk.h"

namespace {

std::string path_of(uint8_t bits)
{
    std::string path;
    for (unsigned i = 0; i <= (bits >> 6) && i < 3; ++i) {
        path += "/";
        path += static_cast<char>('a' + (bits >> i * 2 & 3));
    }
    return path;
}

void perform(uint8_t which, const std::string& path, const std::string& other, uint8_t argument)
{
    static std::byte data[9000];
    auto open = [&](uint32_t flags) {
        auto handle = fs::open(path, flags);
        return handle ? fs::open_file(handle.value()) : nullptr;
    };
    switch (which % 12) {
    case 0: (void)fs::create(path, fs::NodeType::file, argument); break;
    case 1: (void)fs::create(path, fs::NodeType::directory, argument); break;
    case 2: (void)fs::make_link(path, other); break;
    case 3: (void)fs::add_name(path, other); break;
    case 4: (void)fs::remove(path); break;
    case 5: (void)fs::rename(path, other); break;
    case 6:
    case 7:
        if (fs::OpenFile* file = open(fs::open_write | fs::open_create)) {
            file->seek(uint64_t{argument} << (which & 31));
            (void)file->write(std::span(data, argument * 35u));
            if (which & 1) file->close();
        }
        break;
    case 8:
        if (fs::OpenFile* file = open(fs::open_write)) {
            (void)file->truncate(uint64_t{argument} << (which & 31));
            file->close();
        }
        break;
    case 9: (void)open(argument); break;
    case 10: fs::close_all(); break;
    default:
        if (fs::OpenFile* file = fs::open_file(argument)) {
            fs::DirectoryEntry entry;
            (void)file->read(data);
            (void)file->next_entry(entry);
            file->close();
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    FakeMachine machine;
    FakeHeap::total = 3 << 20;
    fs::set_root(fs::volume("ram").value());
    for (; size >= 4 && size < 4000; data += 4, size -= 4)
        perform(data[0], path_of(data[1]), path_of(data[2]), data[3]);
    walk(*fs::root()->file_system, 200);
    fs::close_all();
    fs::Volume* ram = fs::root();
    fs::set_root(nullptr);
    if (!fs::unmount(*ram) || FakeHeap::live()) __builtin_trap();  // all has been given back
    return 0;
}
