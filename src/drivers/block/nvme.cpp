// SPDX-License-Identifier: BSD-2-Clause
// nvme - disks with the NVM Express register interface, on PCI.
//
// The admin queue, and one pair of I/O queues with up to 63 commands (block/queued_disk.h); data
// goes straight to or from the caller's memory, if its address is a multiple of 4.
// Supports: all active namespaces, blocks of 512 ... 4096 bytes, flush, deallocate or else write
// zeroes, interrupts by message or line. Not: metadata, SGLs, several controllers of a subsystem.
// Spec: NVM Express 1.4, section numbers below.  Tested on: QEMU 7.2 nvme; tests/host/fakes/nvme.h.
#include <algorithm>
#include <cstring>
#include "block/queued_disk.h"
#include "bus/msi.h"
#include "lib/bytes.h"

namespace {
using namespace hal;

// ---- 3.1: registers

struct CapLow : Register<CapLow, 0x00> {
    struct MaximumQueueEntries : Field<MaximumQueueEntries, 0, 16> {};  // less one
    struct Timeout : Field<Timeout, 24, 8> {};                          // in 500 ms
};
struct CapHigh : Register<CapHigh, 0x04> {
    struct DoorbellStride : Field<DoorbellStride, 0, 4> {};
    struct NvmCommandSet : Field<NvmCommandSet, 5> {};
    struct MinimumPageSize : Field<MinimumPageSize, 16, 4> {};  // 0: 4 KiB
};
struct Vs : Register<Vs, 0x08> {
    struct Minor : Field<Minor, 8, 8> {};
    struct Major : Field<Major, 16, 16> {};
};
struct Intms : Register<Intms, 0x0c> {};
struct Intmc : Register<Intmc, 0x10> {};
struct Cc : Register<Cc, 0x14> {
    struct Enable : Field<Enable, 0> {};
    struct SubmissionEntrySize : Field<SubmissionEntrySize, 16, 4> {};
    struct CompletionEntrySize : Field<CompletionEntrySize, 20, 4> {};
};
struct Csts : Register<Csts, 0x1c> {
    struct Ready : Field<Ready, 0> {};
    struct FatalStatus : Field<FatalStatus, 1> {};
    static constexpr uint32_t gone = ~0u;
};
struct Aqa : Register<Aqa, 0x24> {
    struct SubmissionSize : Field<SubmissionSize, 0, 12> {};  // less one
    struct CompletionSize : Field<CompletionSize, 16, 12> {};
};
struct AsqLow : Register<AsqLow, 0x28> {};
struct AsqHigh : Register<AsqHigh, 0x2c> {};
struct AcqLow : Register<AcqLow, 0x30> {};
struct AcqHigh : Register<AcqHigh, 0x34> {};
struct Doorbell : Register<Doorbell, 0> {};  // 3.1.24
constexpr uint32_t doorbells = 0x1000;

// ---- commands, and what they return

constexpr uint8_t create_submission_queue = 1, create_completion_queue = 5, identify = 6,
                  set_features = 9;
enum Opcode : uint8_t { flush = 0, write = 1, read = 2, write_zeroes = 8, manage_dataset = 9 };
struct Submission {  // 4.2
    uint32_t opcode_and_id = 0, nsid = 0;
    uint32_t reserved[2] = {}, metadata[2] = {};
    uint32_t prp1 = 0, prp1_high = 0, prp2 = 0, prp2_high = 0;
    uint32_t dword10 = 0, dword11 = 0, dword12 = 0, dword13 = 0, dword14 = 0, dword15 = 0;
};
struct Completion {  // 4.6
    uint32_t result, reserved;
    uint16_t head, queue, id;
    uint16_t status;  // bit 0: the phase
};
static_assert(sizeof(Submission) == 64 && sizeof(Completion) == 16);

enum Structure : uint32_t { of_namespace = 0, of_controller = 1, active_namespaces = 2 };  // 5.15
constexpr uint32_t number_of_queues = 7, contiguous = 1, interrupts_enabled = 2;  // 5.21.1, 5.3
constexpr uint32_t deallocate = 1 << 2, deallocate_zeroed = 1 << 25;              // 6.7, 6.17

constexpr uint32_t page = 4096, prp_bytes = 8, admin_entries = 8, io_entries = 64;
// With an unaligned beginning this has one page more than a list has entries.
constexpr uint32_t most_bytes = 1 << 20, list_bytes = most_bytes / page * prp_bytes;
constexpr uint32_t most_zeroed = 65536, most_discarded = 1 << 23;  // blocks
constexpr Duration admin_limit = 5_s;

// 4.6.1. What is not in the list is shown by its numbers.
Text<64> status_text(uint16_t status)
{
    static constexpr struct {
        uint16_t code;  // type << 8 | code
        const char* text;
    } known[] = {{0x002, "invalid field"},          {0x004, "data transfer error"},
                 {0x006, "internal error"},         {0x007, "aborted"},
                 {0x00b, "no such namespace"},      {0x020, "write protected"},
                 {0x080, "beyond its end"},         {0x280, "write fault"},
                 {0x281, "unrecovered read error"}, {0x287, "deallocated block"}};
    unsigned type = status >> 9 & 7, code = status >> 1 & 0xff;
    Text<64> text;
    for (const auto& one : known) {
        if (one.code == (type << 8 | code)) text.print("{} ", one.text);
    }
    return text.print("(status {x}/{02x})", type, code);
}

// A submission queue and its completion queue, in memory of ours.
class QueuePair {
public:
    Result<void> allocate(unsigned number, uint32_t entries)
    {
        number_ = static_cast<uint16_t>(number);
        entries_ = static_cast<uint16_t>(entries);
        submissions_ = TRY(allocate_dma(entries * sizeof(Submission), page));
        completions_ = TRY(allocate_dma(entries * sizeof(Completion), page));
        return {};
    }
    void restart(Window registers, unsigned stride)
    {
        registers.base += doorbells + 2u * number_ * stride;
        tail_bell_ = Registers(registers);
        registers.base += stride;
        head_bell_ = Registers(registers);
        std::fill_n(completions_.data, completions_.bytes, std::byte{0});
        tail_ = head_ = 0, phase_ = 1;
    }
    uint32_t entries() const { return entries_; }
    uint32_t submissions() const { return submissions_.address; }
    uint32_t completions() const { return completions_.address; }

    // At most one less than entries() may be under way. An interrupt may ring() at any time.
    void add(const Submission& command)
    {
        reinterpret_cast<Submission*>(submissions_.data)[tail_] = command;
        __atomic_store_n(&tail_, tail_ + 1 == entries_ ? 0 : tail_ + 1, __ATOMIC_RELEASE);
    }
    void ring() const { tail_bell_.write<Doorbell>(tail_); }

    // The next completion, if there is one; release() gives the places of those back.
    bool take(Completion& completion)
    {
        auto* entry = reinterpret_cast<const Completion*>(completions_.data) + head_;
        uint16_t status = __atomic_load_n(&entry->status, __ATOMIC_ACQUIRE);
        if ((status & 1) != phase_) return false;
        completion = *entry;
        if (++head_ == entries_) head_ = 0, phase_ ^= 1;
        return true;
    }
    void release() const { head_bell_.write<Doorbell>(head_); }

private:
    DmaMemory submissions_, completions_;
    Registers tail_bell_, head_bell_;
    uint16_t number_ = 0, entries_ = 0, tail_ = 0, head_ = 0, phase_ = 1;
};

struct Namespace final : QueuedDisk {
    Namespace(CommandQueue& queue, uint32_t nsid) : QueuedDisk(queue), nsid(nsid) {}
    const uint32_t nsid;
};

class Controller final : public CommandQueue {
public:
    explicit Controller(Device& device) : CommandQueue(device.name()), device_(device) {}
    ~Controller()
    {
        disconnect_interrupts(device_);
        if (opened_) (void)disable();
    }

    Result<void> open_device()
    {
        uint32_t bytes = TRY(device_.measure_bar(0)).bytes;
        window_ = TRY(device_.bar(0));
        regs_ = Registers(window_);
        auto low = regs_.read<CapLow>(), high = regs_.read<CapHigh>();
        if (low == ~0u && high == ~0u) return fail(Error::gone, "{}: it is gone", device_.name());
        stride_ = 4u << CapHigh::DoorbellStride::in(high);
        if (!CapHigh::NvmCommandSet::in(high) || CapHigh::MinimumPageSize::in(high) != 0 ||
            bytes < doorbells || bytes - doorbells < 4 * stride_)
            return fail(Error::unsupported, "{}: capabilities {08x} {08x}", device_.name(), high,
                        low);
        ready_limit_ = {std::max(CapLow::Timeout::in(low), 1u) * 500'000ull};
        uint32_t entries = CapLow::MaximumQueueEntries::in(low) + 1;
        TRY(admin_.allocate(0, admin_entries));
        TRY(io_.allocate(1, std::clamp(entries, 2u, io_entries)));
        buffer_ = TRY(allocate_dma(page, page));
        lists_ = TRY(allocate_dma(io_.entries() * list_bytes, page));
        TRY(disable());  // as firmware has left it; before an interrupt can come
        opened_ = true;
        has_interrupt_ =
            msi::connect(device_, 0, on_message, this) || device_.on_interrupt(on_line, this);
        if (!has_interrupt_) log("{}: no interrupt, polled", device_.name());
        TRY(enable());
        TRY(identify_controller());
        open(io_.entries() - 1, 4);
        return {};
    }

    // One that cannot be used, or be asked, is no reason to leave the others out.
    Result<void> add_namespaces()
    {
        constexpr uint32_t most = page / 4, has_list = 0x10100;  // 5.15.2.3: version 1.1
        Buffer list = TRY(Buffer::of(page));
        auto* numbers = reinterpret_cast<uint32_t*>(list.data());
        for (uint32_t i = 0; i < most; ++i) numbers[i] = i < namespaces_ ? i + 1 : 0;
        if (regs_.read<Vs>() >= has_list) {
            TRY(read_structure(active_namespaces, 0));
            memcpy(numbers, buffer_.data, page);
        }
        for (uint32_t i = 0, before = 0; i < most && numbers[i] > before; ++i) {  // in order
            before = numbers[i];
            auto added = read_structure(of_namespace, before);
            if (added) added = add_namespace(before);
            if (!added && added.error() != Error::device) return added;
        }
        return {};
    }

private:
    using Operation = DiskCommand::Operation;

    static void on_message(void* object) { static_cast<Controller*>(object)->heard(); }

    // The line is asserted until the places of the completions have been given back.
    static void on_line(void* object)
    {
        auto* controller = static_cast<Controller*>(object);
        controller->masked_ = true;
        controller->regs_.write<Intms>(1);
        controller->heard();
    }
    void unmask()
    {
        if (!masked_) return;
        masked_ = false;
        regs_.write<Intmc>(1);
    }

    Result<void> wait_ready(bool ready)
    {
        uint32_t status = 0;
        auto waited = wait_until(
            [&] {
                status = regs_.read<Csts>();
                return status == Csts::gone || (ready && Csts::FatalStatus::in(status)) ||
                       Csts::Ready::in(status) == ready;
            },
            ready_limit_);
        if (waited && status != Csts::gone && Csts::Ready::in(status) == ready) return {};
        auto why = status == Csts::gone ? Error::gone : waited ? Error::device : Error::timed_out;
        return fail(why, "{}: it does not {} (CSTS {08x})", device_.name(),
                    ready ? "start" : "stop", status);
    }

    // 7.3.2: from then on no memory is the device's.
    Result<void> disable()
    {
        // 3.1.5: not on its way to be ready. One with a fatal error never will be.
        if (!opened_ && regs_.get<Cc::Enable>() && !regs_.get<Csts::FatalStatus>())
            (void)wait_ready(true);
        regs_.write<Cc>(0);
        auto stopped = wait_ready(false);
        device_.pci().disable(PciFunction::bus_master);
        return stopped;
    }

    Result<void> enable()  // 7.6.1
    {
        device_.pci().enable(PciFunction::bus_master);
        masked_ = false;
        admin_.restart(window_, stride_);
        io_.restart(window_, stride_);
        regs_.write(Aqa::SubmissionSize::of(admin_entries - 1) |
                    Aqa::CompletionSize::of(admin_entries - 1));
        regs_.write<AsqLow>(admin_.submissions());
        regs_.write<AsqHigh>(0);
        regs_.write<AcqLow>(admin_.completions());
        regs_.write<AcqHigh>(0);
        regs_.write(Cc::SubmissionEntrySize::of(6) | Cc::CompletionEntrySize::of(4) |
                    Cc::Enable::of(1));  // sizes as powers of two
        TRY(wait_ready(true));

        uint32_t size = (io_.entries() - 1) << 16 | 1;            // and the queue's number
        TRY(admin({.dword10 = number_of_queues}, set_features));  // one of each: 5.21.1.7
        TRY(admin({.prp1 = io_.completions(),
                   .dword10 = size,
                   .dword11 = contiguous | (has_interrupt_ ? interrupts_enabled : 0)},
                  create_completion_queue));
        return admin({.prp1 = io_.submissions(), .dword10 = size, .dword11 = 1 << 16 | contiguous},
                     create_submission_queue);
    }

    // One at a time. Errors: device (it fails), and timed_out, gone: it has been disabled then.
    Result<void> admin(Submission command, uint8_t code)
    {
        command.opcode_and_id = code;
        admin_.add(command);
        admin_.ring();
        Completion completion;
        uint32_t status = 0;
        auto waited = wait_until(
            [&] {
                if (admin_.take(completion)) return true;
                status = regs_.read<Csts>();
                return status == Csts::gone || Csts::FatalStatus::in(status) != 0;
            },
            admin_limit);
        if (!waited || status == Csts::gone || Csts::FatalStatus::in(status)) {
            TRY(disable());
            return fail(Error::timed_out, "{}: no answer to admin command {02x} (CSTS {08x})",
                        device_.name(), code, status);
        }
        admin_.release();
        unmask();
        if (completion.status >> 1 == 0) return {};
        return fail(Error::device, "{}: admin command {02x}: {}", device_.name(), code,
                    status_text(completion.status).view());
    }

    Result<void> read_structure(Structure structure, uint32_t nsid)
    {
        memset(buffer_.data, 0, page);
        return admin({.nsid = nsid, .prp1 = buffer_.address, .dword10 = structure}, identify);
    }
    const std::byte* field(unsigned offset) const { return buffer_.data + offset; }

    Result<void> identify_controller()  // 5.15.2.2
    {
        TRY(read_structure(of_controller, 0));
        for (unsigned i = 24; i < 64; ++i) {  // 1.5: padded with spaces
            auto c = static_cast<char>(*field(i));
            model_.append(c >= ' ' && c <= '~' ? c : '?');
        }
        while (model_.view().ends_with(' ')) model_.shorten(model_.size() - 1);
        auto shift = std::to_integer<unsigned>(*field(77));  // MDTS: a power of two of pages
        if (shift && shift < 9) largest_bytes_ = std::min(largest_bytes_, page << shift);
        namespaces_ = le32(field(516));
        deallocates_ = le16(field(520)) & 4;
        writes_zeroes_ = le16(field(520)) & 8;
        has_cache_ = std::to_integer<unsigned>(*field(525)) & 1;
        auto version = regs_.read<Vs>();
        device_.describe("NVM Express {}.{}, <{}>, {} commands at once", Vs::Major::in(version),
                         Vs::Minor::in(version), model_.view(), io_.entries() - 1);
        return {};
    }

    // Of the structure that has been read (5.15.2.1). Errors: no_memory.
    Result<void> add_namespace(uint32_t nsid)
    {
        constexpr unsigned smallest = 9, largest = 12;  // blocks, as powers of two
        uint64_t blocks = le64(field(0));
        if (blocks == 0) return {};  // not active
        auto format = std::to_integer<unsigned>(*field(26)) & 15;
        uint32_t metadata = le16(field(128 + format * 4));
        auto shift = std::to_integer<unsigned>(*field(130 + format * 4));
        Text<24> locator;
        Device* node = TRY(device_.add_child("ld", locator.print("nsid {}", nsid)));
        if (metadata || shift < smallest || shift > largest || blocks > ~0ull >> shift) {
            node->describe("{} blocks of 2^{} bytes and {} of metadata: unsupported", blocks, shift,
                           metadata);
            return {};
        }
        auto* disk = TRY(make<Namespace>(*this, nsid));
        disk->model = model_;
        disk->blocks = blocks;
        disk->block_bytes = 1u << shift;
        disk->largest_transfer = largest_bytes_ >> shift;
        disk->has_cache = has_cache_;
        disk->largest_discard = deallocates_ ? most_discarded : writes_zeroes_ ? most_zeroed : 0;
        disk->read_only = std::to_integer<unsigned>(*field(99)) & 1;
        node->describe("{} MiB, {} blocks of {} bytes{}", blocks << shift >> 20, blocks,
                       disk->block_bytes, disk->read_only ? ", read-only" : "");
        publish_as(*disk, node->name());
        return {};
    }

    // ---- commands

    Result<void> start(DiskCommand& command) override
    {
        static constexpr uint8_t opcodes[] = {read, write, flush, manage_dataset};
        Submission submission;
        submission.opcode_and_id =
            opcodes[static_cast<unsigned>(command.operation)] | uint32_t{command.number} << 16;
        submission.nsid = static_cast<const Namespace*>(command.disk)->nsid;
        if (command.operation != Operation::flush) {
            submission.dword10 = static_cast<uint32_t>(command.first);
            submission.dword11 = static_cast<uint32_t>(command.first >> 32);
            submission.dword12 = command.count - 1;
        }
        if (command.bytes) describe_data(command, submission);
        if (command.operation == Operation::discard) describe_discard(command, submission);
        io_.add(submission);
        return {};
    }

    // 4.3: the first page may begin anywhere; of those behind it a second one alone is named
    // itself, more than one by a list.
    void describe_data(const DiskCommand& command, Submission& submission) const
    {
        trace_dma(device_.name(), "PRP", command.address, command.bytes);
        submission.prp1 = command.address;
        uint32_t in_first = page - (command.address & (page - 1));
        if (command.bytes <= in_first) return;
        uint32_t next = command.address + in_first, pages = (command.bytes - in_first - 1) / page;
        submission.prp2 = next;
        if (pages == 0) return;
        uint32_t offset = command.number * list_bytes;
        auto* entry = reinterpret_cast<uint32_t*>(lists_.data + offset);
        submission.prp2 = lists_.address + offset;
        for (uint32_t i = 0; i <= pages; ++i, next += page, entry += 2) {
            entry[0] = next;
            entry[1] = 0;
        }
    }

    void describe_discard(const DiskCommand& command, Submission& submission) const
    {
        if (!deallocates_) {
            submission.opcode_and_id = write_zeroes | uint32_t{command.number} << 16;
            submission.dword12 |= deallocate_zeroed;
            return;
        }
        uint32_t offset = command.number * list_bytes;  // 6.7: one range, where else PRPs are
        const uint32_t range[] = {0, command.count, submission.dword10, submission.dword11};
        memcpy(lists_.data + offset, range, sizeof range);
        submission.prp1 = lists_.address + offset;
        submission.dword10 = 0;  // ranges, less one
        submission.dword11 = deallocate;
        submission.dword12 = 0;
    }

    void ring() override { io_.ring(); }
    bool will_interrupt() const override { return has_interrupt_ && !masked_; }

    void look() override
    {
        Completion completion;
        bool any = false;
        while (io_.take(completion)) {
            any = true;
            DiskCommand* command = under_way(completion.id);
            if (command && completion.status >> 1 == 0) {
                complete(*command, {});
            } else if (command) {
                complete(*command, Error::device, status_text(completion.status));
            } else {
                fault();
                log("{}: a completion for command {}, which there is not", device_.name(),
                    completion.id);
            }
        }
        if (any) io_.release();
        unmask();
    }

    Result<void> check() override
    {
        auto status = regs_.read<Csts>();
        // Where nothing answers zeros may be read.
        if (status == Csts::gone || device_.pci().vendor() == 0xffff) return Error::gone;
        if (!Csts::FatalStatus::in(status) && Csts::Ready::in(status)) return {};
        return fail(Error::device, "{}: fatal status (CSTS {08x})", device_.name(), status);
    }

    Result<void> restart() override
    {
        TRY(disable());
        auto started = enable();
        if (!started) device_.pci().disable(PciFunction::bus_master);
        return started;
    }

    Device& device_;
    Window window_;
    Registers regs_;
    QueuePair admin_, io_;
    DmaMemory buffer_, lists_;
    Duration ready_limit_ = {};
    unsigned stride_ = 4;  // of doorbells, in bytes
    uint32_t largest_bytes_ = most_bytes, namespaces_ = 0;
    Text<48> model_;
    bool has_cache_ = false, deallocates_ = false, writes_zeroes_ = false;
    bool opened_ = false, has_interrupt_ = false;
    volatile bool masked_ = false;
};

Result<void> attach(Device& device)
{
    auto* controller = TRY(make<Controller>(device));
    auto opened = controller->open_device();
    if (!opened) {
        delete controller;
        return opened;
    }
    return controller->add_namespaces();
}

constexpr Match matches[] = {pci_class(1, 8, 2)};

}  // namespace

extern const Driver nvme = {"nvme", matches, attach};
