// SPDX-License-Identifier: BSD-2-Clause
// An image whose bytes a fuzzer changes; it is as before afterwards.
#pragma once
#include <set>
#include "fuzz/walk.h"
#include "images.h"
#include "lib/bytes.h"

class Patched {
public:
    // A place of a patch is counted from here on, in such units.
    Patched(const char* file, size_t start, size_t unit = 1)
        : disk_(ImageDevice::load(file)), start_(start), unit_(unit)
    {
    }
    // patches: 2 bytes where, 1 byte how many, the bytes. mend(data, block): for each block of 512
    // bytes that has been changed.
    void use(const fs::FileSystemDriver& driver, std::span<const uint8_t> patches,
             void (*mend)(std::vector<char>&, size_t) = nullptr)
    {
        auto& bytes = disk_.data;
        std::set<size_t> blocks;
        std::vector<std::pair<size_t, std::vector<char>>> before;
        for (size_t i = 0; i + 2 < patches.size();) {
            size_t place = (start_ + le16(&patches[i]) * unit_) % bytes.size();
            size_t count = patches[i + 2];
            for (i += 3; count-- && i < patches.size() && place < bytes.size(); ++i, ++place) {
                size_t block = place / 512 * 512;
                if (blocks.insert(block).second)
                    before.emplace_back(block,
                                        std::vector<char>(&bytes[block], &bytes[block] + 512));
                bytes[place] = static_cast<char>(patches[i]);
            }
        }
        for (size_t block : blocks) {
            if (mend) mend(bytes, block);
        }
        mount(driver);
        disk_.copies = nullptr;  // the cache has gone with the machine's memory
        for (auto& [block, old] : before) std::copy(old.begin(), old.end(), &bytes[block]);
    }

private:
    void mount(const fs::FileSystemDriver& driver)
    {
        FakeMachine machine;
        BlockCache* cache = BlockCache::make_for(disk_).value();
        if (auto mounted = driver.mount(*cache)) walk(*mounted.value(), 50);
    }

    ImageDevice disk_;
    size_t start_, unit_;
};
