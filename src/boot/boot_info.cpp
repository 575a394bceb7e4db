// SPDX-License-Identifier: BSD-2-Clause
// The four boot protocols' information, and the command line.
//
// Specifications: Multiboot 0.6.96, 3.3; Multiboot 2.0, 3.6; Xen's PVH start information, version 1
// (xen/include/public/arch-x86/hvm/start_info.h); NetBSD's sys/arch/x86/include/bootinfo.h 1.30 and
// i386/stand/lib/exec.c. Nothing that a loader says is taken as true: every address, length and
// count is checked.
#include "boot/boot_info.h"
#include <algorithm>
#include <cstring>
#include "hal/trace.h"
#include "lib/bytes.h"

constinit uint64_t loader_acpi_root = 0;

namespace {

uint8_t byte(const std::byte* from, size_t at) { return static_cast<uint8_t>(from[at]); }

class Reader {
public:
    Reader(BootInfo& info, const LoaderMemory& memory) : info_(info), memory_(memory) {}

    void multiboot1(uint32_t address);
    void multiboot2(uint32_t address);
    void pvh(uint32_t address);
    void netbsd(uint32_t address);
    void finish();

private:
    template <class... Args> void problem(Format format, const Args&... args)
    {
        std::initializer_list<FormatArgument> list = {args...};
        problem_arguments(format, {list.begin(), list.size()});
    }
    void problem_arguments(std::string_view format, std::span<const FormatArgument> arguments);
    const std::byte* at(uint64_t address, size_t bytes, const char* what);
    const std::byte* list(uint64_t address, uint32_t& count, uint32_t most, uint32_t entry_bytes,
                          const char* what);
    template <size_t N>
    void copy_text(Text<N>& to, uint64_t address, const char* what, size_t limit = SIZE_MAX);
    void add_range(uint64_t start, uint64_t bytes, uint32_t type);
    void add_range(const std::byte* entry);
    void add_module(uint64_t start, uint64_t bytes, uint64_t name, size_t name_limit = SIZE_MAX);
    void set_framebuffer(const Framebuffer& framebuffer);
    void set_framebuffer(const std::byte* from, const std::byte* colors);
    void multiboot1_map(const std::byte* mbi);
    void multiboot2_tag(uint32_t type, const std::byte* tag, uint32_t bytes, uint64_t address);
    void netbsd_record(uint32_t address);
    void netbsd_console(const std::byte* record, uint32_t bytes, uint64_t address);
    void netbsd_modules(const std::byte* record, uint32_t bytes, uint64_t address);
    void sort_ranges();
    void read_command_line();
    bool take_option(std::string_view word);

    BootInfo& info_;
    const LoaderMemory& memory_;
    uint32_t lower_kib_ = 0, upper_kib_ = 0;  // RAM from 0 and from 1 MiB on, where no map is given
};

void Reader::problem_arguments(std::string_view format, std::span<const FormatArgument> arguments)
{
    char line[128];
    info_.problems.append({line, format_to(line, format, arguments)}).append('\n');
}

const std::byte* Reader::at(uint64_t address, size_t bytes, const char* what)
{
    const std::byte* data = address ? memory_.at(address, bytes) : nullptr;
    if (!data) problem("the loader's {} is at 0x{x}, where there is no memory", what, address);
    return data;
}

// At most one entry more than are kept: that one will be a problem to tell.
const std::byte* Reader::list(uint64_t address, uint32_t& count, uint32_t most,
                              uint32_t entry_bytes, const char* what)
{
    count = std::min(count, most + 1);
    return count ? at(address, count * entry_bytes, what) : nullptr;
}

template <size_t N>
void Reader::copy_text(Text<N>& to, uint64_t address, const char* what, size_t limit)
{
    to.clear();
    for (; limit; --limit, ++address) {
        const std::byte* c = at(address, 1, what);
        if (!c || *c == std::byte{0}) return;
        if (to.size() == to.capacity())
            return problem("the loader's {} is cut after {} characters", what, to.size());
        to.append(static_cast<char>(*c));
    }
}

void Reader::add_range(uint64_t start, uint64_t bytes, uint32_t type)
{
    if (bytes == 0) return;
    if (start + bytes < start)
        return problem("memory range 0x{x} + 0x{x} wraps around", start, bytes);
    if (info_.range_count == BootInfo::max_ranges)
        return problem("more than {} memory ranges", info_.range_count);
    if (type < 1 || type > 5) type = 2;  // unknown kinds are reserved
    info_.ranges[info_.range_count++] = {start, bytes, static_cast<MemoryRange::Type>(type)};
}

// All protocols give ranges as the BIOS does (ACPI 6.5, table 15.5).
void Reader::add_range(const std::byte* entry)
{
    add_range(le64(entry), le64(entry + 8), le32(entry + 16));
}

void Reader::add_module(uint64_t start, uint64_t bytes, uint64_t name, size_t name_limit)
{
    if (info_.module_count == BootInfo::max_modules)
        return problem("more than {} modules", info_.module_count);
    if (bytes > UINT32_MAX || !memory_.at(start, static_cast<size_t>(bytes)))
        return problem("module of 0x{x} bytes at 0x{x}, where there is no memory", bytes, start);
    BootModule& module = info_.modules[info_.module_count++];
    module.start = start;
    module.bytes = bytes;
    if (name) copy_text(module.name, name, "module name", name_limit);
}

void Reader::set_framebuffer(const Framebuffer& framebuffer)
{
    if (framebuffer.address == 0 || framebuffer.width == 0 || framebuffer.height == 0) return;
    info_.framebuffer = framebuffer;
    info_.has_framebuffer = true;
}

// As both versions of Multiboot describe it. Only type 1 can be drawn on: 0 has a palette, 2 is
// text.
void Reader::set_framebuffer(const std::byte* from, const std::byte* colors)
{
    if (byte(from, 21) != 1) return;
    set_framebuffer({.address = le64(from),
                     .pitch = le32(from + 8),
                     .width = le32(from + 12),
                     .height = le32(from + 16),
                     .bits_per_pixel = byte(from, 20),
                     .red = {byte(colors, 0), byte(colors, 1)},
                     .green = {byte(colors, 2), byte(colors, 3)},
                     .blue = {byte(colors, 4), byte(colors, 5)}});
}

void Reader::multiboot1(uint32_t address)
{
    info_.protocol = "Multiboot";
    const std::byte* mbi = at(address, 116, "information");
    if (!mbi) return;
    uint32_t flags = le32(mbi);
    if (flags & 1 << 0) {
        lower_kib_ = le32(mbi + 4);
        upper_kib_ = le32(mbi + 8);
    }
    if (flags & 1 << 2) copy_text(info_.command_line, le32(mbi + 16), "command line");
    if (flags & 1 << 3) {
        uint32_t count = le32(mbi + 20);
        const std::byte* module =
            list(le32(mbi + 24), count, BootInfo::max_modules, 16, "module list");
        for (; module && count; --count, module += 16) {
            uint32_t start = le32(module), end = le32(module + 4);
            add_module(start, uint64_t{end} - start, le32(module + 8));
        }
    }
    if (flags & 1 << 6) multiboot1_map(mbi);
    if (flags & 1 << 9) copy_text(info_.loader, le32(mbi + 64), "name");
    if (flags & 1 << 12) set_framebuffer(mbi + 88, mbi + 110);
}

void Reader::multiboot1_map(const std::byte* mbi)
{
    uint32_t left = std::min<uint32_t>(le32(mbi + 44), 65536);
    const std::byte* entry = at(le32(mbi + 48), left, "memory map");
    while (entry && left >= 24) {
        uint32_t size = le32(entry);  // does not count itself
        if (size < 20 || size > left - 4) return problem("memory map entry of {} bytes", size);
        add_range(entry + 4);
        entry += size + 4;
        left -= size + 4;
    }
}

void Reader::multiboot2(uint32_t address)
{
    info_.protocol = "Multiboot 2";
    const std::byte* head = at(address, 8, "information");
    if (!head) return;
    uint32_t total = le32(head);
    if (total < 16 || total > 1 << 20) return problem("information of {} bytes", total);
    const std::byte* all = at(address, total, "information");
    for (uint32_t i = 8; all && i + 8 <= total;) {
        uint32_t type = le32(all + i), bytes = le32(all + i + 4);
        if (bytes < 8 || bytes > total - i) return problem("tag {} of {} bytes", type, bytes);
        if (type == 0) return;
        multiboot2_tag(type, all + i, bytes, uint64_t{address} + i);
        i += (bytes + 7) & ~7u;
    }
    if (all) problem("the information has no end");
}

void Reader::multiboot2_tag(uint32_t type, const std::byte* tag, uint32_t bytes, uint64_t address)
{
    constexpr uint32_t least[] = {8, 8, 8, 16, 16, 8, 16, 8, 30, 8, 8, 8, 8, 8, 28, 28};
    if (type < std::size(least) && bytes < least[type])
        return problem("tag {} of {} bytes", type, bytes);
    switch (type) {
    case 1: return copy_text(info_.command_line, address + 8, "command line", bytes - 8);
    case 2: return copy_text(info_.loader, address + 8, "name", bytes - 8);
    case 3: {
        uint32_t start = le32(tag + 8), end = le32(tag + 12);
        return add_module(start, uint64_t{end} - start, address + 16, bytes - 16);
    }
    case 4:
        lower_kib_ = le32(tag + 8);
        upper_kib_ = le32(tag + 12);
        return;
    case 6: {
        uint32_t step = le32(tag + 8);
        if (step < 24) return problem("memory map with entries of {} bytes", step);
        for (uint32_t i = 16; step <= bytes - i; i += step) add_range(tag + i);
        return;
    }
    case 8:
        if (bytes >= 38) set_framebuffer(tag + 8, tag + 32);  // text mode has no colours
        return;
    case 14:  // the RSDP of ACPI 1.0, and
    case 15:  // that of 2.0 on: it is better
        if (type == 14 && info_.has_acpi_root) return;
        info_.has_acpi_root = true;
        memcpy(info_.acpi_root, tag + 8, std::min<size_t>(bytes - 8, sizeof info_.acpi_root));
    }
}

void Reader::pvh(uint32_t address)
{
    info_.protocol = "PVH";
    const std::byte* start = at(address, 40, "start information");
    if (!start) return;
    if (le32(start) != static_cast<uint32_t>(BootMagic::pvh))
        return problem("start information with magic 0x{x}", le32(start));
    if (uint64_t text = le64(start + 24)) copy_text(info_.command_line, text, "command line");
    info_.acpi_root_address = le64(start + 32);
    uint32_t count = le32(start + 12);
    const std::byte* module =
        list(le64(start + 16), count, BootInfo::max_modules, 32, "module list");
    for (; module && count; --count, module += 32)
        add_module(le64(module), le64(module + 8), le64(module + 16));

    if (le32(start + 4) < 1) return;  // version 0 ends here
    start = at(address, 56, "start information");
    if (!start) return;
    count = le32(start + 48);
    const std::byte* range = list(le64(start + 40), count, BootInfo::max_ranges, 24, "memory map");
    for (; range && count; --count, range += 24) add_range(range);
}

// The arguments of a NetBSD kernel: boothowto, 0, bootinfo, where the symbols end, KiB of RAM above
// and below 1 MiB. bootinfo is a count and the addresses of so many records.
void Reader::netbsd(uint32_t address)
{
    info_.protocol = "NetBSD";
    const std::byte* arguments = at(address, 24, "arguments");
    if (!arguments) return;
    upper_kib_ = le32(arguments + 16);
    lower_kib_ = le32(arguments + 20);
    uint32_t bootinfo = le32(arguments + 8);
    const std::byte* head = bootinfo ? at(bootinfo, 4, "bootinfo") : nullptr;
    if (!head) return;
    uint32_t count = le32(head);
    if (count > 64) return problem("bootinfo of {} records", count);
    const std::byte* record = list(uint64_t{bootinfo} + 4, count, 64, 4, "bootinfo");
    for (; record && count; --count, record += 4) netbsd_record(le32(record));
}

void Reader::netbsd_record(uint32_t address)
{
    const std::byte* record = at(address, 8, "bootinfo record");
    if (!record) return;
    uint32_t bytes = le32(record), type = le32(record + 4);
    // bootpath, rootdevice, console, memmap, modulelist, framebuffer
    constexpr uint32_t least[] = {8, 8, 8, 8, 8, 8, 8, 8, 8, 12, 8, 16, 37};
    if (bytes < (type < std::size(least) ? least[type] : 8) || bytes > 1 << 20)
        return problem("bootinfo record {} of {} bytes", type, bytes);
    record = at(address, bytes, "bootinfo record");
    if (!record) return;
    uint64_t text = uint64_t{address} + 8;
    switch (type) {
    case 0:  // what the loader calls the kernel
        return copy_text(info_.loader, text, "kernel's name", bytes - 8);
    case 1: return copy_text(info_.root, text, "root device", std::min(bytes - 8, 16u));
    case 6: return netbsd_console(record, bytes, text);
    case 9: {
        uint32_t count = le32(record + 8);
        if (count > (bytes - 12) / 20)
            return problem("memory map of {} ranges in {} bytes", count, bytes);
        for (record += 12; count; --count, record += 20) add_range(record);
        return;
    }
    case 11: return netbsd_modules(record, bytes, address);
    case 12:
        return set_framebuffer({.address = le64(record + 8),
                                .pitch = le16(record + 28),
                                .width = le32(record + 20),
                                .height = le32(record + 24),
                                .bits_per_pixel = byte(record, 30),
                                .red = {byte(record, 34), byte(record, 31)},
                                .green = {byte(record, 35), byte(record, 32)},
                                .blue = {byte(record, 36), byte(record, 33)}});
    }
}

// Its name and I/O address: "pc" or "com". There is always a screen, so only "com" is a choice.
void Reader::netbsd_console(const std::byte* record, uint32_t bytes, uint64_t address)
{
    constexpr uint32_t ports[] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};
    Text<64> name;
    copy_text(name, address, "console", std::min(bytes - 8, 16u));
    if (name.view() != "com") return;
    info_.console = name;  // whichever there are
    auto port = bytes < 28 ? std::end(ports) : std::ranges::find(ports, le32(record + 24));
    if (port != std::end(ports)) info_.console.print("{}", port - ports);
}

void Reader::netbsd_modules(const std::byte* record, uint32_t bytes, uint64_t address)
{
    constexpr uint32_t entry_bytes = 92;  // path[80], type, length, address
    uint32_t count = le32(record + 8);
    if (count > (bytes - 16) / entry_bytes) return problem("{} modules in {} bytes", count, bytes);
    for (uint32_t at = 16; count; --count, at += entry_bytes)
        add_module(le32(record + at + 88), le32(record + at + 84), address + at, 80);
}

// Cuts the ranges at each other's ends; what several of them cover is the worst of their types.
void Reader::sort_ranges()
{
    MemoryRange sorted[BootInfo::max_ranges];
    size_t count = 0;
    for (uint64_t start = 0, end = 0;; start = end) {
        auto type = MemoryRange::Type{};
        for (const MemoryRange& range : info_.memory()) {
            if (range.start <= start && start < range.end()) type = std::max(type, range.type);
            for (uint64_t edge : {range.start, range.end()}) {
                if (edge > start && (edge < end || end == start)) end = edge;
            }
        }
        if (end == start) break;
        if (type == MemoryRange::Type{}) continue;
        if (count && sorted[count - 1].end() == start && sorted[count - 1].type == type)
            sorted[count - 1].bytes += end - start;
        else if (count < BootInfo::max_ranges)
            sorted[count++] = {start, end - start, type};
        else
            problem("memory from 0x{x} to 0x{x} is left out: too many ranges", start, end);
    }
    std::copy_n(sorted, count, info_.ranges);
    info_.range_count = count;
}

bool Reader::take_option(std::string_view word)
{
    auto value_of = [&](std::string_view key, auto& to) {
        if (!word.starts_with(key)) return false;
        to.clear();
        to.append(word.substr(key.size()));
        if (word.size() - key.size() > to.size())
            problem("{} is cut after {} characters", key, to.size());
        return true;
    };
    return value_of("root=", info_.root) || value_of("kexec=", info_.kexec) ||
           value_of("console=", info_.console) || value_of("gdb=", info_.gdb) ||
           (config_has_trace && value_of("trace=", info_.trace));
}

template <size_t N> void add_word(Text<N>& words, std::string_view word)
{
    if (!words.empty()) words.append(' ');
    words.append(word);
}

// QEMU and old loaders put the kernel's file name first. Elsewhere a first word with a slash and no
// '=' can be nothing else.
void Reader::read_command_line()
{
    std::string_view rest = info_.command_line;
    for (bool first = true;; first = false) {
        while (rest.starts_with(' ')) rest.remove_prefix(1);
        if (rest.empty()) return;
        bool is_name = first && info_.loader.view() == "qemu";
        if (!is_name && rest.starts_with("args=")) return add_word(info_.args, rest.substr(5));
        std::string_view word = rest.substr(0, rest.find(' '));
        rest.remove_prefix(word.size());
        if (first && word.find('/') != word.npos && word.find('=') == word.npos) is_name = true;
        if (is_name || take_option(word)) continue;
        add_word(info_.args, word);
        add_word(info_.unknown_words, word);
    }
}

void Reader::finish()
{
    if (info_.range_count == 0) {
        if (upper_kib_ == 0) {
            problem("the loader gave no memory map: 8 MiB are assumed");
            lower_kib_ = 636;
            upper_kib_ = 7 << 10;
        }
        add_range(0, uint64_t{lower_kib_} << 10, 1);
        add_range(1 << 20, uint64_t{upper_kib_} << 10, 1);
    }
    sort_ranges();
    read_command_line();
    if (info_.kexec.empty()) info_.kexec.append("/kexec");
}

}  // namespace

uint64_t BootInfo::ram_end(uint64_t start) const
{
    for (const MemoryRange& range : memory()) {
        if (range.type == MemoryRange::Type::ram && range.start <= start && start < range.end())
            return range.end();
    }
    return start;
}

void read_boot_info(BootInfo& info, BootMagic magic, uint32_t address, const LoaderMemory& memory)
{
    Reader reader(info, memory);
    switch (magic) {
    case BootMagic::multiboot1: reader.multiboot1(address); break;
    case BootMagic::multiboot2: reader.multiboot2(address); break;
    case BootMagic::pvh: reader.pvh(address); break;
    case BootMagic::netbsd: reader.netbsd(address); break;
    }
    reader.finish();
}
