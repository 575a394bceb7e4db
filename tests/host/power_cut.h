// SPDX-License-Identifier: BSD-2-Clause
// A disk that remembers what was written to it, and shows what a power cut would have left at any
// moment; and other people's checkers for what it shows.
//
//   PowerCutDisk disk(load_image("ext2-1k.img"));
//   ... mount, write, sync; states.push_back({disk.now(), model}); ...
//   disk.each_cut(cuts(300), seed, [&](const PowerCutDisk::Cut& cut) {
//       auto checked = run_checker(cut.image, "e2fsck -fn");
//       ... what was synced at states with moment <= cut.moment has to be there ...
//   });
#pragma once
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>
#include "images.h"

inline std::vector<char> load_image(const std::string& file)
{
    return ImageDevice::load(file).data;
}

// How many moments a test looks at: `usual` in the suite, 10,000 by `./vesper test --long`.
inline size_t cuts(size_t usual) { return getenv("VESPER_LONG") ? 10'000 : usual; }

class PowerCutDisk final : public BlockDevice {
public:
    explicit PowerCutDisk(std::vector<char> bytes, uint32_t block_bytes = 512)
        : data(std::move(bytes))
    {
        this->block_bytes = block_bytes;
        data.resize((data.size() + block_bytes - 1) / block_bytes * block_bytes);
        blocks = data.size() / block_bytes;
        name.append("wd0a");
        first_ = data;
    }

    // Moments are numbered by the blocks that have been written, and the flushes.
    size_t now() const { return events_.size(); }

    struct Cut {
        size_t moment;  // all that was flushed until then is on the medium
        bool reordered;
        std::vector<char> image;
    };
    // Calls check(cut) for `most` moments. At half of them, evenly spread from one on, the blocks
    // since the last flush have come to the medium in their order. The others are right before
    // flushes and at the end, where the order matters most: each block has its old contents, or
    // some that it was given since.
    void each_cut(size_t most, unsigned seed, const std::function<void(const Cut&)>& check,
                  size_t from = 0) const
    {
        std::vector<size_t> moments, before_flushes;
        for (size_t i = from; i < events_.size(); ++i) {
            moments.push_back(i);
            if (events_[i].bytes.empty()) before_flushes.push_back(i);
        }
        moments.push_back(events_.size());
        before_flushes.push_back(events_.size());
        size_t reordered = std::min(most / 2, 8 * before_flushes.size());
        at_some(moments, std::min(most - reordered, moments.size()), false, seed, check);
        at_some(before_flushes, reordered, true, seed, check);
    }
    // Right before each flush from a moment on, and at the end, reordered.
    void each_flush(unsigned seed, const std::function<void(const Cut&)>& check,
                    size_t from = 0) const
    {
        Cuts cuts(*this, seed, check);
        for (size_t i = from; i <= events_.size() && !testing::Test::HasFatalFailure(); ++i) {
            if (i == events_.size() || events_[i].bytes.empty()) cuts.at(i, true);
        }
    }

    // Asked before blocks are written, and before a flush (with no blocks): how many of them come
    // to the disk before it fails; nothing: it does not.
    std::function<std::optional<uint32_t>(std::span<const std::byte> bytes)> fault;

    std::function<bool()> read_fault;  // asked before blocks are read: whether that fails

    std::vector<char> data;
    size_t flushes = 0;

private:
    struct Event {
        uint64_t block;
        std::vector<char> bytes;  // none: a flush
    };
    struct Cuts {  // in rising order
        Cuts(const PowerCutDisk& disk, unsigned seed, const std::function<void(const Cut&)>& check)
            : disk(disk), random(seed), check(check), flushed(disk.first_)
        {
        }
        void at(size_t moment, bool reordered)
        {
            auto& events = disk.events_;
            for (size_t last = moment; last > end; --last) {
                if (!events[last - 1].bytes.empty()) continue;
                for (; end < last; ++end) disk.apply(flushed, events[end]);
            }
            Cut cut{moment, reordered, flushed};
            for (size_t n = end; n < moment; ++n) {
                if (!reordered || random() % 2) disk.apply(cut.image, events[n]);
            }
            SCOPED_TRACE("power cut at " + std::to_string(moment) + " of " +
                         std::to_string(events.size()) + (reordered ? ", reordered" : ""));
            check(cut);
        }
        const PowerCutDisk& disk;
        std::mt19937 random;
        const std::function<void(const Cut&)>& check;
        std::vector<char> flushed;
        size_t end = 0;  // of what is in `flushed`
    };
    void at_some(const std::vector<size_t>& moments, size_t most, bool reordered, unsigned seed,
                 const std::function<void(const Cut&)>& check) const
    {
        Cuts cuts(*this, seed, check);
        size_t last = moments.size() - 1;
        for (size_t i = 0; i < most && !testing::Test::HasFatalFailure(); ++i)
            cuts.at(moments[most == 1 ? last : last * i / (most - 1)], reordered);
    }
    void apply(std::vector<char>& image, const Event& event) const
    {
        std::copy(event.bytes.begin(), event.bytes.end(),
                  image.begin() + std::ptrdiff_t(event.block * block_bytes));
    }
    Result<void> read_blocks(uint64_t first, uint32_t count, std::byte* into) override
    {
        if (read_fault && read_fault()) return Error::device;
        memcpy(into, data.data() + first * block_bytes, size_t(count) * block_bytes);
        return {};
    }
    Result<void> write_blocks(uint64_t first, uint32_t count, const std::byte* from) override
    {
        auto bytes = reinterpret_cast<const char*>(from);
        std::optional<uint32_t> limit;
        if (fault) limit = fault({from, size_t(count) * block_bytes});
        if (limit) count = std::min(count, *limit);
        memcpy(data.data() + first * block_bytes, from, size_t(count) * block_bytes);
        for (uint32_t i = 0; i < count; ++i, bytes += block_bytes)
            events_.push_back({first + i, {bytes, bytes + block_bytes}});
        return limit ? Result<void>(Error::device) : Result<void>();
    }
    Result<void> flush_blocks() override
    {
        if (fault && fault({})) return Error::device;
        ++flushes;
        events_.push_back({});
        return {};
    }

    std::vector<char> first_;
    std::vector<Event> events_;
};

struct Checked {
    int status;  // the program's
    std::string output;
};
// Runs "COMMAND FILE", the image being in the file: one in memory, as checkers flush disks.
inline Checked run_checker(const std::vector<char>& image, const std::string& command)
{
    Checked checked{-1, ""};
    int memory = memfd_create("image", 0);
    std::string file = "/proc/self/fd/" + std::to_string(memory);
    std::ofstream(file, std::ios::binary).write(image.data(), std::streamsize(image.size()));
    std::string path = "PATH=$PATH:/usr/sbin:/sbin LC_ALL=C.UTF-8 ";
    FILE* program = popen((path + command + " " + file + " 2>&1 </dev/null").c_str(), "r");
    if (program) {
        char part[4096];
        while (size_t got = fread(part, 1, sizeof part, program)) checked.output.append(part, got);
        int status = pclose(program);
        checked.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    close(memory);
    return checked;
}
