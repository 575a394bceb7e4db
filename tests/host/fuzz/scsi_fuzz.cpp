// SPDX-License-Identifier: BSD-2-Clause
// A SCSI unit that says anything. For each command of the driver the input has a byte that chooses
// how it ends, a length, and so many bytes of data or sense.
#include <cstdlib>
#include "block/partitions.h"
#include "block/scsi.h"
#include "fakes/machine.h"

namespace {

struct Input {
    const uint8_t* data;
    size_t size;
    uint8_t take()
    {
        if (size == 0) return 0;
        --size;
        return *data++;
    }
};

struct Path final : scsi::Transport {
    explicit Path(Input& i) : input(i) {}
    Result<void> execute(scsi::Command& command) override
    {
        ++commands;
        uint8_t how = input.take();
        size_t length = input.take();
        command.status = how & 0x3e;
        if (how == 0xff) return failed(Error::device, "device");
        if (how == 0xfe) return failed(Error::timed_out, "timed out");
        if (command.status == scsi::check_condition) {
            command.sense_bytes = uint8_t(std::min(length, sizeof command.sense));
            for (unsigned i = 0; i < command.sense_bytes; ++i) command.sense[i] = input.take();
            return {};
        }
        // All of it where the input has no more to say, else what it has.
        command.moved =
            how & 0x80 ? uint32_t(std::min<size_t>(length, command.bytes)) : command.bytes;
        for (uint32_t i = 0; i < command.moved && !command.write; ++i)
            command.data[i] = std::byte(i < length ? input.take() : 0);
        return {};
    }
    Input& input;
    unsigned commands = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    if (size > 4096) return 0;
    FakeMachine machine;
    Input input{data, size};
    Path path(input);
    path.largest_bytes = 8192;
    uint16_t numbers[8];
    auto* unit = make<scsi::Unit>(path).value();
    auto count = unit->list_units(numbers);
    if (count && count.value() > 8) abort();
    auto attached = scsi::attach(Device::root(), path, "lun 0");
    if (BlockDevice* disk = attached.value()) {
        std::vector<std::byte> memory(8 * 4096 + 16, std::byte{0xee});
        for (unsigned i = 0; i < 20; ++i) {
            uint32_t bytes = disk->block_bytes;
            if (!std::has_single_bit(bytes) || bytes < 512 || bytes > 4096) abort();
            (void)disk->read(i * i, 8, memory.data());
            if (memory[8 * bytes] != std::byte{0xee} && bytes == 4096) abort();
            (void)disk->write(i * 3, 3, memory.data());
            (void)disk->discard(i, 100);
            (void)disk->flush();
            (void)disk->look_for_medium();
            if (i % 5 == 4) (void)disk->eject(), (void)disk->load();
        }
        find_partitions(*disk);
    }
    if (path.commands > 5000) abort();
    if (machine.now_us > 3600'000'000ull) abort();
    return 0;
}
