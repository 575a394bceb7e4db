// SPDX-License-Identifier: BSD-2-Clause
#include <gmock/gmock.h>
#include "block/partitions.h"
#include "fakes/scsi.h"
#include "fakes/virtio.h"

extern const Driver vioscsi;

namespace {

using testing::HasSubstr;

struct Vioscsi : testing::TestWithParam<FakeVirtio::Interfaces> {
    Vioscsi()
    {
        device.queues.resize(3);
        for (auto& queue : device.queues) queue.most = queue.size = 128;
        device.event_queue = 1;
        device.configuration = std::vector<uint8_t>(36);
        configure(0x04, 126), configure(0x08, 2048), configure(0x0c, 128);
        configure(0x1c, 3 << 16);  // the last target is 3
        device.features |= 7 | virtio_event_index;
        device.serve = [this](std::vector<FakeVirtio::Part>& parts) { return serve(parts); };
    }
    ~Vioscsi() override
    {
        if (HasFailure()) {
            for (auto& line : machine.log) std::cout << "log: " << line << "\n";
        }
    }
    void configure(unsigned at, uint32_t value) { memcpy(&device.configuration[at], &value, 4); }

    uint32_t serve(std::vector<FakeVirtio::Part>& parts)
    {
        EXPECT_EQ(device.serving, 2u);
        EXPECT_GE(parts.size(), 2u);
        EXPECT_EQ(parts[0].bytes, 51u);
        size_t at = 1;
        std::vector<uint8_t> out;
        for (; at < parts.size() && !parts[at].writable; ++at)
            out.insert(out.end(), parts[at].data, parts[at].data + parts[at].bytes);
        EXPECT_EQ(parts.at(at).bytes, 108u);
        auto& response = parts[at];
        std::fill(response.data, response.data + 108, uint8_t{0});
        const uint8_t* lun = parts[0].data;
        EXPECT_EQ(lun[0], 1);
        EXPECT_EQ(lun[2] & 0xc0, 0x40);
        if (!responses.empty()) {
            response.data[11] = responses.front();
            responses.pop_front();
            return 108u;
        }
        if (response_code >= 0) return response.data[11] = uint8_t(response_code), 108u;
        auto target = units.find(lun[1]);
        if (target == units.end()) return response.data[11] = 3, 108u;
        std::vector<uint8_t> cdb(parts[0].data + 19, parts[0].data + 51);
        auto unit = target->second.find(unsigned(lun[2] & 0x3f) << 8 | lun[3]);
        if (cdb[0] == 0xa0) {
            answer_luns(target->second, parts, at);
            return 108 + 512;
        }
        if (unit == target->second.end()) return response.data[11] = 3, 108u;
        return give(unit->second.execute(cdb, out), parts, at, out.size());
    }
    uint32_t give(const FakeScsiUnit::Answer& answer, std::vector<FakeVirtio::Part>& parts,
                  size_t at, size_t written)
    {
        auto* response = parts[at].data;
        uint32_t room = 0, moved = uint32_t(written);
        size_t done = 0;
        for (size_t i = at + 1; i < parts.size(); ++i) {
            room += parts[i].bytes;
            size_t now = std::min<size_t>(parts[i].bytes, answer.data.size() - done);
            std::copy_n(answer.data.begin() + long(done), now, parts[i].data);
            done += now;
        }
        moved += uint32_t(done);
        uint32_t sense = uint32_t(answer.sense.size());
        uint32_t residual = uint32_t(written) + room - moved + extra_residual;
        memcpy(response, &sense, 4), memcpy(response + 4, &residual, 4);
        response[10] = answer.status;
        std::copy(answer.sense.begin(), answer.sense.end(), response + 12);
        return 108 + moved;  // as QEMU does, of either direction
    }
    void answer_luns(std::map<unsigned, FakeScsiUnit>& luns, std::vector<FakeVirtio::Part>& parts,
                     size_t at)
    {
        FakeScsiUnit::Answer answer;
        answer.data.resize(512);
        answer.data[3] = uint8_t(luns.size() * 8);
        size_t place = 8;
        for (auto& [lun, unit] : luns) {
            answer.data[place] = uint8_t(lun >> 8 | (lun > 255 ? 0x40 : 0));
            answer.data[place + 1] = uint8_t(lun);
            place += 8;
        }
        give(answer, parts, at, 0);
    }
    void attach()
    {
        device.plug_in(GetParam());
        EXPECT_TRUE(machine.attach(vioscsi));
        start_us = machine.now_us;
    }
    BlockDevice& disk(const char* name = "sd0")
    {
        auto* found = find_block_device(name);
        if (!found) {
            for (auto& line : machine.log) ADD_FAILURE() << line;
            abort();
        }
        return *found;
    }
    static Result<void> read(BlockDevice& from, FakeScsiUnit& unit, uint64_t first, uint32_t count)
    {
        std::vector<std::byte> memory(size_t{count} * from.block_bytes + 2, std::byte{0xee});
        auto result = from.read(first, count, memory.data() + 1);
        EXPECT_EQ(memory.front(), std::byte{0xee});
        EXPECT_EQ(memory.back(), std::byte{0xee});
        for (uint32_t i = 0; result && i < count; ++i)
            EXPECT_EQ(memcmp(memory.data() + 1 + i * from.block_bytes, unit.block(first + i).data(),
                             from.block_bytes),
                      0)
                << first + i;
        return result;
    }
    void event(uint32_t what, unsigned target, unsigned lun, uint32_t reason)
    {
        std::vector<uint8_t> bytes(16);
        memcpy(&bytes[0], &what, 4), memcpy(&bytes[12], &reason, 4);
        bytes[4] = 1, bytes[5] = uint8_t(target);
        bytes[6] = uint8_t(0x40 | lun >> 8), bytes[7] = uint8_t(lun);
        device.events.push_back(bytes);
    }
    uint64_t took_us() const { return machine.now_us - start_us; }
    size_t lines_of(std::string_view beginning) const
    {
        return size_t(std::count_if(machine.log.begin(), machine.log.end(),
                                    [&](auto& line) { return line.starts_with(beginning); }));
    }

    struct Job {
        BlockRequest request;
        std::vector<std::byte> memory;
    };
    BlockRequest& submit(BlockDevice& to, uint64_t first, uint32_t count, bool write = false)
    {
        auto& job = jobs.emplace_back();
        job.memory.resize(size_t{count} * to.block_bytes);
        for (size_t i = 0; i < job.memory.size(); ++i) job.memory[i] = std::byte(first + i * 3);
        job.request.operation =
            write ? BlockRequest::Operation::write : BlockRequest::Operation::read;
        job.request.first = first, job.request.count = count;
        job.request.data = job.memory.data();
        to.submit(job.request);
        return job.request;
    }
    void poll_all(BlockDevice& of, unsigned steps = 1000)
    {
        for (unsigned i = 0; i < steps; ++i) {
            of.poll();
            hal::idle();
        }
    }
    bool is_right(const BlockRequest& request, FakeScsiUnit& unit, uint32_t block_bytes = 512)
    {
        for (uint32_t i = 0; i < request.count; ++i) {
            if (memcmp(request.data + i * block_bytes, unit.block(request.first + i).data(),
                       block_bytes))
                return false;
        }
        return true;
    }

    static constexpr uint64_t virtio_event_index = 1ull << 29;
    FakeMachine machine;
    FakeVirtio device{machine, 8};
    std::map<unsigned, std::map<unsigned, FakeScsiUnit>> units{{0, {{0, {}}}}};
    FakeScsiUnit& unit = units[0][0];
    int response_code = -1;
    std::deque<uint8_t> responses;  // to the next requests
    uint32_t extra_residual = 0;
    std::deque<Job> jobs;
    uint64_t start_us = 0;
};

INSTANTIATE_TEST_SUITE_P(Interfaces, Vioscsi, FakeVirtio::all_interfaces(), FakeVirtio::name_of);

TEST_P(Vioscsi, FindsAllUnitsOfAllTargets)
{
    units[0][3] = FakeScsiUnit::cd();
    units[2][0].blocks = 4096;
    units[2][300].blocks = 8192;
    units[3][1].type = 3;
    attach();
    EXPECT_TRUE(machine.logged("vioscsi0 at mainbus0 pci: virtio SCSI host, "));
    EXPECT_TRUE(machine.logged("sd0 at vioscsi0 target 0 lun 0: <FAKE SCSI DISK>, 64 MiB"));
    EXPECT_TRUE(machine.logged("cd0 at vioscsi0 target 0 lun 3: <FAKE CD-ROM>"));
    EXPECT_TRUE(machine.logged("sd1 at vioscsi0 target 2 lun 0: <FAKE SCSI DISK>, 2 MiB"));
    EXPECT_TRUE(machine.logged("sd2 at vioscsi0 target 2 lun 300: <FAKE SCSI DISK>, 4 MiB"));
    EXPECT_TRUE(machine.logged("uk0 at vioscsi0 target 3 lun 1"));
    EXPECT_LE(machine.now_us, 100'000u);
    EXPECT_TRUE(read(disk("sd2"), units[2][300], 8000, 192));
    EXPECT_TRUE(read(disk("cd0"), units[0][3], 16, 5));
}

TEST_P(Vioscsi, ReadsAndWrites)
{
    attach();
    EXPECT_TRUE(read(disk(), unit, 0, 1));
    EXPECT_TRUE(read(disk(), unit, 100, 5000));  // in pieces of 1 MiB
    EXPECT_EQ(unit.transfers.size(), 4u);
    auto& written = submit(disk(), 77, 300, true);
    EXPECT_TRUE(disk().wait(written, {1'000'000}));
    EXPECT_TRUE(is_right(written, unit));
    EXPECT_EQ(unit.written.size(), 300u);
    EXPECT_TRUE(disk().flush());
    EXPECT_EQ(unit.flushes, 1u);
    EXPECT_EQ(device.resets, 2u);
}

TEST_P(Vioscsi, WorksWithMessagesWithALineAndWithoutAny)
{
    for (int how = 0; how < 3; ++how) {
        device.line = how == 0 ? 11 : 0;
        device.plug_in(GetParam());
        if (how == 2) device.add_messages(4);
        device.interrupts = 0;
        EXPECT_TRUE(machine.attach(vioscsi));
        auto* last = first_block_device();
        while (last->next) last = last->next;
        EXPECT_TRUE(read(*last, unit, 5, 700));
        if (how != 1) {
            EXPECT_GT(device.interrupts, 0u);
        }
        machine.functions.clear();
    }
}

TEST_P(Vioscsi, KeepsManyRequestsInFlight)
{
    units[1][0] = {};
    attach();
    device.holds = 20;  // they pile up
    for (unsigned i = 0; i < 50; ++i)
        submit(disk(i & 1 ? "sd1" : "sd0"), i * 500, 1 + i, i % 3 == 0);
    poll_all(disk(), 3);
    device.holds = 0;
    poll_all(disk());
    poll_all(disk("sd1"));
    for (unsigned i = 0; i < 50; ++i) {
        EXPECT_TRUE(jobs[i].request.done && jobs[i].request.result) << i;
        EXPECT_TRUE(is_right(jobs[i].request, units[i & 1][0])) << i;
    }
    EXPECT_EQ(device.resets, 2u);
}

TEST_P(Vioscsi, WaitsBesideWhatIsInFlight)
{
    units[1][0] = {};
    attach();
    for (unsigned i = 0; i < 40; ++i) submit(disk(), i * 500, 8);
    EXPECT_TRUE(read(disk("sd1"), units[1][0], 5, 70));
    EXPECT_TRUE(disk().flush());
    poll_all(disk());
    for (auto& job : jobs) EXPECT_TRUE(job.request.done && is_right(job.request, unit));
}

TEST_P(Vioscsi, SaysWhatTheUnitSaid)
{
    attach();
    unit.bad[17] = {3, 0x11};
    EXPECT_EQ(read(disk(), unit, 10, 20).error(), Error::device);
    EXPECT_TRUE(machine.logged("sd0: read of block 17: medium error, read error (3/11/00)"));
    auto& request = submit(disk(), 10, 20);
    auto& other = submit(disk(), 40, 20);
    poll_all(disk());
    EXPECT_EQ(request.result.error(), Error::device);
    EXPECT_TRUE(other.done && other.result);
    EXPECT_EQ(device.resets, 2u);
}

TEST_P(Vioscsi, ACommandThatDoesNotEndHasTheDeviceStopped)
{
    attach();
    device.never_answers = true;
    EXPECT_EQ(read(disk(), unit, 10, 20).error(), Error::timed_out);
    EXPECT_GE(took_us(), 29'000'000u);
    EXPECT_LE(took_us(), 64'000'000u);
    EXPECT_FALSE(device.masters_bus());  // before the caller has its memory again
    EXPECT_TRUE(machine.logged("vioscsi0: stopped, because a command does not end"));
    device.never_answers = false;
    machine.now_us += 30'000'000;
    EXPECT_TRUE(read(disk(), unit, 10, 20));
}

TEST_P(Vioscsi, OthersAreDoneAgainWhenOneDoesNotEnd)
{
    attach();
    for (unsigned i = 0; i < 10; ++i) submit(disk(), i * 500, 8);
    device.holds = 3;
    for (unsigned i = 0; i < 4000 && device.resets == 2; ++i)
        disk().poll(), hal::idle(), machine.now_us += 10'000;
    EXPECT_GT(device.resets, 2u);
    device.holds = 0;
    poll_all(disk());
    for (auto& job : jobs) EXPECT_TRUE(job.request.done && job.request.result);
}

TEST_P(Vioscsi, CancelStopsTheDevice)
{
    attach();
    device.holds = 100;
    for (unsigned i = 0; i < 40; ++i) submit(disk(), i * 500, 8);
    disk().cancel();
    EXPECT_FALSE(device.masters_bus());
    for (auto& job : jobs) EXPECT_EQ(job.request.result.error(), Error::timed_out);
    device.holds = 0;
    EXPECT_TRUE(read(disk(), unit, 10, 20));
    unsigned resets = device.resets;
    disk().cancel();  // nothing is in flight
    EXPECT_EQ(device.resets, resets);
}

TEST_P(Vioscsi, ResponsesThatAreNoneAreErrors)
{
    attach();
    for (int code : {2, 6, 7, 8, 9, 0x77, 0xff}) {
        response_code = code;
        EXPECT_EQ(read(disk(), unit, 10, 20).error(), Error::device) << code;
        response_code = -1;
    }
    EXPECT_TRUE(machine.logged("sd0: read of blocks 10...29: response ff"));
    for (uint32_t residual : {1u, 20000u, 0xffffffffu}) {
        extra_residual = residual;
        EXPECT_EQ(read(disk(), unit, 10, 20).error(), Error::device) << residual;
        extra_residual = 0;
    }
    response_code = 5;  // busy, for too long
    EXPECT_EQ(read(disk(), unit, 10, 20).error(), Error::timed_out);
    EXPECT_LE(took_us(), 30'000'000u);
    response_code = -1;
    EXPECT_TRUE(read(disk(), unit, 10, 20));
    EXPECT_EQ(device.resets, 2u);
}

TEST_P(Vioscsi, ADamagedQueueIsStartedAnew)
{
    attach();
    for (int fault = 0; fault < 3; ++fault) {
        (fault == 0 ? device.bad_id : fault == 1 ? device.extra_length : device.index_jump) = 99;
        EXPECT_EQ(read(disk(), unit, 10, 20).error(), Error::device);
        device.bad_id = -1, device.extra_length = 0, device.index_jump = 0;
        EXPECT_TRUE(read(disk(), unit, 10, 20));
    }
}

TEST_P(Vioscsi, ADeviceThatWantsAResetGetsOne)
{
    attach();
    device.needs_reset = true;
    EXPECT_EQ(read(disk(), unit, 10, 20).error(), Error::device);
    device.needs_reset = false;
    EXPECT_TRUE(read(disk(), unit, 10, 20));
    EXPECT_LE(took_us(), 2'000'000u);
}

TEST_P(Vioscsi, ADeviceThatHasGoneFailsAll)
{
    attach();
    for (unsigned i = 0; i < 40; ++i) submit(disk(), i * 500, 8);
    device.gone = true;
    poll_all(disk());
    for (auto& job : jobs) EXPECT_TRUE(job.request.done);
    EXPECT_EQ(jobs.back().request.result.error(), Error::gone);
    EXPECT_EQ(read(disk(), unit, 10, 20).error(), Error::gone);
    EXPECT_EQ(lines_of("sd0: "), 1u) << "it is said once, not for each request";
    EXPECT_LE(took_us(), 20'000'000u);
}

TEST_P(Vioscsi, AUnitThatIsTakenAwayFailsItsRequests)
{
    units[1][0] = {};
    attach();
    for (unsigned i = 0; i < 40; ++i) submit(disk("sd1"), i * 500, 8);
    units.erase(1);
    event(1, 1, 0, 2);
    poll_all(disk("sd1"));
    for (auto& job : jobs) EXPECT_EQ(job.request.result.error(), Error::gone);
    EXPECT_TRUE(disk("sd1").is_gone());
    EXPECT_TRUE(machine.logged("sd1: it has been removed"));
    EXPECT_LE(lines_of("sd1: "), 2u);
    EXPECT_TRUE(read(disk(), unit, 10, 20));
    EXPECT_LE(took_us(), 20'000'000u);
}

TEST_P(Vioscsi, WhatIsCancelledWithItsUnitIsNotComplainedOf)
{
    units[1][0] = {};
    attach();
    for (unsigned i = 0; i < 20; ++i) submit(disk("sd1"), i * 500, 8);
    responses.assign(20, 2);
    units.erase(1);
    poll_all(disk("sd1"));
    for (auto& job : jobs) EXPECT_EQ(job.request.result.error(), Error::gone);
    EXPECT_LE(lines_of("sd1: "), 2u);
    responses.assign(10, 2);
    EXPECT_EQ(read(disk(), unit, 10, 20).error(), Error::device) << "not for ever";
    EXPECT_TRUE(machine.logged("sd0: read of blocks 10...29: it was cancelled"));
}

TEST_P(Vioscsi, SaysOfEachRequestWhyItFailed)
{
    attach();
    submit(disk(), 10, 1);
    submit(disk(), 20, 1);
    responses = {6, 7};
    poll_all(disk());
    EXPECT_TRUE(machine.logged("sd0: response 06; once more"));
    EXPECT_TRUE(machine.logged("sd0: response 07; once more"));
    for (auto& job : jobs) EXPECT_TRUE(job.request.result);
}

TEST_P(Vioscsi, AUnitThatIsTakenAwayWithoutAWordIsGoneToo)
{
    units[1][0] = {};
    attach();
    units.erase(1);
    EXPECT_EQ(disk("sd1").flush().error(), Error::gone);
    EXPECT_TRUE(disk("sd1").is_gone());
    EXPECT_LE(took_us(), 1'000'000u);
}

TEST_P(Vioscsi, AttachesWhatComes)
{
    attach();
    for (unsigned round = 0; round < 20; ++round) {
        units[2][1].blocks = 2048;
        event(1, 2, 1, 1);
        hal::idle();
        look_for_disks();
        Text<16> name;
        name.print("sd{}", round + 1);
        ASSERT_TRUE(find_block_device(name.view())) << round;
        EXPECT_TRUE(read(*find_block_device(name.view()), units[2][1], 2000, 48));
        look_for_disks();
        units.erase(2);
        event(1, 2, 1, 2);
        hal::idle();
        look_for_disks();
        EXPECT_TRUE(find_block_device(name.view())->is_gone());
    }
    EXPECT_TRUE(machine.logged("sd20 at vioscsi0 target 2 lun 1"));
    units[2][1] = {};
    event(0x80000000, 0, 0, 0);  // some were missed
    hal::idle();
    look_for_disks();
    EXPECT_TRUE(find_block_device("sd21"));
}

TEST_P(Vioscsi, EventsThatMakeNoSenseDoNothing)
{
    attach();
    event(1, 255, 0x3fff, 2);
    event(1, 9, 9, 77);
    event(77, 0, 0, 2);
    device.events.push_back({1, 0, 0, 0});
    device.events.push_back({});
    for (unsigned i = 0; i < 20; ++i) hal::idle(), look_for_disks();
    EXPECT_FALSE(disk().is_gone());
    EXPECT_TRUE(read(disk(), unit, 10, 20));
    EXPECT_TRUE(device.events.empty());
}

TEST_P(Vioscsi, ACdThatIsChangedIsNoticed)
{
    units[0][0] = FakeScsiUnit::cd();
    attach();
    EXPECT_TRUE(read(disk("cd0"), unit, 16, 20));
    unit.insert(77);
    EXPECT_EQ(read(disk("cd0"), unit, 16, 20).error(), Error::not_found);
    EXPECT_TRUE(read(disk("cd0"), unit, 16, 20));
    EXPECT_EQ(disk("cd0").blocks, 77u);
}

TEST_P(Vioscsi, TakesAnyConfiguration)
{
    for (uint32_t value : {0u, 1u, 0xffffffffu}) {
        configure(0x08, value), configure(0x0c, value);
        if (value != 1) configure(0x1c, value);
        device.plug_in(GetParam());
        EXPECT_TRUE(machine.attach(vioscsi));
        auto* last = first_block_device();
        ASSERT_TRUE(last);
        while (last->next) last = last->next;
        EXPECT_TRUE(read(*last, unit, 5, 70));
        EXPECT_LE(last->largest_transfer, 1u << 16);
    }
}

TEST_P(Vioscsi, IsNotUsableWithoutItsQueues)
{
    for (auto& queue : device.queues) {
        for (uint16_t size : {0, 3, 1}) {
            queue.most = queue.size = size;
            if (size == 1 && &queue != &device.queues[2]) continue;
            device.plug_in(GetParam());
            EXPECT_TRUE(machine.attach(vioscsi));
            EXPECT_EQ(first_block_device(), nullptr);
            EXPECT_FALSE(device.masters_bus());
        }
        queue.most = queue.size = 128;
    }
}

TEST_P(Vioscsi, NeedsMemory)
{
    device.plug_in(GetParam());
    unsigned failures = 0;
    for (; !first_block_device() && failures < 60; ++failures) {
        FakeHeap::fail_after = int(failures);
        (void)machine.attach(vioscsi);
        FakeHeap::fail_after = -1;
    }
    ASSERT_TRUE(first_block_device());
    EXPECT_TRUE(read(*first_block_device(), unit, 5, 70));
}

}  // namespace
