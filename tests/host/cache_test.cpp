// SPDX-License-Identifier: BSD-2-Clause
#include "block/cache.h"
#include "fakes/machine.h"
#include "images.h"

namespace {

struct Cache : testing::Test {
    Cache() : disk(make_bytes()) { cache = BlockCache::make_for(disk, 4).value(); }
    static std::vector<char> make_bytes()
    {
        std::vector<char> bytes(40 * 1024 + 512);
        for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = char(i * 31 + i / 512);
        return bytes;
    }
    std::vector<std::byte> read(uint64_t offset, size_t size)
    {
        std::vector<std::byte> bytes(size);
        EXPECT_TRUE(cache->read(offset, bytes));
        return bytes;
    }
    void expect_same(uint64_t offset, const std::vector<std::byte>& bytes)
    {
        EXPECT_EQ(memcmp(bytes.data(), disk.data.data() + offset, bytes.size()), 0) << offset;
    }
    FakeMachine machine;
    ImageDevice disk;
    BlockCache* cache;
};

TEST_F(Cache, ReadsAnyPieceOfTheDevice)
{
    for (uint64_t offset : {0, 1, 511, 4095, 4096, 9000}) {
        for (size_t size : {1, 2, 512, 4096, 5000, 16384}) expect_same(offset, read(offset, size));
    }
    expect_same(40 * 1024 + 511, read(40 * 1024 + 511, 1));
}

TEST_F(Cache, AsksTheDeviceOnceForWhatItHolds)
{
    read(100, 4);
    read(200, 4);
    EXPECT_EQ(disk.reads, 1u);
}

TEST_F(Cache, ReadsWholeLinesInOneRequest)
{
    read(4096, 5 * 4096);
    EXPECT_EQ(disk.reads, 1u);
}

TEST_F(Cache, RefusesWhatIsBeyondTheEnd)
{
    std::byte b[2];
    EXPECT_EQ(cache->read(40 * 1024 + 511, b).error(), Error::invalid);
    EXPECT_EQ(cache->read(~0ull, b).error(), Error::invalid);
    EXPECT_EQ(cache->write(40 * 1024 + 511, b).error(), Error::invalid);
}

TEST_F(Cache, WritesNothingBeforeSync)
{
    std::byte b[] = {std::byte{1}, std::byte{2}};
    ASSERT_TRUE(cache->write(4095, b));
    EXPECT_EQ(disk.writes, 0u);
    EXPECT_EQ(read(4095, 2), (std::vector<std::byte>{b[0], b[1]}));
    EXPECT_EQ(read(0, 8192)[4096], b[1]);
    ASSERT_TRUE(cache->sync());
    EXPECT_EQ(disk.data[4096], 2);
}

TEST_F(Cache, WritesBackUnderPressure)
{
    std::byte b[] = {std::byte{0x77}};
    ASSERT_TRUE(cache->write(5, b));
    for (uint64_t line = 1; line < 9; ++line) read(line * 4096 + 1, 1);
    EXPECT_EQ(disk.data[5], 0x77);
}

TEST_F(Cache, PassesErrorsOnAndForgetsTheLine)
{
    disk.bad_blocks = {8};
    std::byte b[1];
    EXPECT_EQ(cache->read(4096, b).error(), Error::device);
    disk.bad_blocks.clear();
    expect_same(4096, read(4096, 1));
}

TEST_F(Cache, RefusesReadOnlyDevices)
{
    disk.read_only = true;
    std::byte b[1] = {};
    EXPECT_EQ(cache->write(0, b).error(), Error::read_only);
}

}  // namespace
