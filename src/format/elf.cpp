// SPDX-License-Identifier: BSD-2-Clause
// elf - payloads as a linker leaves them.
//
// The segments go where they were linked for, which is the payload's memory; those of a position
// independent executable begin at its start, and are relocated. All is checked before the first
// byte is written. Supports: ELF32, i386, ET_EXEC; ET_DYN that is static (R_386_RELATIVE).
// Not: dynamic linking, thread-local storage.  Specification: System V ABI 4.1, chapters 4 and 5,
// and its i386 supplement.  Tested with: GNU ld 2.40.
#include <algorithm>
#include "format/format.h"
#include "hal/log.h"
#include "lib/bytes.h"

namespace {

using kexec::Image;
using kexec::Memory;
using kexec::Placed;

struct Header {
    uint8_t identification[16];
    uint16_t type, machine;
    uint32_t version, entry, program_headers, section_headers, flags;
    uint16_t bytes, program_header_bytes, program_header_count;
    uint16_t section_header_bytes, section_header_count, section_names;
};
static_assert(sizeof(Header) == 52);

struct ProgramHeader {
    uint32_t type, offset, address, physical, file_bytes, memory_bytes, flags, alignment;
};
static_assert(sizeof(ProgramHeader) == 32);

enum : uint16_t { executable = 2, shared = 3, intel_386 = 3 };
enum : uint32_t { loaded = 1, dynamic = 2, interpreter = 3 };
constexpr unsigned most_program_headers = 64;
constexpr uint32_t page = 4096;

class Loader {
public:
    Loader(Image& image, const Memory& memory) : image_(image), memory_(memory) {}
    Result<Placed> load();

private:
    template <class... Args>
    Error fail(Error error, std::string_view what, const Args&... args) const
    {
        Text<96> text;
        text.print(what, args...);
        return hal::fail(error, "{}: an ELF file, but {}", image_.name, text.view());
    }
    template <class T> Result<T> read(uint32_t offset, const char* what);
    template <class Function> Result<void> each(uint32_t type, Function function);

    Result<void> check_header();
    Result<void> find_base();
    Result<void> check(const ProgramHeader& segment);
    Result<void> fill(const ProgramHeader& segment);
    Result<void> relocate(const ProgramHeader& table);
    Result<void> relocate(uint32_t relocations, uint32_t bytes);

    bool in_image(uint32_t address, uint64_t bytes) const
    {
        return address >= start_ && address + bytes <= end_;
    }
    std::byte* at(uint32_t address) const { return &memory_.bytes[address - memory_.address]; }

    Image& image_;
    const Memory& memory_;
    Header header_ = {};
    uint32_t base_ = 0;   // is added to the addresses in the file
    uint32_t start_ = 0;  // of what is in memory,
    uint64_t end_ = 0;    // and its end
    bool entry_is_code_ = false;
};

template <class T> Result<T> Loader::read(uint32_t offset, const char* what)
{
    if (offset > image_.bytes || sizeof(T) > image_.bytes - offset)
        return fail(Error::corrupt, "its {} is not in the file", what);
    T item;
    TRY(image_.read(offset, std::as_writable_bytes(std::span(&item, 1))));
    return item;
}

template <class Function> Result<void> Loader::each(uint32_t type, Function function)
{
    for (uint32_t i = 0; i < header_.program_header_count; ++i) {
        uint64_t offset = header_.program_headers + uint64_t{i} * sizeof(ProgramHeader);
        if (offset > image_.bytes) return fail(Error::corrupt, "it has been cut off");
        auto found = TRY(read<ProgramHeader>(static_cast<uint32_t>(offset), "program header"));
        if (found.type == type) TRY(function(found));
    }
    return {};
}

Result<void> Loader::check_header()
{
    header_ = TRY(read<Header>(0, "header"));
    constexpr uint8_t class_32 = 1, little_endian = 1;
    if (header_.identification[4] != class_32 || header_.identification[5] != little_endian ||
        header_.machine != intel_386)
        return fail(Error::unsupported, "not for the i386");
    if (header_.type != executable && header_.type != shared)
        return fail(Error::unsupported, "no executable: it has to be linked");
    if (header_.program_header_bytes != sizeof(ProgramHeader) ||
        header_.program_header_count > most_program_headers)
        return fail(Error::corrupt, "with {} program headers of {} bytes",
                    header_.program_header_count, header_.program_header_bytes);
    return each(interpreter, [this](const ProgramHeader&) -> Result<void> {
        return fail(Error::unsupported, "linked dynamically; -static is needed");
    });
}

// The lowest segment's page is the first of the payload's memory.
Result<void> Loader::find_base()
{
    if (header_.type == executable) return {};
    uint32_t lowest = ~0u;
    TRY(each(loaded, [&](const ProgramHeader& segment) -> Result<void> {
        lowest = std::min(lowest, segment.address);
        return {};
    }));
    base_ = memory_.address - lowest / page * page;
    return {};
}

// Segments come in the order of their addresses.
Result<void> Loader::check(const ProgramHeader& segment)
{
    uint32_t address = segment.address + base_;
    if (segment.file_bytes > segment.memory_bytes || segment.offset > image_.bytes ||
        segment.file_bytes > image_.bytes - segment.offset)
        return fail(Error::corrupt, "the segment at 0x{08x} is not in the file", address);
    uint64_t end = address + uint64_t{segment.memory_bytes};
    if (address < memory_.address || address > memory_.end())
        return fail(Error::unsupported,
                    "linked for 0x{08x}; the payload's memory is 0x{08x} to 0x{08x}", address,
                    memory_.address, static_cast<uint32_t>(memory_.end() - 1));
    if (end > memory_.end())
        return fail(Error::too_large, "{} bytes at 0x{08x} do not fit below 0x{08x}",
                    segment.memory_bytes, address, static_cast<uint32_t>(memory_.end()));
    if (end_ && address < end_)
        return fail(Error::corrupt, "the segment at 0x{08x} overlaps the one before", address);
    if (!end_) start_ = address;
    end_ = end;
    uint32_t entry = header_.entry + base_;
    if (entry >= address && entry - address < segment.file_bytes) entry_is_code_ = true;
    return {};
}

Result<void> Loader::fill(const ProgramHeader& segment)
{
    auto memory = memory_.bytes.subspan(segment.address + base_ - memory_.address)
                      .first(segment.memory_bytes);
    TRY(image_.read(segment.offset, memory.first(segment.file_bytes)));
    auto rest = memory.subspan(segment.file_bytes);
    if (!rest.empty()) memset(rest.data(), 0, rest.size());
    return {};
}

// Chapter 5, "Dynamic Section": pairs of a tag and a value; here they say where the relocations
// are.
Result<void> Loader::relocate(const ProgramHeader& table)
{
    enum : uint32_t { end, needed, plt_bytes, rela = 7, rel = 17, rel_bytes = 18 };
    uint32_t address = table.address + base_, relocations = 0, bytes = 0;
    if (!in_image(address, table.memory_bytes))
        return fail(Error::corrupt, "the dynamic section is not in a segment");
    for (uint32_t i = 0; i + 8 <= table.memory_bytes; i += 8) {
        uint32_t tag = le32(at(address + i)), value = le32(at(address + i + 4));
        if (tag == end) break;
        if (tag == needed || tag == rela || (tag == plt_bytes && value))
            return fail(Error::unsupported, "not static: tag {} in its dynamic section", tag);
        if (tag == rel) relocations = value + base_;
        if (tag == rel_bytes) bytes = value;
    }
    return bytes ? relocate(relocations, bytes) : Result<void>();
}

Result<void> Loader::relocate(uint32_t relocations, uint32_t bytes)
{
    constexpr uint8_t none = 0, relative = 8;
    if (!in_image(relocations, bytes))
        return fail(Error::corrupt, "its relocations are not in a segment");
    for (uint32_t i = 0; i + 8 <= bytes; i += 8) {
        uint32_t address = le32(at(relocations + i)) + base_;
        uint8_t type = static_cast<uint8_t>(le32(at(relocations + i + 4)));
        if (type == none) continue;
        if (type != relative) return fail(Error::unsupported, "with a relocation of type {}", type);
        if (!in_image(address, 4))
            return fail(Error::corrupt, "a relocation is at 0x{08x}, in no segment", address);
        uint32_t value = le32(at(address)) + base_;
        memcpy(at(address), &value, sizeof value);
    }
    return {};
}

Result<Placed> Loader::load()
{
    TRY(check_header());
    TRY(find_base());
    auto with_content = [this](Result<void> (Loader::*function)(const ProgramHeader&)) {
        return [this, function](const ProgramHeader& segment) -> Result<void> {
            return segment.memory_bytes ? (this->*function)(segment) : Result<void>();
        };
    };
    TRY(each(loaded, with_content(&Loader::check)));
    uint32_t entry = header_.entry + base_;
    if (!entry_is_code_) return fail(Error::corrupt, "its entry 0x{08x} is in no segment", entry);
    TRY(each(loaded, with_content(&Loader::fill)));
    if (header_.type == shared)
        TRY(each(dynamic, [this](const ProgramHeader& table) { return relocate(table); }));
    return Placed{entry, static_cast<uint32_t>(end_)};
}

bool recognises(std::span<const std::byte, 4> first)
{
    return memcmp(first.data(), "\177ELF", first.size()) == 0;
}

Result<Placed> place(Image& image, const Memory& memory) { return Loader(image, memory).load(); }

}  // namespace

extern const kexec::Format elf_format = {"elf", recognises, place};
