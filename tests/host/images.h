// SPDX-License-Identifier: BSD-2-Clause
// Disk images for the host tests: files as block devices, with faults, and what should be on them
// (tests/host/images/tree.py made them).
#pragma once
#include <gtest/gtest.h>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <vector>
#include "fakes/machine.h"
#include "fs/fs.h"

// A disk in memory.
class ImageDevice final : public BlockDevice {
public:
    explicit ImageDevice(std::vector<char> bytes, uint32_t block_bytes = 512)
        : data(std::move(bytes))
    {
        this->block_bytes = block_bytes;
        data.resize((data.size() + block_bytes - 1) / block_bytes * block_bytes);
        blocks = data.size() / block_bytes;
        name.append("wd0a");
    }
    static ImageDevice load(const std::string& file, uint32_t block_bytes = 512)
    {
        std::ifstream in(std::string(VESPER_IMAGES) + "/" + file, std::ios::binary);
        EXPECT_TRUE(in.good()) << file << " was not made";
        std::vector<char> bytes(in.good() ? size_t(in.seekg(0, std::ios::end).tellg()) : 0);
        in.seekg(0).read(bytes.data(), std::streamsize(bytes.size()));
        return ImageDevice(std::move(bytes), block_bytes);
    }
    Result<void> flush_blocks() override { return {}; }
    uint64_t last_session() override { return session; }

    std::vector<char> data;
    std::function<void(const BlockRequest&)> on_submit;  // what does not wait
    std::set<uint64_t> bad_blocks;                       // reading one of these fails
    uint64_t session = 0;                                // of a CD
    bool broken = false;                                 // all writing does
    bool goes = false;                                   // it is pulled out at the next access
    size_t reads = 0, blocks_read = 0, writes = 0;

private:
    void begin(BlockRequest& request) override
    {
        if (on_submit) on_submit(request);
        BlockDevice::begin(request);
    }
    Result<void> read_blocks(uint64_t first, uint32_t count, std::byte* into) override
    {
        ++reads;
        blocks_read += count;
        if (goes) return Error::gone;
        auto bad = bad_blocks.lower_bound(first);
        if (bad != bad_blocks.end() && *bad < first + count) return Error::device;
        memcpy(into, data.data() + first * block_bytes, size_t(count) * block_bytes);
        return {};
    }
    Result<void> write_blocks(uint64_t first, uint32_t count, const std::byte* from) override
    {
        if (goes) return Error::gone;
        if (broken) return Error::device;
        ++writes;
        memcpy(data.data() + first * block_bytes, from, size_t(count) * block_bytes);
        return {};
    }
};

// tree.py's content().
inline std::vector<std::byte> expected_content(std::string_view name, size_t size)
{
    unsigned seed = 0;
    for (char c : name) seed += static_cast<unsigned char>(c);
    std::vector<std::byte> bytes(size);
    for (size_t n = 0; n < size; ++n) {
        size_t i = n & 0xffff;
        bytes[n] = static_cast<std::byte>(i * 7 + (i >> 8) + seed);
    }
    return bytes;
}
