// SPDX-License-Identifier: BSD-2-Clause
// An ATA disk, whatever it is connected by: what it says about itself, and the commands that move
// its blocks, with their retries. A driver supplies an AtaTransport, which executes one command.
// Spec: ATA/ATAPI-7 (T13/1532D) volume 1; numbers are those of the words of IDENTIFY DEVICE.
#pragma once
#include <cstdint>
#include <span>
#include "hal/classes.h"
#include "hal/time.h"

extern const bool config_has_ata_queue;  // of the configuration: false where there is only IDE

struct AtaIdentity {
    using Words = std::span<const uint16_t, 256>;

    Text<48> model;
    uint64_t blocks = 0;
    uint32_t block_bytes = 512;
    bool lba = false, lba48 = false;
    uint8_t heads = 0, sectors_per_track = 0;  // valid if not lba
    uint8_t largest_multiple = 0;              // sectors a block of READ MULTIPLE, 0 if it has none
    uint8_t dma_mode = 0;                      // that is selected (AtaModes), 0 if none is
    bool flush_cache = false, flush_cache_ext = false;
    bool trim = false;
    uint8_t queue_depth = 0;  // of NCQ, 0 if it has none
    bool removable = false, rotational = true;

    // Errors, logged with `owner`: corrupt (an impossible size), unsupported (so are its sectors).
    static Result<AtaIdentity> from(Words words, std::string_view owner);
    static Text<48> model_in(Words words);  // also of IDENTIFY PACKET DEVICE
};

// The values of a command's registers, and its data.
struct AtaCommand {
    enum Opcode : uint8_t {  // as far as they are used here
        data_set_management = 0x06,
        read_sectors = 0x20,
        read_sectors_ext = 0x24,
        read_dma_ext = 0x25,
        read_multiple_ext = 0x29,
        read_log_ext = 0x2f,
        write_sectors = 0x30,
        write_sectors_ext = 0x34,
        write_dma_ext = 0x35,
        write_multiple_ext = 0x39,
        read_fpdma_queued = 0x60,
        write_fpdma_queued = 0x61,
        initialize_device_parameters = 0x91,
        packet = 0xa0,
        identify_packet_device = 0xa1,
        read_multiple = 0xc4,
        write_multiple = 0xc5,
        set_multiple_mode = 0xc6,
        read_dma = 0xc8,
        write_dma = 0xca,
        flush_cache = 0xe7,
        flush_cache_ext = 0xea,
        identify_device = 0xec,
        set_features = 0xef,
    };
    uint8_t opcode = 0;
    uint8_t drive = 0;      // of the two on an IDE channel
    bool lba = false;       // else the address is a cylinder << 8 | sector, and a head << 24
    bool extended = false;  // address of 48 bits and count of 16, instead of 28 and 8
    bool queued = false;    // NCQ
    uint32_t count = 0;     // may be 256 (or 65536): the register has 0 then
    uint64_t address = 0;
    std::byte* data = nullptr;
    size_t bytes = 0;
    size_t bytes_per_request = 0;  // PIO: the data of one DRQ
    bool write = false, dma = false;
    hal::Duration limit = {5'000'000};  // a disk that sleeps spins up in some seconds
    // PACKET: what is sent, and the Features register. The drive decides how much data it moves, up
    // to `bytes`, and where the pieces of PIO end.
    std::span<const uint8_t> cdb = {};
    uint8_t features = 0;

    uint8_t device() const  // the Device register
    {
        auto head = extended ? 0 : address >> 24 & 15;
        return static_cast<uint8_t>(0xa0 | lba << 6 | drive << 4 | head);
    }
};

// What executes commands: an IDE channel, a SATA port.
class AtaTransport {
public:
    // Makes ready for a DMA command with this memory. False: one command cannot do that.
    virtual bool map(const std::byte* data, size_t bytes) = 0;
    // Errors: device, timed_out, gone; `why` and `error` say more.
    virtual Result<void> execute(const AtaCommand& command) = 0;
    Result<void> recover();  // resets it if that is due
    // DMA has failed: selects a slower mode, and says which (AtaModes). 0: none is left.
    virtual uint8_t step_down(unsigned) { return 0; }

    // Several DMA commands under way at once, if it has slots. start() says whether it has taken
    // this one. look() takes those that have ended well out of `running`, a bit for each slot. Its
    // errors are execute()'s; then all have been stopped. execute() is only called while none are.
    virtual bool start(unsigned, const AtaCommand&) { return false; }
    virtual Result<void> look(uint32_t&) { return Error::unsupported; }
    virtual void stop() {}  // no memory is used any more; a reset is due
    unsigned slots = 0;     // at most 32
    int failed_slot = -1;   // whose error it was, if that is known

    bool has_dma = false, has_pio = true, has_ncq = false;
    bool reset_due = false;
    unsigned resets = 0;  // each makes the drives forget their settings
    Text<80> why;         // the last command failed
    uint8_t error = 0;    // the Error register then, 0 if the drive did not report one
    size_t moved = 0;     // bytes of the last PACKET command's data

    Error failed_with(uint8_t status, uint8_t error_register);  // the drive reports an error

protected:
    virtual Result<void> reset() = 0;
    ~AtaTransport() = default;

    template <class... Args> Error failed(Error code, Format text, const Args&... args)
    {
        why.clear();
        why.print(text, args...);
        return code;
    }
};

class AtaDisk final : public BlockDevice {
public:
    AtaDisk(AtaTransport& transport, unsigned drive, const AtaIdentity& identity);
    static constexpr uint8_t says_block = 0x50;  // UNC and IDNF: the address is the block's then
    Text<64> abilities() const;                  // "64 MiB, 131072 sectors, UDMA5"

private:
    static constexpr hal::Duration transfer_limit = {10'000'000};  // the standard gives none
    enum Protocol : uint8_t { single, multiple, dma, queued };
    struct Request {
        uint64_t first;
        uint32_t count;
        std::byte* data;
        bool write;
        bool failed_once = false;  // that has been logged
    };
    // A BlockRequest that is under way.
    struct Slot {
        BlockRequest* request;
        uint32_t done, count;  // blocks: before, and by the command that runs
        bool failed_once;
    };
    Result<void> read_blocks(uint64_t first, uint32_t count, std::byte* into) override;
    Result<void> write_blocks(uint64_t first, uint32_t count, const std::byte* from) override;
    Result<void> flush_blocks() override;
    Result<void> discard_blocks(uint64_t first, uint32_t count) override;
    void begin(BlockRequest& request) override
    {
        bool queues = config_has_ata_queue && transport_.slots;
        queues ? enqueue(request) : BlockDevice::begin(request);
    }
    void advance() override
    {
        if (config_has_ata_queue) advance_queue();
    }
    void abandon() override
    {
        if (config_has_ata_queue) abandon_queue();
    }
    void drain()  // a command that is not queued goes alone
    {
        if (config_has_ata_queue) drain_queue();
    }
    // ---- ata_queue.cpp
    void enqueue(BlockRequest& request);
    void advance_queue();
    void abandon_queue();
    void drain_queue();
    void start_waiting();
    void start(unsigned slot);
    void collect();
    void stopped(Error error);
    void read_queue_log();
    void do_alone(unsigned slot);
    // ----
    Request rest_of(const Slot& slot) const;
    Result<void> transfer(Request request);
    Result<void> persist(Request& request);
    void log_failure(const Request& request) const;
    bool reachable_by_dma(Request& request) const;
    Result<void> attempt(const Request& request, bool by_dma);
    AtaCommand command_for(const Request& request, Protocol protocol) const;
    Result<void> prepare(bool for_pio);
    uint64_t address(uint64_t block) const;

    AtaTransport& transport_;
    uint8_t drive_;
    AtaIdentity id_;
    bool dma_;
    // After a time-out that resets did not mend: who looks for a file system asks a dozen times.
    uint64_t left_alone_until_us_ = 0;
    // The drive forgets these at a reset.
    unsigned prepared_at_ = ~0u;
    bool geometry_set_ = false;
    uint8_t multiple_ = 0;  // sectors per DRQ; 0: not set yet

    bool queued_;                        // by NCQ
    Slot slots_[32] = {};                // of the transport, which has that many or less
    uint32_t in_use_ = 0, running_ = 0;  // of them; what does not run waits for its turn
    BlockRequest *waiting_ = nullptr, *last_waiting_ = nullptr;  // for a slot
    uint8_t queue_failures_ = 0;
    alignas(2) std::byte sector_[512] = {};  // for commands about the disk
    uint64_t quiet_since_us_ = 0;            // nothing ended since; 0: not looked yet
};
