// SPDX-License-Identifier: BSD-2-Clause
#include "debug/gdb_stub.h"
#include <algorithm>
#include <cstring>
#include <utility>

namespace gdb {

namespace {

constexpr unsigned rest_ms = 1000;  // for each byte of what has begun, and for an acknowledgement
constexpr unsigned sendings = 4;    // of one packet
constexpr size_t most_garbage = 65536;
constexpr uint8_t int3 = 0xcc;

// Errors as gdb shows them: numbers of errno.h. Memory that is not there is EFAULT.
constexpr unsigned bad_address = 14, invalid = 22, no_room = 28;

constexpr std::string_view target_xml =
    "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
    "<architecture>i386</architecture><feature name=\"org.gnu.gdb.i386.core\">"
    "<flags id=\"i386_eflags\" size=\"4\">"
    "<field name=\"CF\" start=\"0\" end=\"0\"/><field name=\"\" start=\"1\" end=\"1\"/>"
    "<field name=\"PF\" start=\"2\" end=\"2\"/><field name=\"AF\" start=\"4\" end=\"4\"/>"
    "<field name=\"ZF\" start=\"6\" end=\"6\"/><field name=\"SF\" start=\"7\" end=\"7\"/>"
    "<field name=\"TF\" start=\"8\" end=\"8\"/><field name=\"IF\" start=\"9\" end=\"9\"/>"
    "<field name=\"DF\" start=\"10\" end=\"10\"/><field name=\"OF\" start=\"11\" end=\"11\"/>"
    "<field name=\"NT\" start=\"14\" end=\"14\"/><field name=\"RF\" start=\"16\" end=\"16\"/>"
    "<field name=\"VM\" start=\"17\" end=\"17\"/><field name=\"AC\" start=\"18\" end=\"18\"/>"
    "<field name=\"ID\" start=\"21\" end=\"21\"/></flags>"
    "<reg name=\"eax\" bitsize=\"32\" type=\"int32\"/><reg name=\"ecx\" bitsize=\"32\"/>"
    "<reg name=\"edx\" bitsize=\"32\"/><reg name=\"ebx\" bitsize=\"32\"/>"
    "<reg name=\"esp\" bitsize=\"32\" type=\"data_ptr\"/>"
    "<reg name=\"ebp\" bitsize=\"32\" type=\"data_ptr\"/>"
    "<reg name=\"esi\" bitsize=\"32\"/><reg name=\"edi\" bitsize=\"32\"/>"
    "<reg name=\"eip\" bitsize=\"32\" type=\"code_ptr\"/>"
    "<reg name=\"eflags\" bitsize=\"32\" type=\"i386_eflags\"/>"
    "<reg name=\"cs\" bitsize=\"32\"/><reg name=\"ss\" bitsize=\"32\"/>"
    "<reg name=\"ds\" bitsize=\"32\"/><reg name=\"es\" bitsize=\"32\"/>"
    "<reg name=\"fs\" bitsize=\"32\"/><reg name=\"gs\" bitsize=\"32\"/>"
    "<reg name=\"st0\" bitsize=\"80\" type=\"i387_ext\"/>"
    "<reg name=\"st1\" bitsize=\"80\" type=\"i387_ext\"/>"
    "<reg name=\"st2\" bitsize=\"80\" type=\"i387_ext\"/>"
    "<reg name=\"st3\" bitsize=\"80\" type=\"i387_ext\"/>"
    "<reg name=\"st4\" bitsize=\"80\" type=\"i387_ext\"/>"
    "<reg name=\"st5\" bitsize=\"80\" type=\"i387_ext\"/>"
    "<reg name=\"st6\" bitsize=\"80\" type=\"i387_ext\"/>"
    "<reg name=\"st7\" bitsize=\"80\" type=\"i387_ext\"/>"
    "<reg name=\"fctrl\" bitsize=\"32\" group=\"float\"/>"
    "<reg name=\"fstat\" bitsize=\"32\" group=\"float\"/>"
    "<reg name=\"ftag\" bitsize=\"32\" group=\"float\"/>"
    "<reg name=\"fiseg\" bitsize=\"32\" group=\"float\"/>"
    "<reg name=\"fioff\" bitsize=\"32\" group=\"float\"/>"
    "<reg name=\"foseg\" bitsize=\"32\" group=\"float\"/>"
    "<reg name=\"fooff\" bitsize=\"32\" group=\"float\"/>"
    "<reg name=\"fop\" bitsize=\"32\" group=\"float\"/></feature></target>";

int digit(int c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

constexpr char digits[] = "0123456789abcdef";

}  // namespace

// What is left of a packet.
class Stub::Reader {
public:
    explicit Reader(std::string_view rest) : rest_(rest) {}

    bool take(char c)
    {
        if (!rest_.starts_with(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    // Hexadecimal, as many digits as there are; false if there is none, or too many.
    bool number(uint32_t& value)
    {
        value = 0;
        unsigned count = 0;
        for (; !rest_.empty() && digit(rest_[0]) >= 0; ++count, rest_.remove_prefix(1))
            value = value << 4 | static_cast<uint32_t>(digit(rest_[0]));
        return count >= 1 && count <= 8;
    }
    // Two digits.
    bool byte(uint8_t& value)
    {
        if (rest_.size() < 2 || digit(rest_[0]) < 0 || digit(rest_[1]) < 0) return false;
        value = static_cast<uint8_t>(digit(rest_[0]) << 4 | digit(rest_[1]));
        rest_.remove_prefix(2);
        return true;
    }
    // One byte of binary data; those that mean something to the protocol are escaped.
    bool escaped(uint8_t& value)
    {
        uint8_t flip = take('}') ? 0x20 : 0;
        if (rest_.empty()) return false;
        value = static_cast<uint8_t>(rest_[0] ^ flip);
        rest_.remove_prefix(1);
        return true;
    }
    bool empty() const { return rest_.empty(); }
    std::string_view rest() const { return rest_; }

private:
    std::string_view rest_;
};

// ---- breakpoints and watchpoints

void Patches::add(uint32_t address)
{
    if (has_room() && !at(address)) patches_[count_++] = {address, 0, false};
}

void Patches::remove(uint32_t address)
{
    for (size_t i = 0; i < count_; ++i) {
        if (patches_[i].address == address) {
            patches_[i] = patches_[--count_];
            return;
        }
    }
}

bool Patches::at(uint32_t address) const
{
    return std::any_of(patches_, patches_ + count_,
                       [&](const Patch& patch) { return patch.address == address; });
}

void Patches::write_all(Target& target)
{
    for (size_t i = 0; i < count_; ++i) {
        Patch& patch = patches_[i];
        patch.written = target.read(patch.address, {&patch.original, 1}) == 1 &&
                        target.write(patch.address, {&int3, 1});
    }
}

// Something else may have been loaded there meanwhile.
void Patches::lift_all(Target& target)
{
    for (size_t i = 0; i < count_; ++i) {
        Patch& patch = patches_[i];
        uint8_t now = 0;
        if (patch.written && target.read(patch.address, {&now, 1}) == 1 && now == int3)
            target.write(patch.address, {&patch.original, 1});
        patch.written = false;
    }
}

void Stub::set_patch(uint32_t address)
{
    uint8_t byte;
    if (target_.read(address, {&byte, 1}) != 1 || !target_.write(address, {&byte, 1}))
        return put_error(bad_address);
    if (!patches.has_room()) return put_error(no_room);
    patches.add(address);
    put("OK");
}

// The CPU watches 1, 2 or 4 bytes that are aligned; more than that takes several.
static uint32_t first_part(uint32_t address, uint32_t bytes)
{
    return bytes >= 4 && address % 4 == 0 ? 4 : bytes >= 2 && address % 2 == 0 ? 2 : 1;
}

void Stub::set_watch(Point kind, uint32_t address, uint32_t bytes)
{
    constexpr uint32_t most = 16;
    if (bytes == 0 || bytes > most) return put_error(bytes ? no_room : invalid);
    for (uint32_t done = 0, part; done < bytes; done += part) {
        part = first_part(address + done, bytes - done);
        if (target_.watch(kind, address + done, part)) continue;
        clear_watch(kind, address, done);
        return put_error(no_room);
    }
    put("OK");
}

void Stub::clear_watch(Point kind, uint32_t address, uint32_t bytes)
{
    for (uint32_t part; bytes; address += part, bytes -= part) {
        part = first_part(address, bytes);
        target_.unwatch(kind, address, part);
    }
}

// ---- packets

// Into in_. False: nobody is expected any more.
bool Stub::receive_packet()
{
    for (;;) {
        if (!std::exchange(dollar_seen_, false)) {
            int c = line_.receive(rest_ms);
            if (c == Line::closed) return false;
            if (c != '$') continue;  // an acknowledgement that is late; Control-C: it has stopped
        }
        Packet packet = read_body();
        acknowledge(packet);
        if (packet == Packet::good) return true;
        if (packet == Packet::too_long) {
            put_error(invalid);
            send_reply();
        }
    }
}

Stub::Packet Stub::read_body()
{
    in_size_ = 0;
    uint8_t sum = 0;
    bool fits = true;
    for (size_t garbage = 0;; ++garbage) {
        int c = line_.receive(rest_ms);
        if (c < 0 || garbage == most_garbage) return Packet::bad;
        if (c == '#') break;
        sum = static_cast<uint8_t>(sum + c);
        if (c == '$') {  // the end of the packet before was lost
            in_size_ = 0;
            sum = 0;
            fits = true;
        } else if (in_size_ < sizeof in_) {
            in_[in_size_++] = static_cast<uint8_t>(c);
        } else {
            fits = false;
        }
    }
    int high = digit(line_.receive(rest_ms)), low = digit(line_.receive(rest_ms));
    if (high < 0 || low < 0 || (high << 4 | low) != sum) return Packet::bad;
    return fits ? Packet::good : Packet::too_long;
}

void Stub::acknowledge(Packet packet)
{
    constexpr std::string_view first = "qSupported";  // of a gdb that has connected anew
    std::string_view text(reinterpret_cast<const char*>(in_), in_size_);
    if (packet == Packet::good && text.starts_with(first)) acks_ = true;
    if (acks_) line_.send(packet == Packet::bad ? "-" : "+");
}

// What put() has collected. It is sent again when gdb says so, or nothing.
void Stub::send_reply()
{
    uint8_t sum = 0;
    for (size_t i = 0; i < out_size_; ++i) sum = static_cast<uint8_t>(sum + out_[i]);
    char head = '$', tail[] = {'#', digits[sum >> 4], digits[sum & 15]};
    std::string_view body(out_, out_size_);
    out_size_ = 0;
    for (unsigned i = 0; i < sendings; ++i) {
        line_.send({&head, 1});
        line_.send(body);
        line_.send({tail, sizeof tail});
        if (!acks_) return;
        int c = 0;
        for (size_t garbage = 0; c >= 0 && c != '-' && garbage < most_garbage; ++garbage) {
            c = line_.receive(rest_ms);
            if (c == '$') dollar_seen_ = true;  // it has our packet, since it goes on
            if (c == '+' || c == '$' || c == Line::closed) return;
        }
    }
}

void Stub::put(char c)
{
    if (out_size_ < packet_bytes) out_[out_size_++] = c;
}

void Stub::put(std::string_view text)
{
    for (char c : text) put(c);
}

void Stub::put_hex(std::span<const uint8_t> bytes)
{
    for (uint8_t byte : bytes) {
        put(digits[byte >> 4]);
        put(digits[byte & 15]);
    }
}

void Stub::put_error(unsigned number)
{
    Text<8> text;
    put(text.print("E{02}", number));
}

// ---- what gdb is told and asks

void Stub::put_stop()
{
    constexpr const char* reasons[] = {"swbreak", "hwbreak", "watch", "rwatch", "awatch"};
    Text<64> text;
    text.print("T{02x}thread:1;", static_cast<uint8_t>(stop_.signal));
    if (stop_.at_point) {
        text.print("{}:", reasons[static_cast<unsigned>(stop_.point)]);
        if (stop_.point >= Point::write) text.print("{x}", stop_.address);
        text.append(';');
    }
    put(text);
    for (unsigned number : {Registers::eip, Registers::esp, Registers::ebp}) {
        Text<8> name;
        put(name.print("{02x}:", number));
        put_register(number);
        put(';');
    }
}

Stub::Place Stub::register_place(unsigned number)
{
    struct Field {
        uint8_t at, bytes;
    };
    // fctrl, fstat, ftag, fiseg, fioff, foseg, fooff, fop in FNSAVE's image
    constexpr Field fields[] = {{0, 2},  {4, 2},  {8, 2},  {16, 2},
                                {12, 4}, {24, 2}, {20, 4}, {18, 2}};
    constexpr unsigned st0 = 16, fctrl = 24;
    if (number < st0) return {reinterpret_cast<uint8_t*>(&registers_->core[number]), 4, 4};
    if (number < fctrl) return {registers_->fpu + 28 + 10 * (number - st0), 10, 10};
    Field field = fields[number - fctrl];
    return {registers_->fpu + field.at, field.bytes, 4};
}

void Stub::put_register(unsigned number)
{
    constexpr uint8_t zeroes[4] = {};
    Place place = register_place(number);
    put_hex({place.data, place.bytes});
    put_hex({zeroes, place.sent - place.bytes});
}

bool Stub::set_register(unsigned number, Reader& value)
{
    Place place = register_place(number);
    uint8_t bytes[10];
    for (unsigned i = 0; i < place.sent; ++i) {
        if (!value.byte(bytes[i])) return false;
    }
    memcpy(place.data, bytes, place.bytes);
    return true;
}

void Stub::set_registers(Reader& values)
{
    unsigned set = 0;
    while (set < Registers::count && set_register(set, values)) ++set;
    if (set == Registers::count)
        put("OK");
    else
        put_error(invalid);
}

void Stub::read_memory(Reader& rest)
{
    uint32_t address, bytes;
    if (!rest.number(address) || !rest.take(',') || !rest.number(bytes)) return put_error(invalid);
    bytes = std::min<uint32_t>(bytes, packet_bytes / 2);
    size_t read = target_.read(address, {in_, bytes});  // over the packet, which has been read
    if (read == 0 && bytes) return put_error(bad_address);
    put_hex({in_, read});
}

void Stub::write_memory(Reader& rest, bool binary)
{
    uint32_t address, bytes;
    if (!rest.number(address) || !rest.take(',') || !rest.number(bytes) || !rest.take(':'))
        return put_error(invalid);
    if (bytes > packet_bytes) return put_error(invalid);
    for (uint32_t i = 0; i < bytes; ++i) {  // each to where it, or what is before it, was read from
        if (!(binary ? rest.escaped(in_[i]) : rest.byte(in_[i]))) return put_error(invalid);
    }
    if (bytes && !target_.write(address, {in_, bytes})) return put_error(bad_address);
    put("OK");
}

void Stub::change_point(Reader& rest, bool add)
{
    uint32_t kind, address, bytes;
    if (!rest.number(kind) || !rest.take(',') || !rest.number(address) || !rest.take(',') ||
        !rest.number(bytes))
        return put_error(invalid);
    if (kind > static_cast<uint32_t>(Point::access)) return;  // not supported: an empty reply
    auto point = static_cast<Point>(kind);
    if (point == Point::execute) bytes = 1;
    if (point == Point::software && add) return set_patch(address);
    if (point != Point::software && add) return set_watch(point, address, bytes);
    if (point == Point::software)
        patches.remove(address);
    else
        clear_watch(point, address, std::min<uint32_t>(bytes, 16));
    put("OK");
}

// c, s, and C, S with a signal that gdb passes on; all may be followed by where to go on.
bool Stub::resume(char letter, Reader& rest)
{
    bool with_signal = letter == 'C' || letter == 'S';
    uint32_t signal = 0, address;
    if (with_signal && !rest.number(signal)) {
        put_error(invalid);
        return true;
    }
    if (with_signal) rest.take(';');
    if (rest.number(address)) registers_->core[Registers::eip] = address;
    bool fault = stop_.signal != Signal::trap && stop_.signal != Signal::interrupt;
    bool pass_on = fault && signal == static_cast<uint32_t>(stop_.signal);
    resume_ = pass_on                          ? Resume::pass_on
              : letter == 's' || letter == 'S' ? Resume::step
                                               : Resume::go;
    owes_stop_ = true;
    return false;
}

void Stub::transfer(std::string_view packet)
{
    constexpr std::string_view name = "target.xml:";
    uint32_t offset, bytes;
    Reader rest(packet);
    if (packet.starts_with(name)) rest = Reader(packet.substr(name.size()));
    if (!packet.starts_with(name) || !rest.number(offset) || !rest.take(',') || !rest.number(bytes))
        return put("E00");
    std::string_view part = target_xml.substr(std::min<size_t>(offset, target_xml.size()));
    bytes = std::min<uint32_t>(bytes, packet_bytes - 1);
    put(part.size() > bytes ? 'm' : 'l');
    put(part.substr(0, bytes));
}

void Stub::monitor_command(Reader& hex)
{
    Text<128> line;
    for (uint8_t c; hex.byte(c);) line.append(static_cast<char>(c));
    Text<512> said;
    target_.command(line, said);
    if (said.empty()) return put("OK");
    put_hex({reinterpret_cast<const uint8_t*>(said.c_str()), said.size()});
}

void Stub::query(std::string_view packet)
{
    constexpr std::string_view features = "qXfer:features:read:", monitor = "qRcmd,";
    if (packet.starts_with("qSupported")) {
        Text<128> text;
        put(
            text.print("PacketSize={x};QStartNoAckMode+;qXfer:features:read+;swbreak+;hwbreak+;"
                       "vContSupported+",
                       packet_bytes));
    } else if (packet.starts_with(features)) {
        transfer(packet.substr(features.size()));
    } else if (packet.starts_with(monitor)) {
        Reader hex(packet.substr(monitor.size()));
        monitor_command(hex);
    } else if (packet == "qC") {
        put("QC1");
    } else if (packet == "qfThreadInfo") {
        put("m1");
    } else if (packet == "qsThreadInfo") {
        put('l');
    } else if (packet == "qAttached") {
        put('1');
    } else if (packet == "vCont?") {
        put("vCont;c;C;s;S");
    }
}

// The packet that is in in_; its reply is sent. What is not known gets an empty one.
bool Stub::handle()
{
    std::string_view packet(reinterpret_cast<const char*>(in_), in_size_);
    constexpr std::string_view actions = "vCont;";
    if (packet.starts_with(actions)) {  // there is one thread: the first counts
        packet.remove_prefix(actions.size());
        packet = packet.substr(0, packet.find_first_of(":;"));
    }
    if (packet.empty()) {
        send_reply();
        return true;
    }
    char letter = packet[0];
    Reader rest(packet.substr(1));
    uint32_t number;
    switch (letter) {
    case '?': put_stop(); break;
    case 'g':
        for (unsigned i = 0; i < Registers::count; ++i) put_register(i);
        break;
    case 'G': set_registers(rest); break;
    case 'p':
        if (rest.number(number) && number < Registers::count)
            put_register(number);
        else
            put_error(invalid);
        break;
    case 'P':
        if (rest.number(number) && number < Registers::count && rest.take('=') &&
            set_register(number, rest))
            put("OK");
        else
            put_error(invalid);
        break;
    case 'm': read_memory(rest); break;
    case 'M':
    case 'X': write_memory(rest, letter == 'X'); break;
    case 'Z':
    case 'z': change_point(rest, letter == 'Z'); break;
    case 'H':
    case 'T': put("OK"); break;
    case 'c':
    case 's':
    case 'C':
    case 'S':
        if (!resume(letter, rest)) return false;
        break;
    default: return handle_session(packet);
    }
    send_reply();
    return true;
}

// What is about the connection itself, and the questions.
bool Stub::handle_session(std::string_view packet)
{
    bool detach = packet[0] == 'D', kill = packet[0] == 'k' || packet.starts_with("vKill;");
    bool no_acks = packet == "QStartNoAckMode";
    if (detach || no_acks || (kill && packet[0] == 'v'))
        put("OK");
    else
        query(packet);
    if (packet[0] != 'k') send_reply();
    if (no_acks) acks_ = false;
    if (!detach && !kill) return true;
    leave();
    resume_ = detach ? Resume::detached : Resume::killed;
    return false;
}

void Stub::leave()
{
    attached_ = owes_stop_ = false;
    acks_ = true;
    patches.clear();
}

void Stub::left_by(char letter, uint8_t code)
{
    if (owes_stop_) {
        put(letter);
        put_hex({&code, 1});
        send_reply();
    }
    leave();
}

Resume Stub::serve(const Stop& stop, Registers& registers)
{
    stop_ = stop;
    registers_ = &registers;
    if (std::exchange(owes_stop_, false)) {
        put_stop();
        send_reply();
    }
    do {
        if (!receive_packet()) return Resume::closed;
        attached_ = true;
    } while (handle());
    return resume_;
}

}  // namespace gdb
