// SPDX-License-Identifier: BSD-2-Clause
#include <gmock/gmock.h>
#include "fakes/virtio.h"

extern const Driver vio9p;

namespace {

using testing::ElementsAre;
using Bytes = std::vector<std::byte>;

struct Vio9p : testing::TestWithParam<FakeVirtio::Interfaces> {
    Vio9p()
    {
        device.features |= 1;
        device.configuration = {5, 0, 's', 'h', 'a', 'r', 'e', 'x'};
        device.queues[0].most = device.queues[0].size = 128;
        device.serve = [this](std::vector<FakeVirtio::Part>& parts) {
            asked.clear();
            uint32_t room = 0, written = 0;
            for (auto& part : parts) {
                if (!part.writable) asked.append(reinterpret_cast<char*>(part.data), part.bytes);
                if (part.writable) room += part.bytes;
            }
            uint32_t bytes = std::min<uint32_t>(room, uint32_t(answer.size()));
            for (auto& part : parts) {
                uint32_t piece = part.writable ? std::min(part.bytes, bytes - written) : 0;
                memcpy(part.data, answer.data() + written, piece);
                written += piece;
            }
            return written;
        };
    }
    MessageChannel& attach()
    {
        device.plug_in(GetParam());
        EXPECT_TRUE(machine.attach(vio9p));
        start_us = machine.now_us;
        if (!first_message_channel()) abort();
        return *first_message_channel();
    }
    static std::span<const std::byte> bytes(std::string_view text)
    {
        return std::as_bytes(std::span(text));
    }
    Result<uint32_t> exchange(MessageChannel& channel)
    {
        reply.assign(4, std::byte{0xee}), into.assign(10'000, std::byte{0xee});
        return channel.exchange({bytes("request"), bytes(from), reply, into});
    }
    uint64_t took_us() const { return machine.now_us - start_us; }

    FakeMachine machine;
    FakeVirtio device{machine, 9};
    std::string asked, answer = "answer", from = "data";
    Bytes reply, into;
    uint64_t start_us = 0;
};

INSTANTIATE_TEST_SUITE_P(Interfaces, Vio9p, FakeVirtio::all_interfaces(), FakeVirtio::name_of);

TEST_P(Vio9p, IsPublishedWithItsTag)
{
    auto& channel = attach();
    EXPECT_EQ(channel.name.view(), "vio9p0");
    EXPECT_EQ(channel.tag.view(), "share");
    EXPECT_THAT(machine.log, ElementsAre(std::string("vio9p0 at mainbus0 pci: virtio 9P file "
                                                     "server \"share\", ") +
                                         (GetParam().modern ? "modern" : "legacy") + " interface"));
}

TEST_P(Vio9p, ATagMayBeMissingOrTooLong)
{
    device.features &= ~1ull;
    EXPECT_EQ(attach().tag.view(), "");
    device.features |= 1;
    device.configuration.assign(300, 'x');
    EXPECT_TRUE(machine.attach(vio9p));
    EXPECT_EQ(first_message_channel()->next->tag.view(), std::string(63, 'x'));
}

TEST_P(Vio9p, AMessageGoesThereAndItsAnswerComesBack)
{
    auto& channel = attach();
    EXPECT_EQ(exchange(channel).value(), 6u);
    EXPECT_EQ(asked, "requestdata");
    EXPECT_EQ(memcmp(reply.data(), "answ", 4), 0);
    EXPECT_EQ(memcmp(into.data(), "er\xee", 3), 0);
    from.assign(100'000, 'f'), answer.assign(10'004, 'a');
    EXPECT_EQ(exchange(channel).value(), 10'004u);
    EXPECT_EQ(asked.size(), 100'007u);
    EXPECT_EQ(into.back(), std::byte{'a'});
    from.clear();
    for (unsigned i = 0; i < 500; ++i) ASSERT_TRUE(exchange(channel)) << i;  // often round its ring
    EXPECT_EQ(device.resets, 2u);
}

TEST_P(Vio9p, AServerThatIsSilentCostsItsDeadline)
{
    auto& channel = attach();
    device.never_answers = true;
    EXPECT_EQ(exchange(channel).error(), Error::timed_out);
    EXPECT_LT(took_us(), 31'000'000u);
    EXPECT_FALSE(device.masters_bus());
    EXPECT_EQ(device.status, 0);
    device.never_answers = false;
    EXPECT_TRUE(exchange(channel));
    EXPECT_EQ(channel.tag.view(), "share");
}

TEST_P(Vio9p, AnswersThatCannotBe)
{
    auto& channel = attach();
    device.extra_length = 1 << 20;
    EXPECT_EQ(exchange(channel).error(), Error::device);
    EXPECT_FALSE(device.masters_bus());
    device.extra_length = 0;
    EXPECT_TRUE(exchange(channel));
    device.needs_reset = true;
    EXPECT_EQ(exchange(channel).error(), Error::device);
    device.needs_reset = false;
    EXPECT_TRUE(exchange(channel));
    device.gone = true;
    EXPECT_EQ(exchange(channel).error(), Error::gone);
    EXPECT_EQ(exchange(channel).error(), Error::gone);
    EXPECT_LT(took_us(), 100'000u);
}

TEST_P(Vio9p, WithoutItsQueueItIsNotUsed)
{
    device.queues[0].most = device.queues[0].size = 0;
    device.plug_in(GetParam());
    EXPECT_TRUE(machine.attach(vio9p));
    EXPECT_EQ(first_message_channel(), nullptr);
    EXPECT_FALSE(device.masters_bus());
}

TEST_P(Vio9p, NeedsMemory)
{
    device.plug_in(GetParam());
    for (int failures = 0; !first_message_channel(); ++failures) {
        ASSERT_LT(failures, 10);
        FakeHeap::fail_after = failures;
        EXPECT_TRUE(machine.attach(vio9p));
        FakeHeap::fail_after = -1;
    }
    EXPECT_TRUE(exchange(*first_message_channel()));
}

}  // namespace
