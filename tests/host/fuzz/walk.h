// SPDX-License-Identifier: BSD-2-Clause
// Uses everything that a mounted file system offers, within bounds: for images that cannot be
// trusted.
#pragma once
#include <set>
#include <vector>
#include "fs/fs.h"

// Reads the beginning, a piece in the middle and the end, and beyond it.
inline void read_pieces(fs::Node& node)
{
    std::byte piece[3000];
    for (uint64_t offset :
         {uint64_t{0}, uint64_t{1500}, node.size / 2, node.size - 1, node.size, ~uint64_t{0}}) {
        auto count = node.read(offset, piece);
        if (count && count.value() > sizeof piece) __builtin_trap();
    }
    std::vector<std::byte> much(65536);
    (void)node.read(0, much);
}

// Lists, looks up and reads at most so many nodes, each once.
inline void walk(fs::FileSystem& file_system, size_t max_nodes)
{
    std::vector<fs::Node*> open = {&file_system.root()};
    std::set<fs::Node*> seen = {open[0]};
    fs::DirectoryEntry entry;
    Text<fs::max_path> target;
    while (!open.empty()) {
        fs::Node& node = *open.back();
        open.pop_back();
        read_pieces(node);
        (void)node.read_link(target);
        uint64_t position = 0;
        for (size_t entries = 0; entries < 4 * max_nodes; ++entries) {
            auto more = node.next_entry(position, entry);
            if (!more || !more.value()) break;
            if (seen.size() >= max_nodes) continue;
            auto found = node.find(entry.name);
            if (found && found.value() && seen.insert(found.value()).second)
                open.push_back(found.value());
        }
        (void)node.find("no such name");
    }
}
