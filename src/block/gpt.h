// SPDX-License-Identifier: BSD-2-Clause
// A GUID partition table: UEFI 2.10, section 5.3. Which of its two copies is used, and why.
#pragma once
#include "hal/classes.h"
#include "lib/heap.h"

extern const bool config_has_gpt;  // of the configuration

class Gpt {
public:
    static constexpr unsigned max_partitions = 128;  // that are named; a table may be longer

    struct Partition {
        unsigned number = 0;           // from 1: its place in the table
        uint64_t first = 0, last = 0;  // blocks; not looked at yet
        uint32_t type = 0;             // the beginning of the GUID
        Text<48> description;          // 'EFI "boot"'
    };
    static constexpr uint32_t freebsd = 0x516e7cb4, openbsd = 0x824cc7a0;  // they hold labels

    // Errors, logged: not_found (there is no table), corrupt (neither copy can be used), no_memory,
    // and the disk's.
    static Result<Gpt> read(BlockDevice& disk);
    // The next one that is in use. False: no more.
    bool next(Partition& partition);

private:
    struct Header {
        uint64_t alternate = 0;  // the block of the other copy
        uint64_t table = 0;      // the block where the entries begin
        uint32_t entries = 0, entry_bytes = 0, table_crc = 0;
    };
    static Result<Header> read_header(BlockDevice& disk, uint64_t block);
    static Result<Gpt> read_copy(BlockDevice& disk, uint64_t block, uint64_t& alternate);

    Buffer table_;
    uint32_t entries_ = 0, entry_bytes_ = 0, at_ = 0;
};
