// SPDX-License-Identifier: BSD-2-Clause
// What comes over a serial line while a payload is expected, into 4 KiB of memory.
//   byte: 0 as it is, 1 each frame (2 bytes: length · the bytes) gets flags, escapes and its CRC
#include <vector>
#include "debug/transfer.h"
#include "fakes/machine.h"
#include "lib/bytes.h"
#include "lib/crc32.h"

namespace {

struct Line final : debug::TransferLine {
    std::vector<uint8_t> bytes;
    size_t at = 0;
    int receive() override { return at < bytes.size() ? bytes[at++] : -1; }
    void send(std::string_view text) override
    {
        if (text.size() < 2 || text[0] != 1 || text.back() != '\n') abort();
    }
    void rest() override { hal::sleep({1000}); }
    void put(std::span<const uint8_t> frame)
    {
        uint32_t crc = crc32(std::as_bytes(frame));
        auto escaped = [this](uint8_t byte) {
            if (byte == 0x7d || byte == 0x7e || byte == 3) bytes.push_back(0x7d), byte ^= 0x20;
            bytes.push_back(byte);
        };
        bytes.push_back(0x7e);
        for (uint8_t byte : frame) escaped(byte);
        for (int i = 0; i < 32; i += 8) escaped(uint8_t(crc >> i));
        bytes.push_back(0x7e);
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    if (size == 0) return 0;
    FakeMachine machine;
    Line line;
    bool framed = *data++ & 1;
    --size;
    if (!framed) line.bytes.assign(data, data + size);
    while (framed && size >= 2) {
        size_t length = std::min<size_t>(le16(data), size - 2);
        line.put({data + 2, length});
        data += 2 + length, size -= 2 + length;
    }
    std::vector<std::byte> memory(4096);
    debug::Transfer transfer(line, memory);
    if (!transfer.receive()) {
        if (transfer.why().empty()) abort();
        return 0;
    }
    if (transfer.payload().empty()) abort();
    if (transfer.payload().data() < memory.data() ||
        transfer.payload().data() + transfer.payload().size() + transfer.symbols().size() >
            memory.data() + memory.size())
        abort();
    return 0;
}
