// SPDX-License-Identifier: BSD-2-Clause
// Random operations while the volume is full and then the power goes, while the disk fails, or the
// memory ends: what was synced and not touched since is there, and the checker finds lost space at
// most.
#include <optional>
#include "ext2_disk.h"
#include "fakes/clock.h"
#include "fat_complaints.h"
#include "ffs_checker.h"
#include "fs/open_file.h"
#include "fs_model.h"
#include "made_volume.h"
#include "power_cut.h"

namespace {

using namespace ext2_disk;
using fs::NodeType;

struct SyncedVolume : testing::TestWithParam<MadeVolume> {
    struct State {
        struct Entry {
            std::string path;
            fs_model::ObjectPointer object;
            std::string data;  // as it was synced
        };
        size_t moment;
        std::vector<Entry> entries;                 // folders before what is in them
        std::set<const fs_model::Object*> touched;  // since then
    };
    static void list(const fs_model::Object& folder, const std::string& path, State& state)
    {
        for (auto& [name, object] : folder.entries) {
            state.entries.push_back({path + "/" + name, object, object->data});
            list(*object, path + "/" + name, state);
        }
    }
    // With random operations, synced now and then. At the end no write fails any more.
    void run(unsigned seed, unsigned steps, bool is_full)
    {
        fs_model::Options options = GetParam().operations();
        options.symbolic_links = false;  // what is touched by way of one has another path
        options.may_fill = is_full;
        options.may_fail = !is_full;
        options.top_has_time = false;
        options.compare_every = is_full ? 50 : 0;
        unsigned done = 0;
        if (is_full) options.tick = [&] { fill(++done % 4 ? 0 : 6000); };
        options.touched = [&](const fs_model::Object& object) {
            states.back().touched.insert(&object);
        };
        options.pause_every = 8;
        fs_model::RandomOperations* running = nullptr;
        options.pause = [&] {
            auto synced = fs::sync();
            if (!is_full && (synced.error() == Error::device || synced.error() == Error::no_memory))
                return;
            ASSERT_TRUE(synced) << error_text(synced.error());
            if (running->has_failed()) return;  // what the last operation has done is not known
            states.push_back({disk->now(), {}, {}});
            list(running->top(), "", states.back());
        };
        fs_model::RandomOperations operations(seed, options);
        running = &operations;
        operations.run(steps);
        disk->fault = nullptr;
        disk->read_fault = nullptr;
        FakeHeap::fail_after = -1;
        operations.close_files();
        options.pause();
        if (!operations.has_failed()) operations.compare();
    }
    void begin()
    {
        disk.emplace(empty);
        publish_as(*disk, "wd0");
        fs::set_root(fs::mount(*disk).value());
        ASSERT_TRUE(fs::create("/top", NodeType::directory, 0755));
        ASSERT_TRUE(fs::sync());
        states = {{disk->now(), {}, {}}};
    }
    void end()
    {
        fs::Volume* volume = fs::root();
        fs::set_root(nullptr);
        ASSERT_TRUE(fs::unmount(*volume));
    }
    // What was synced by then, and has not been touched since.
    void compare(size_t moment)
    {
        auto state = states.rbegin();
        while (state->moment > moment) ++state;
        std::string touched = "-";
        for (auto& [path, object, data] : state->entries) {
            if (path.starts_with(touched + "/")) continue;
            if (state->touched.contains(object.get())) {
                touched = path;
                continue;
            }
            auto found = fs::look_up("left:/top" + path);
            ASSERT_TRUE(found) << path << ": " << error_text(found.error());
            ASSERT_EQ(found.value().node->type, object->type) << path;
            if (object->type == NodeType::file)
                ASSERT_TRUE(fs_model::read_all(*found.value().node) == data) << path;
        }
    }
    void check(const std::vector<char>& image)
    {
        std::string kind = GetParam().name;
        if (kind.starts_with("ffs")) return ffs_checker->add(image);  // it knows the mark itself
        if (!GetParam().is_marked(image)) {
            auto checked = run_checker(image, GetParam().checker);
            EXPECT_EQ(checked.status, 0) << checked.output;
            return;
        }
        if (kind == "ext2")
            return expect_lost_space_at_most(run_checker(image, "e2fsck -fn").output);
        if (kind == "ext4") return expect_orphans_at_most(run_checker(image, "e2fsck -fp"));
        EXPECT_EQ(fat_complaints(run_checker(image, GetParam().checker), true), "");
    }
    void check_and_compare(const PowerCutDisk::Cut& cut)
    {
        check(cut.image);
        ImageDevice left(cut.image);
        left.name = Text<16>("left");
        fs::Volume* again = fs::mount(left).value();
        EXPECT_EQ(again->file_system->read_only, nullptr);
        compare(cut.moment);
        ASSERT_TRUE(fs::unmount(*again));
    }
    FakeMachine machine;
    std::optional<FfsChecker> ffs_checker;
    NoonClock clock{machine};
    std::vector<char> empty = GetParam().make().data;
    std::optional<PowerCutDisk> disk;
    std::vector<State> states;
};

TEST_P(SyncedVolume, LosesNothingWhenThePowerGoesWhileItIsFull)
{
    begin();
    ASSERT_TRUE(fs::create("/filler", NodeType::file, 0644));
    fill(50'000);
    ASSERT_TRUE(fs::sync());
    states.front().moment = disk->now();
    run(2, 200, true);
    end();
    if (GetParam().name[1] == 'f') ffs_checker.emplace(true);
    size_t from = states.front().moment;
    disk->each_cut(
        cuts(40), 1, [&](auto& cut) { check_and_compare(cut); }, from);
}

// Reads or writes fail, from some of them on; and then they do not any more. An operation that this
// has ended counts as touching what it was about.
TEST_P(SyncedVolume, IsNotHurtByAnErrorOfTheDisk)
{
    if (GetParam().name[1] == 'f') ffs_checker.emplace(true);
    size_t all[2] = {};  // writes, and reads
    bool is_long = getenv("VESPER_LONG");
    unsigned seeds = is_long ? 40 : 3, runs = is_long ? 30 : 8;
    for (unsigned n = 0; n < 2 * seeds * (runs + 1) && !HasFailure(); ++n) {
        bool reads = n & 1;
        unsigned i = n / 2 % (runs + 1), seed = 1 + n / 2 / (runs + 1);
        constexpr size_t counts[] = {1, 2, 15}, keeps[] = {0, 1, 10'000};
        size_t from = i ? (i - 1) * all[reads] / runs : ~size_t{0}, done = 0;  // the first: none
        size_t count = counts[i % 3], kept = keeps[i / 3 % 3];
        auto fails = [&] { return done++ >= from && done - from <= count; };
        SCOPED_TRACE(testing::Message()
                     << "seed " << seed << ": " << count << (reads ? " reads of " : " writes of ")
                     << all[reads] << " fail, from " << from << " on; blocks written: " << kept);
        begin();
        if (reads) {
            fs::root()->cache->set_limit(16);
            disk->read_fault = fails;
        } else {
            disk->fault = [&](std::span<const std::byte>) {
                return fails() ? std::optional<uint32_t>(kept) : std::nullopt;
            };
        }
        run(seed, 100, false);
        if (i == 0) all[reads] = done;
        end();
        check_and_compare({disk->now(), false, disk->data});
        disk->each_cut(
            2, seed, [&](auto& cut) { check_and_compare(cut); }, states.front().moment);
    }
}

TEST_P(SyncedVolume, IsNotHurtByWantOfMemory)
{
    if (GetParam().name[1] == 'f') ffs_checker.emplace(true);
    bool is_long = getenv("VESPER_LONG");
    unsigned runs = is_long ? 2000 : 50;
    for (unsigned i = 0; i < runs && !HasFailure(); ++i) {
        int from = int(i * 300 / runs);
        SCOPED_TRACE(testing::Message() << "allocation " << from << " fails");
        begin();
        FakeHeap::fail_after = from;
        run(i % 7, 100, false);
        end();
        check_and_compare({disk->now(), false, disk->data});
    }
}

INSTANTIATE_TEST_SUITE_P(On, SyncedVolume, testing::ValuesIn(small_volumes),
                         [](auto& info) { return info.param.name; });

}  // namespace
