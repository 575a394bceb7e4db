// SPDX-License-Identifier: BSD-2-Clause
// The four boot protocols' information, and the command line.
//
// Specifications: Multiboot 0.6.96 section 3.3; Multiboot 2.0 section 3.6; Xen's PVH start information
// (xen/include/public/arch-x86/hvm/start_info.h); NetBSD's x86/include/bootinfo.h. Nothing that a loader says is
// taken as true: every address, length and count is checked.
#include "boot/boot_info.h"
#include <algorithm>
#include <cstring>
#include "lib/bytes.h"

constinit uint64_t loader_acpi_root = 0;

namespace {

class Reader {
public:
    Reader(BootInfo& info, const LoaderMemory& memory) : info_(info), memory_(memory) {}

    void multiboot1(uint32_t address);
    void multiboot2(uint32_t address);
    void pvh(uint32_t address);
    void netbsd(uint32_t address);
    void finish();

private:
    template <class... Args> void problem(std::string_view format, const Args&... args)
    {
        info_.problems.print(format, args...).append('\n');
    }
    const std::byte* at(uint64_t address, size_t bytes, const char* what)
    {
        const std::byte* data = address ? memory_.at(address, bytes) : nullptr;
        if (!data) problem("the loader's {} is at 0x{x}, where there is no memory", what, address);
        return data;
    }
    template <size_t N> void copy_text(Text<N>& to, uint64_t address, size_t limit, const char* what);
    void add_range(uint64_t start, uint64_t bytes, uint32_t type);
    void add_module(uint64_t start, uint64_t end, uint64_t name);
    void set_framebuffer(const Framebuffer& framebuffer);
    void multiboot2_tag(uint32_t type, const std::byte* tag, uint32_t bytes, uint64_t address);
    void netbsd_record(uint32_t type, const std::byte* record, uint32_t bytes);
    void netbsd_modules(const std::byte* record, uint32_t bytes);
    void sort_ranges();
    void read_command_line();
    bool take_option(std::string_view word);

    BootInfo& info_;
    const LoaderMemory& memory_;
};

template <size_t N>
void Reader::copy_text(Text<N>& to, uint64_t address, size_t limit, const char* what)
{
    to.clear();
    for (size_t i = 0; i < limit && i < N; ++i) {
        const std::byte* c = memory_.at(address + i, 1);
        if (!c) return problem("the loader's {} runs out of memory at 0x{x}", what, address + i);
        if (*c == std::byte{0}) return;
        to.append(static_cast<char>(*c));
    }
}

void Reader::add_range(uint64_t start, uint64_t bytes, uint32_t type)
{
    if (bytes == 0) return;
    if (start + bytes < start) return problem("memory range 0x{x} + 0x{x} wraps around", start, bytes);
    if (info_.range_count == BootInfo::max_ranges) return problem("more than {} memory ranges", info_.range_count);
    if (type < 1 || type > 5) type = 2;  // unknown kinds are reserved
    info_.ranges[info_.range_count++] = {start, bytes, static_cast<MemoryRange::Type>(type)};
}

void Reader::add_module(uint64_t start, uint64_t end, uint64_t name)
{
    if (info_.module_count == BootInfo::max_modules) return problem("more than {} modules", info_.module_count);
    if (end < start || !memory_.at(start, static_cast<size_t>(end - start)))
        return problem("module at 0x{x}...0x{x}, where there is no memory", start, end);
    BootModule& module = info_.modules[info_.module_count++];
    module.start = start;
    module.bytes = end - start;
    if (name) copy_text(module.name, name, module.name.capacity(), "module name");
}

void Reader::set_framebuffer(const Framebuffer& framebuffer)
{
    if (framebuffer.address == 0 || framebuffer.width == 0 || framebuffer.height == 0) return;
    info_.framebuffer = framebuffer;
    info_.has_framebuffer = true;
}

// Six bytes: position and size of red, green, blue (Multiboot 3.3, framebuffer_type 1).
void set_channels(Framebuffer& framebuffer, const std::byte* from)
{
    auto byte = [&](int i) { return static_cast<uint8_t>(from[i]); };
    framebuffer.red = {byte(0), byte(1)};
    framebuffer.green = {byte(2), byte(3)};
    framebuffer.blue = {byte(4), byte(5)};
}

void Reader::multiboot1(uint32_t address)
{
    info_.protocol = "Multiboot";
    const std::byte* mbi = at(address, 116, "information");
    if (!mbi) return;
    uint32_t flags = le32(mbi);
    if (flags & 1 << 2) copy_text(info_.command_line, le32(mbi + 16), 1024, "command line");
    if (flags & 1 << 9) copy_text(info_.loader, le32(mbi + 64), 64, "name");
    if (flags & 1 << 3) {
        uint32_t count = std::min<uint32_t>(le32(mbi + 20), BootInfo::max_modules + 1);
        const std::byte* list = count ? at(le32(mbi + 24), count * 16, "module list") : nullptr;
        for (uint32_t i = 0; list && i < count; ++i)
            add_module(le32(list + i * 16), le32(list + i * 16 + 4), le32(list + i * 16 + 8));
    }
    if (flags & 1 << 6) {
        uint32_t length = std::min<uint32_t>(le32(mbi + 44), 65536);
        const std::byte* map = at(le32(mbi + 48), length, "memory map");
        // An entry's size field does not count itself.
        for (uint32_t i = 0; map && length - i >= 24;) {
            uint32_t size = le32(map + i);
            if (size < 20 || size > length - i - 4) {
                problem("memory map entry of {} bytes", size);
                break;
            }
            add_range(le64(map + i + 4), le64(map + i + 12), le32(map + i + 20));
            i += size + 4;
        }
    } else if (flags & 1) {
        add_range(0, le32(mbi + 4) * 1024ull, 1);
        add_range(0x100000, le32(mbi + 8) * 1024ull, 1);
    }
    if (flags & 1 << 12 && static_cast<uint8_t>(mbi[109]) == 1) {
        Framebuffer framebuffer = {.address = le64(mbi + 88), .pitch = le32(mbi + 96),
                                   .width = le32(mbi + 100), .height = le32(mbi + 104),
                                   .bits_per_pixel = static_cast<uint8_t>(mbi[108])};
        set_channels(framebuffer, mbi + 110);
        set_framebuffer(framebuffer);
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
    if (!all) return;
    for (uint32_t i = 8; total - i >= 8;) {
        uint32_t type = le32(all + i), bytes = le32(all + i + 4);
        if (bytes < 8 || bytes > total - i) return problem("tag {} of {} bytes", type, bytes);
        if (type == 0) return;
        multiboot2_tag(type, all + i, bytes, address + i);
        if (bytes > total - i - 7) break;
        i += (bytes + 7) & ~7u;
        if (i > total) break;
    }
}

void Reader::multiboot2_tag(uint32_t type, const std::byte* tag, uint32_t bytes, uint64_t address)
{
    switch (type) {
        case 1: return copy_text(info_.command_line, address + 8, bytes - 8, "command line");
        case 2: return copy_text(info_.loader, address + 8, bytes - 8, "name");
        case 3:
            if (bytes >= 17) add_module(le32(tag + 8), le32(tag + 12), address + 16);
            return;
        case 6: {
            uint32_t step = bytes >= 16 ? le32(tag + 8) : 0;
            if (step < 24) return problem("memory map with entries of {} bytes", step);
            for (uint32_t i = 16; bytes - i >= step && i < bytes; i += step)
                add_range(le64(tag + i), le64(tag + i + 8), le32(tag + i + 16));
            return;
        }
        case 8: {
            if (bytes < 38 || static_cast<uint8_t>(tag[29]) != 1) return;  // not RGB: text mode
            Framebuffer framebuffer = {.address = le64(tag + 8), .pitch = le32(tag + 16),
                                       .width = le32(tag + 20), .height = le32(tag + 24),
                                       .bits_per_pixel = static_cast<uint8_t>(tag[28])};
            set_channels(framebuffer, tag + 32);
            return set_framebuffer(framebuffer);
        }
        case 14:
        case 15:  // the RSDP, of ACPI 1.0 and 2.0; the newer one comes last
            info_.has_acpi_root = bytes >= 8 + 20;
            memcpy(info_.acpi_root, tag + 8, std::min<size_t>(bytes - 8, sizeof info_.acpi_root));
            return;
    }
}

void Reader::pvh(uint32_t address)
{
    info_.protocol = "PVH";
    const std::byte* start = at(address, 56, "start information");
    if (!start) return;
    if (le32(start) != static_cast<uint32_t>(BootMagic::pvh))
        return problem("start information with magic 0x{x}", le32(start));
    if (uint64_t text = le64(start + 24)) copy_text(info_.command_line, text, 1024, "command line");
    info_.acpi_root_address = le64(start + 32);
    uint32_t count = std::min<uint32_t>(le32(start + 12), BootInfo::max_modules + 1);
    const std::byte* list = count ? at(le64(start + 16), count * 32, "module list") : nullptr;
    for (uint32_t i = 0; list && i < count; ++i) {
        uint64_t base = le64(list + i * 32);
        add_module(base, base + le64(list + i * 32 + 8), le64(list + i * 32 + 16));
    }
    if (le32(start + 4) < 1) return;  // version 0 has no memory map
    uint32_t ranges = std::min<uint32_t>(le32(start + 48), BootInfo::max_ranges + 1);
    const std::byte* map = ranges ? at(le64(start + 40), ranges * 24, "memory map") : nullptr;
    for (uint32_t i = 0; map && i < ranges; ++i)
        add_range(le64(map + i * 24), le64(map + i * 24 + 8), le32(map + i * 24 + 16));
}

// The arguments of a NetBSD kernel: boothowto, 0, bootinfo, 0, KiB of RAM above and below 1 MiB.
void Reader::netbsd(uint32_t address)
{
    info_.protocol = "NetBSD";
    const std::byte* arguments = at(address, 24, "arguments");
    if (!arguments) return;
    uint32_t list = le32(arguments + 8);
    if (const std::byte* count_at = list ? at(list, 4, "bootinfo") : nullptr) {
        uint32_t count = le32(count_at);
        if (count > 64) return problem("bootinfo of {} records", count);
        const std::byte* pointers = count ? at(list + 4, count * 4, "bootinfo") : nullptr;
        for (uint32_t i = 0; pointers && i < count; ++i) {
            uint32_t where = le32(pointers + i * 4);
            const std::byte* head = at(where, 8, "bootinfo record");
            if (!head) continue;
            uint32_t bytes = le32(head), type = le32(head + 4);
            if (bytes < 8 || bytes > 1 << 20) {
                problem("bootinfo record {} of {} bytes", type, bytes);
                continue;
            }
            if (const std::byte* record = at(where, bytes, "bootinfo record"))
                netbsd_record(type, record, bytes);
        }
    }
    if (info_.range_count == 0) {
        add_range(0, le32(arguments + 20) * 1024ull, 1);
        add_range(0x100000, le32(arguments + 16) * 1024ull, 1);
    }
}

void Reader::netbsd_record(uint32_t type, const std::byte* record, uint32_t bytes)
{
    auto text = [&](auto& to, uint32_t from, uint32_t limit) {
        to.clear();
        for (uint32_t i = from; i < bytes && i < from + limit && record[i] != std::byte{0}; ++i)
            to.append(static_cast<char>(record[i]));
    };
    switch (type) {
        case 0: return text(info_.loader, 8, 80);  // BTINFO_BOOTPATH: what it calls the kernel
        case 1: return text(info_.root, 8, 16);    // BTINFO_ROOTDEVICE
        case 6: {                                  // BTINFO_CONSOLE: "com" is our com0, "pc" all
            Text<16> name;
            text(name, 8, 16);
            if (name.view() == "com") info_.console = Text<64>("com0");
            return;
        }
        case 9: {  // BTINFO_MEMMAP
            uint32_t count = bytes >= 12 ? le32(record + 8) : 0;
            if (count > (bytes - 12) / 20) return problem("memory map of {} ranges in {} bytes", count, bytes);
            for (uint32_t i = 0; i < count; ++i) {
                const std::byte* range = record + 12 + i * 20;
                add_range(le64(range), le64(range + 8), le32(range + 16));
            }
            return;
        }
        case 11: return netbsd_modules(record, bytes);  // BTINFO_MODULELIST
        case 12: {                                      // BTINFO_FRAMEBUFFER
            if (bytes < 37) return problem("frame buffer record of {} bytes", bytes);
            auto byte = [&](int i) { return static_cast<uint8_t>(record[i]); };
            return set_framebuffer({.address = le64(record + 8), .pitch = le16(record + 28),
                                    .width = le32(record + 20), .height = le32(record + 24),
                                    .bits_per_pixel = byte(30),
                                    .red = {byte(34), byte(31)},
                                    .green = {byte(35), byte(32)},
                                    .blue = {byte(36), byte(33)}});
        }
    }
}

void Reader::netbsd_modules(const std::byte* record, uint32_t bytes)
{
    constexpr uint32_t entry = 92;  // path[80], type, len, base
    uint32_t count = bytes >= 16 ? le32(record + 8) : 0;
    if (count > (bytes - 16) / entry) return problem("{} modules in {} bytes", count, bytes);
    for (uint32_t i = 0; i < count; ++i) {
        const std::byte* module = record + 16 + i * entry;
        uint64_t base = le32(module + 88);
        size_t before = info_.module_count;
        add_module(base, base + le32(module + 84), 0);
        if (info_.module_count == before) continue;
        for (uint32_t c = 0; c < 80 && module[c] != std::byte{0}; ++c)
            info_.modules[before].name.append(static_cast<char>(module[c]));
    }
}

// Cuts the ranges at each other's ends; what several of them cover is the worst of their types.
void Reader::sort_ranges()
{
    static constinit uint64_t edges[2 * BootInfo::max_ranges];
    static constinit MemoryRange sorted[BootInfo::max_ranges];
    size_t edge_count = 0, count = 0;
    for (const MemoryRange& range : info_.memory()) {
        edges[edge_count++] = range.start;
        edges[edge_count++] = range.end();
    }
    std::sort(edges, edges + edge_count);
    for (size_t i = 0; i + 1 < edge_count; ++i) {
        if (edges[i] == edges[i + 1]) continue;
        auto type = MemoryRange::Type{};
        for (const MemoryRange& range : info_.memory()) {
            if (range.start <= edges[i] && edges[i] < range.end()) type = std::max(type, range.type);
        }
        if (type == MemoryRange::Type{}) continue;
        if (count && sorted[count - 1].end() == edges[i] && sorted[count - 1].type == type)
            sorted[count - 1].bytes += edges[i + 1] - edges[i];
        else if (count < BootInfo::max_ranges)
            sorted[count++] = {edges[i], edges[i + 1] - edges[i], type};
    }
    std::copy(sorted, sorted + count, info_.ranges);
    info_.range_count = count;
}

bool Reader::take_option(std::string_view word)
{
    auto value_of = [&](std::string_view key, auto& to) {
        if (!word.starts_with(key)) return false;
        to.clear();
        to.append(word.substr(key.size()));
        return true;
    };
    return value_of("root=", info_.root) || value_of("kexec=", info_.kexec) ||
           value_of("console=", info_.console);
}

template <size_t N> void add_word(Text<N>& words, std::string_view word)
{
    if (!words.empty()) words.append(' ');
    words.append(word);
}

// Some loaders put the kernel's file name before the options: it has a slash and no '='.
void Reader::read_command_line()
{
    std::string_view rest = info_.command_line;
    for (bool first = true;; first = false) {
        while (rest.starts_with(' ')) rest.remove_prefix(1);
        if (rest.empty()) return;
        if (rest.starts_with("args=")) {
            rest.remove_prefix(5);
            if (!info_.args.empty() && !rest.empty()) info_.args.append(' ');
            info_.args.append(rest);
            return;
        }
        std::string_view word = rest.substr(0, rest.find(' '));
        rest.remove_prefix(word.size());
        bool has_value = word.find('=') != std::string_view::npos;
        if (first && !has_value && word.find('/') != std::string_view::npos) continue;
        if (take_option(word)) continue;
        add_word(info_.args, word);
        add_word(info_.unknown_words, word);
    }
}

void Reader::finish()
{
    if (info_.range_count == 0) {
        problem("the loader gave no memory map: 8 MiB are assumed");
        add_range(0, 0x9f000, 1);
        add_range(0x100000, 7 << 20, 1);
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
