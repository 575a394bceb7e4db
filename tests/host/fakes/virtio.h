// SPDX-License-Identifier: BSD-2-Clause
// A fake virtio device on PCI, which fails in the ways that it is told to. What it does with a
// chain is up to the test; it complains when the driver breaks the protocol of VIRTIO 1.2.
//
//   FakeVirtio device{machine, 4};                 // by virtio's number: an entropy source
//   device.serve = [](auto& parts) { return 0; };  // what it wrote, in bytes
//   device.plug_in({.legacy = true, .modern = true});
#pragma once
#include <gtest/gtest.h>
#include <deque>
#include "fakes/machine.h"
#include "lib/bytes.h"

class FakeVirtio {
public:
    static constexpr uint16_t ports = 0xc000;
    static constexpr uint64_t memory = 0xfe000000;
    static constexpr unsigned isr_at = 0x1000, configuration_at = 0x2000, notify_at = 0x3000;
    static constexpr uint32_t notify_multiplier = 4;
    static constexpr uint64_t table_memory = 0xfe100000;  // of MSI-X
    static constexpr uint16_t no_vector = 0xffff;

    struct Part {  // of a chain
        uint8_t* data;
        uint32_t bytes;
        bool writable;
    };
    struct Queue {
        uint16_t most = 8, size = 8;  // most 0: there is none
        uint64_t descriptors = 0, available = 0, used = 0;
        bool enabled = false, notified = false;
        uint16_t taken = 0;  // of the available ring
        uint16_t vector = no_vector;
    };

    FakeVirtio(FakeMachine& machine, uint8_t type) : machine(machine), type(type)
    {
        machine.on_wait = [this] { step(); };
    }

    // ---- what it is
    std::function<uint32_t(std::vector<Part>&)> serve;
    unsigned serving = 0;  // the queue whose chain serve() is given
    int event_queue = -1;  // its chains wait for events
    std::deque<std::vector<uint8_t>> events;
    uint64_t features = 1ull << 32 | 1ull << 28;
    std::vector<Queue> queues{1};
    std::vector<uint8_t> configuration = {1, 2, 3, 4};
    uint64_t modern_at = memory;  // where firmware has put the memory
    unsigned line = 11;
    unsigned messages = 0;  // that MSI-X has
    bool takes_vectors = true;
    unsigned holds = 0;  // leaves so many chains undone
    unsigned found = 0;  // so many when it looked last

    // ---- faults
    bool never_answers = false, gone = false, reset_hangs = false, refuses_features = false;
    bool needs_reset = false;  // instead of an answer
    bool loses_interrupts = false;
    int bad_id = -1, extra_length = 0, index_jump = 0;  // of the next entry in the used ring

    // ---- what the driver did
    uint64_t accepted = 0;
    unsigned resets = 0, interrupts = 0, chains = 0, status_reads = 0, notifications = 0;
    uint8_t status = 0;
    bool used_legacy = false, used_modern = false;

    struct Interfaces {
        bool legacy = false, modern = false;
    };
    // For INSTANTIATE_TEST_SUITE_P.
    static auto all_interfaces()
    {
        return testing::Values(Interfaces{.legacy = true}, Interfaces{.modern = true},
                               Interfaces{.legacy = true, .modern = true});
    }
    static std::string name_of(const testing::TestParamInfo<Interfaces>& info)
    {
        return std::string(info.param.legacy ? "Legacy" : "") + (info.param.modern ? "Modern" : "");
    }
    void plug_in(Interfaces have)
    {
        config = &machine.pci(0, 3, 0);
        std::fill(config->begin(), config->end(), uint8_t{0});
        put(0x00, 0x1af4u | uint32_t(have.legacy ? transitional() : 0x1040 + type) << 16);
        put(0x08, 0x00ff0000 | !have.legacy);  // revision
        (*config)[0x3c] = uint8_t(line), (*config)[0x3d] = line ? 1 : 0;
        if (have.legacy) {
            put(0x10, ports | 1);
            machine.bar_bytes[&(*config)[0x10]] = 32;
            machine.ports(ports, 32, legacy_face);
        }
        if (!have.modern) return;
        put(0x20, uint32_t(modern_at) | 0xc), put(0x24, uint32_t(modern_at >> 32));
        machine.bar_bytes[&(*config)[0x20]] = 0x4000;
        machine.memory(modern_at, 0x4000, modern_face);
        (*config)[0x06] = 0x10, (*config)[0x34] = 0x40;
        add_capability(0x40, 0x54, 5, 0, 0, 0);  // PCI configuration access: to be passed over
        add_capability(0x54, 0x68, 1, 4, 0, 0x38);
        add_capability(0x68, 0x7c, 3, 4, isr_at, 1);
        add_capability(0x7c, 0x90, 4, 4, configuration_at, uint32_t(configuration.size()));
        add_capability(0x90, 0, 2, 4, notify_at, 0x1000);
        put(0xa0, notify_multiplier);
    }
    // After plug_in(): so many messages.
    void add_messages(unsigned count)
    {
        messages = count;
        put(0xb0, 0x11u | uint32_t{(*config)[0x34]} << 8 | (count - 1) << 16);
        put(0xb4, 1);  // the table is at the beginning of BAR 1
        (*config)[0x06] = 0x10, (*config)[0x34] = 0xb0;
        put(0x14, uint32_t(table_memory));
        machine.bar_bytes[&(*config)[0x14]] = 4096;
        machine.memory(table_memory, 4096, table_face);
    }
    bool has_messages() const { return messages && (*config)[0xb3] & 0x80; }
    void change_configuration()
    {
        if (has_messages()) return send(configuration_vector);
        isr |= 2;
        machine.interrupt(line);
    }
    void put(unsigned offset, uint32_t value) { memcpy(&config->at(offset), &value, 4); }
    bool masters_bus() const { return (*config)[4] & 4; }

    // The device does what it has been told to, and finishes resets.
    void step()
    {
        if (status == 0) return;
        for (Queue& queue : queues) {
            serving = unsigned(&queue - queues.data());
            bool news = is_event_queue() ? queue.enabled && !events.empty() : queue.notified;
            if (news && !gone && !never_answers) work(queue);
        }
    }

private:
    uint16_t transitional() const
    {
        return uint16_t(type == 4   ? 0x1005
                        : type == 9 ? 0x1009
                        : type == 8 ? 0x1004
                                    : 0xfff + type);
    }
    void add_capability(unsigned at, unsigned next, uint8_t kind, uint8_t bar, uint32_t offset,
                        uint32_t bytes)
    {
        put(at, 9u | next << 8 | uint32_t(kind == 2 ? 20 : 16) << 16 | uint32_t(kind) << 24);
        put(at + 4, bar), put(at + 8, offset), put(at + 12, bytes);
    }

    // ---- queues
    bool is_event_queue() const { return int(serving) == event_queue; }
    uint32_t answer(std::vector<Part>& parts)
    {
        if (!is_event_queue()) return serve(parts);
        auto event = events.front();
        events.pop_front();
        EXPECT_TRUE(parts.size() == 1 && parts[0].writable);
        auto bytes = uint32_t(std::min<size_t>(event.size(), parts[0].bytes));
        std::copy_n(event.begin(), bytes, parts[0].data);
        return bytes;
    }
    template <class T> T* at(uint64_t address, size_t count = 1)
    {
        auto* data = machine.at(uint32_t(address), count * sizeof(T));
        if (!data) ADD_FAILURE() << "DMA to what is not memory: " << std::hex << address;
        return reinterpret_cast<T*>(data);
    }
    std::vector<Part> parts_of(const Queue& queue, uint16_t head)
    {
        std::vector<Part> parts;
        for (uint16_t index = head, flags = 1; flags & 1;) {
            EXPECT_LT(index, queue.size);
            EXPECT_LE(parts.size(), queue.size) << "the chain goes round";
            auto* d = at<uint8_t>(queue.descriptors + index * 16u, 16);
            if (!d || index >= queue.size || parts.size() > queue.size) return {};
            flags = le16(d + 12), index = le16(d + 14);
            EXPECT_EQ(le32(d + 4), 0u);
            EXPECT_TRUE(flags & 2 || parts.empty() || !parts.back().writable) << "2.7.4.2";
            parts.push_back({at<uint8_t>(le32(d), le32(d + 8)), le32(d + 8), bool(flags & 2)});
        }
        return parts;
    }
    void work(Queue& queue)
    {
        EXPECT_TRUE(masters_bus()) << "DMA without bus mastering";
        EXPECT_TRUE(status & 4) << "notified before DRIVER_OK";
        queue.notified = holds != 0;
        auto* available = at<uint16_t>(queue.available, 3u + queue.size);
        auto* used = at<uint8_t>(queue.used, 6 + queue.size * 8u);
        if (!available || !used) return;
        uint16_t before = le16(used + 2);
        found = uint16_t(available[1] - queue.taken);
        for (; uint16_t(available[1] - queue.taken) > holds; ++queue.taken) {
            if (needs_reset) return void(status |= 0x40);
            if (is_event_queue() && events.empty()) break;
            uint32_t head = available[2 + queue.taken % queue.size];
            auto parts = parts_of(queue, uint16_t(head));
            uint32_t entry[] = {head, answer(parts) + uint32_t(extra_length)};
            if (bad_id >= 0) entry[0] = uint32_t(bad_id);
            uint16_t index = le16(used + 2);
            memcpy(used + 4 + index % queue.size * 8u, entry, 8);
            index = uint16_t(index + 1 + index_jump);
            memcpy(used + 2, &index, 2);
            ++chains;
        }
        tell_progress(queue, used, before, available);
    }
    // 2.7.7.1, 2.7.10
    void tell_progress(Queue& queue, uint8_t* used, uint16_t before, const uint16_t* available)
    {
        uint16_t now = le16(used + 2);
        bool wanted = !(available[0] & 1) && now != before;
        if (accepted >> 29 & 1) {
            memcpy(used + 4 + queue.size * 8u, &queue.taken, 2);
            uint16_t event = available[2 + queue.size];
            wanted = uint16_t(now - event - 1) < uint16_t(now - before);
        }
        if (!wanted || loses_interrupts) return;
        if (has_messages()) return send(queue.vector);
        ++interrupts;
        isr |= 1;
        machine.interrupt(line);
    }
    void send(uint16_t vector)
    {
        if (vector == no_vector) return;
        ASSERT_LT(vector, messages);
        EXPECT_EQ(le32(&table[vector * 16u + 12]) & 1, 0u) << "masked";
        interrupts += machine.message(le32(&table[vector * 16u]), le32(&table[vector * 16u + 8]));
    }
    uint16_t vector_or_none(uint32_t value) const
    {
        return value < messages && takes_vectors ? uint16_t(value) : no_vector;
    }

    // ---- registers
    void set_status(uint8_t value)
    {
        if (value) {
            EXPECT_EQ(status & ~value & 0xbf, 0) << "status bits taken back";
            if (value & 8 && refuses_features) value &= uint8_t(~8);
            EXPECT_TRUE(!(value & 4) || value & 8 || used_legacy) << "DRIVER_OK, not FEATURES_OK";
            status = value;
            return;
        }
        ++resets;
        if (!reset_hangs) status = 0;
        accepted = 0, isr = 0, configuration_vector = no_vector;
        for (Queue& q : queues) q = {.most = q.most, .size = q.most};
    }
    uint8_t take_isr() { return std::exchange(isr, uint8_t{0}); }
    uint8_t read_status() { return ++status_reads, status; }
    Queue& queue()
    {
        static Queue none;
        none = {.most = 0, .size = 0};
        return selected < queues.size() ? queues[selected] : none;
    }
    void notify(unsigned number)
    {
        ASSERT_LT(number, queues.size());
        ++notifications;
        EXPECT_TRUE(queues[number].enabled) << "a queue that was not set up";
        queues[number].notified = true;
    }
    uint32_t configured(unsigned offset, unsigned bytes)
    {
        uint32_t value = 0;
        if (offset + bytes <= configuration.size()) memcpy(&value, &configuration[offset], bytes);
        return value;
    }
    uint32_t read_legacy(unsigned offset, unsigned bytes)
    {
        switch (offset) {
        case 0x00: return uint32_t(features);
        case 0x08: return uint32_t(queue().descriptors >> 12);
        case 0x0c: return queue().most;
        case 0x12: return read_status();
        case 0x13: return take_isr();
        }
        if (has_messages() && offset == 0x14) return configuration_vector;
        if (has_messages() && offset == 0x16) return queue().vector;
        unsigned begin = has_messages() ? 0x18 : 0x14;
        return offset >= begin ? configured(offset - begin, bytes) : 0;
    }
    void write_legacy(unsigned offset, uint32_t value)
    {
        if (offset == 0x04) accepted = value;
        if (offset == 0x08) set_legacy_queue(value);
        if (offset == 0x0e) selected = uint16_t(value);
        if (offset == 0x10) notify(value);
        if (offset == 0x12) set_status(uint8_t(value));
        if (has_messages() && offset == 0x14) configuration_vector = vector_or_none(value);
        if (has_messages() && offset == 0x16) queue().vector = vector_or_none(value);
    }
    void set_legacy_queue(uint32_t page)
    {
        Queue& q = queue();
        q.descriptors = uint64_t(page) << 12;
        q.available = q.descriptors + q.most * 16u;
        q.used = (q.available + 6 + q.most * 2u + 4095) & ~4095ull;  // 2.7.2
        q.enabled = page != 0;
    }
    uint32_t read_modern(unsigned offset, unsigned bytes)
    {
        if (offset == isr_at) return take_isr();
        if (offset >= configuration_at) return configured(offset - configuration_at, bytes);
        switch (offset) {
        case 0x04: return uint32_t(features >> (feature_select ? 32 : 0));
        case 0x10: return configuration_vector;
        case 0x12: return uint32_t(queues.size());
        case 0x14: return read_status();
        case 0x18: return queue().size;
        case 0x1a: return queue().vector;
        case 0x1e: return selected;  // queue_notify_off
        }
        return 0;
    }
    void write_modern(unsigned offset, unsigned bytes, uint32_t value)
    {
        if (offset >= notify_at) {
            EXPECT_EQ(value, (offset - notify_at) / notify_multiplier);
            return notify(value);
        }
        Queue& q = queue();
        unsigned half = offset & 4 ? 32 : 0;
        switch (offset) {
        case 0x00: feature_select = value; break;
        case 0x08: driver_select = value; break;
        case 0x0c: accepted |= uint64_t(value) << (driver_select ? 32 : 0); break;
        case 0x10: configuration_vector = vector_or_none(value); break;
        case 0x14: set_status(uint8_t(value)); break;
        case 0x16: selected = uint16_t(value); break;
        case 0x1a: q.vector = vector_or_none(value); break;
        case 0x18: q.size = uint16_t(value); break;
        case 0x1c: q.enabled = value && status & 8 && q.size <= q.most; break;
        case 0x20:
        case 0x24: q.descriptors |= uint64_t(value) << half; break;
        case 0x28:
        case 0x2c: q.available |= uint64_t(value) << half; break;
        case 0x30:
        case 0x34: q.used |= uint64_t(value) << half; break;
        default: ADD_FAILURE() << "write of " << bytes << " bytes to " << offset;
        }
    }

    struct Legacy final : FakeDevice {
        FakeVirtio& d;
        explicit Legacy(FakeVirtio& device) : d(device) {}
        uint32_t read(unsigned offset, unsigned bytes) override
        {
            return d.used_legacy = true, d.gone ? ~0u : d.read_legacy(offset, bytes);
        }
        void write(unsigned offset, unsigned, uint32_t value) override
        {
            d.used_legacy = true;
            if (!d.gone) d.write_legacy(offset, value);
        }
    } legacy_face{*this};
    struct Modern final : FakeDevice {
        FakeVirtio& d;
        explicit Modern(FakeVirtio& device) : d(device) {}
        uint32_t read(unsigned offset, unsigned bytes) override
        {
            return d.used_modern = true, d.gone ? ~0u : d.read_modern(offset, bytes);
        }
        void write(unsigned offset, unsigned bytes, uint32_t value) override
        {
            d.used_modern = true;
            if (!d.gone) d.write_modern(offset, bytes, value);
        }
    } modern_face{*this};
    struct Table final : FakeDevice {
        FakeVirtio& d;
        explicit Table(FakeVirtio& device) : d(device) {}
        uint32_t read(unsigned offset, unsigned) override { return le32(&d.table[offset]); }
        void write(unsigned offset, unsigned, uint32_t value) override
        {
            if (offset + 4 <= sizeof d.table) memcpy(&d.table[offset], &value, 4);
        }
    } table_face{*this};

    FakeMachine& machine;
    uint8_t type, isr = 0;
    std::vector<uint8_t>* config = nullptr;
    uint16_t selected = 0, configuration_vector = no_vector;
    uint8_t table[64] = {};
    uint32_t feature_select = 0, driver_select = 0;
};
