// SPDX-License-Identifier: BSD-2-Clause
// A disassembler for 32-bit code. Intel SDM volume 2, chapter 2 and appendix A, whose names for
// operands the tables use: E, G, M, S, C, D come from the ModRM byte, Z is a register in the
// opcode, I an immediate, J a jump, O an offset, X and Y strings, V and W an XMM register. Behind
// it the size: b, w, d, q, v (16 or 32 bits), and what size_text() has; s is a byte, sign-extended.
// "a" is eax or ax, "?" a condition, "*" ps, pd, ss or sd, "@n" a group, and "x|y" is y with 16-bit
// operands. All lengths are right; MMX and the rarer SSE instructions have no names.
#include <algorithm>
#include <iterator>
#include <utility>
#include "debug/disassemble.h"

namespace debug {

namespace {

constexpr const char* one_byte =  // the opcode, or the first and last, and what it is
    "06 push es;07 pop es;0e push cs;16 push ss;17 pop ss;1e push ds;1f pop ds;27 daa;2f das;"
    "37 aaa;3f aas;40-47 inc Zv;48-4f dec Zv;50-57 push Zv;58-5f pop Zv;60 pusha|pushaw;"
    "61 popa|popaw;62 bound Gv,Mq;63 arpl Ew,Gw;68 push Iv;69 imul Gv,Ev,Iv;6a push Is;"
    "6b imul Gv,Ev,Is;6c ins Yb,dx;6d ins Yv,dx;6e outs dx,Xb;6f outs dx,Xv;70-7f j? Jb;"
    "80 @0Eb,Ib;81 @0Ev,Iv;82 @0Eb,Ib;83 @0Ev,Is;84 test Eb,Gb;85 test Ev,Gv;86 xchg Eb,Gb;"
    "87 xchg Ev,Gv;88 mov Eb,Gb;89 mov Ev,Gv;8a mov Gb,Eb;8b mov Gv,Ev;8c mov Em,S;"
    "8d lea Gv,M;8e mov S,Em;8f @1;90 nop;91-97 xchg Zv,a;98 cwde|cbw;99 cdq|cwd;9a call A;"
    "9b fwait;9c pushf|pushfw;9d popf|popfw;9e sahf;9f lahf;a0 mov al,O;a1 mov a,O;"
    "a2 mov O,al;a3 mov O,a;a4 movs Yb,Xb;a5 movs Yv,Xv;a6 cmps Xb,Yb;a7 cmps Xv,Yv;"
    "a8 test al,Ib;a9 test a,Iv;aa stos Yb,al;ab stos Yv,a;ac lods al,Xb;ad lods a,Xv;"
    "ae scas al,Yb;af scas a,Yv;b0-b7 mov Zb,Ib;b8-bf mov Zv,Iv;c0 @2Eb,Ib;c1 @2Ev,Ib;"
    "c2 ret Iw;c3 ret;c4 les Gv,Mp;c5 lds Gv,Mp;c6 @3Eb,Ib;c7 @3Ev,Iv;c8 enter Iw,Ib;"
    "c9 leave;ca retf Iw;cb retf;cc int3;cd int Ib;ce into;cf iret|iretw;d0 @2Eb,1;d1 @2Ev,1;"
    "d2 @2Eb,cl;d3 @2Ev,cl;d4 aam Ib;d5 aad Ib;d7 xlat X;e0 loopne Jb;e1 loope Jb;e2 loop Jb;"
    "e3 jecxz Jb;e4 in al,Ib;e5 in a,Ib;e6 out Ib,al;e7 out Ib,a;e8 call Jv;e9 jmp Jv;"
    "ea jmp A;eb jmp Jb;ec in al,dx;ed in a,dx;ee out dx,al;ef out dx,a;f1 int1;f4 hlt;"
    "f5 cmc;f6 @4;f7 @5;f8 clc;f9 stc;fa cli;fb sti;fc cld;fd std;fe @6;ff @7";

constexpr const char* two_bytes =  // behind 0f
    "00 @8;01 @9;02 lar Gv,Ew;03 lsl Gv,Ew;05 syscall;06 clts;07 sysret;08 invd;09 wbinvd;"
    "0b ud2;0d prefetchw Mb;0e femms;10 mov^* V,W;11 mov^* W,V;18 @a;19-1f nop Ev;20 mov R,C;"
    "21 mov R,D;22 mov C,R;23 mov D,R;28 mova* V,W;29 mova* W,V;30 wrmsr;31 rdtsc;32 rdmsr;"
    "33 rdpmc;34 sysenter;35 sysexit;37 getsec;40-4f cmov? Gv,Ev;51 sqrt* V,W;54 and* V,W;"
    "57 xor* V,W;58 add* V,W;59 mul* V,W;5c sub* V,W;5d min* V,W;5e div* V,W;5f max* V,W;"
    "77 emms;80-8f j? Jv;90-9f set? Eb;a0 push fs;a1 pop fs;a2 cpuid;a3 bt Ev,Gv;"
    "a4 shld Ev,Gv,Ib;a5 shld Ev,Gv,cl;a8 push gs;a9 pop gs;aa rsm;ab bts Ev,Gv;"
    "ac shrd Ev,Gv,Ib;ad shrd Ev,Gv,cl;ae @b;af imul Gv,Ev;b0 cmpxchg Eb,Gb;b1 cmpxchg Ev,Gv;"
    "b2 lss Gv,Mp;b3 btr Ev,Gv;b4 lfs Gv,Mp;b5 lgs Gv,Mp;b6 movzx Gv,Eb;b7 movzx Gv,Ew;"
    "b8 popcnt Gv,Ev;b9 ud1 Gv,Ev;ba @cEv,Ib;bb btc Ev,Gv;bc bsf Gv,Ev;bd bsr Gv,Ev;"
    "be movsx Gv,Eb;bf movsx Gv,Ew;c0 xadd Eb,Gb;c1 xadd Ev,Gv;c3 movnti Md,Gd;c7 @d;"
    "c8-cf bswap Zv;ff ud0 Gv,Ev";

// By the middle bits of the ModRM byte.
constexpr const char* groups[] = {
    "add ;or ;adc ;sbb ;and ;sub ;xor ;cmp ",                             // @0
    "pop Ev",                                                             // @1
    "rol ;ror ;rcl ;rcr ;shl ;shr ;shl ;sar ",                            // @2
    "mov ",                                                               // @3
    "test Eb,Ib;test Eb,Ib;not Eb;neg Eb;mul Eb;imul Eb;div Eb;idiv Eb",  // @4
    "test Ev,Iv;test Ev,Iv;not Ev;neg Ev;mul Ev;imul Ev;div Ev;idiv Ev",  // @5
    "inc Eb;dec Eb",                                                      // @6
    "inc Ev;dec Ev;call Ev;call Mp;jmp Ev;jmp Mp;push Ev",                // @7
    "sldt Em;str Em;lldt Ew;ltr Ew;verr Ew;verw Ew",                      // @8
    "sgdtd M;sidtd M;lgdtd M;lidtd M;smsw Em;;lmsw Ew;invlpg Mb",         // @9
    "prefetchnta Mb;prefetcht0 Mb;prefetcht1 Mb;prefetcht2 Mb;nop Ev;nop Ev;nop Ev;nop Ev",
    "fxsave M;fxrstor M;ldmxcsr Md;stmxcsr Md;xsave M;xrstor M;xsaveopt M;clflush Mb",  // @b
    ";;;;bt ;bts ;btr ;btc ",                                                           // @c
    ";cmpxchg8b Mq;;;;;rdrand Ev;rdseed Ev",                                            // @d
};

// The coprocessor's instructions d8...df with an operand in memory, and with registers.
constexpr const char* float_memory[] = {
    "fadd Md;fmul Md;fcom Md;fcomp Md;fsub Md;fsubr Md;fdiv Md;fdivr Md",
    "fld Md;;fst Md;fstp Md;fldenv M;fldcw Mw;fnstenv M;fnstcw Mw",
    "fiadd Md;fimul Md;ficom Md;ficomp Md;fisub Md;fisubr Md;fidiv Md;fidivr Md",
    "fild Md;fisttp Md;fist Md;fistp Md;;fld Mt;;fstp Mt",
    "fadd Mq;fmul Mq;fcom Mq;fcomp Mq;fsub Mq;fsubr Mq;fdiv Mq;fdivr Mq",
    "fld Mq;fisttp Mq;fst Mq;fstp Mq;frstor M;;fnsave M;fnstsw Mw",
    "fiadd Mw;fimul Mw;ficom Mw;ficomp Mw;fisub Mw;fisubr Mw;fidiv Mw;fidivr Mw",
    "fild Mw;fisttp Mw;fist Mw;fistp Mw;fbld Mt;fild Mq;fbstp Mt;fistp Mq",
};
constexpr const char* float_registers[] = {
    "fadd st,T;fmul st,T;fcom T;fcomp T;fsub st,T;fsubr st,T;fdiv st,T;fdivr st,T",
    "fld T;fxch T",
    "fcmovb st,T;fcmove st,T;fcmovbe st,T;fcmovu st,T",
    "fcmovnb st,T;fcmovne st,T;fcmovnbe st,T;fcmovnu st,T;;fucomi st,T;fcomi st,T",
    "fadd T,st;fmul T,st;;;fsub T,st;fsubr T,st;fdiv T,st;fdivr T,st",
    "ffree T;;fst T;fstp T;fucom T;fucomp T",
    "faddp T,st;fmulp T,st;;;fsubp T,st;fsubrp T,st;fdivp T,st;fdivrp T,st",
    ";;;;;fucomip st,T;fcomip st,T",
};
constexpr const char* float_d9 =  // d9 e0...ff
    "fchs;fabs;;;ftst;fxam;;;fld1;fldl2t;fldl2e;fldpi;fldlg2;fldln2;fldz;;f2xm1;fyl2x;fptan;"
    "fpatan;fxtract;fprem1;fdecstp;fincstp;fprem;fyl2xp1;fsqrt;fsincos;frndint;fscale;fsin;fcos";
constexpr const char* float_others[] = {"fnop",   "fucompp", "fnclex",
                                        "fninit", "fcompp",  "fnstsw ax"};
constexpr uint16_t float_codes[] = {0xd9d0, 0xdae9, 0xdbe2, 0xdbe3, 0xded9, 0xdfe0};

constexpr const char* arithmetic_forms[] = {"Eb,Gb", "Ev,Gv", "Gb,Eb", "Gv,Ev", "al,Ib", "a,Iv"};
constexpr const char* conditions = "o;no;b;ae;e;ne;be;a;s;ns;p;np;l;ge;le;g";
constexpr const char* registers = "eax;ecx;edx;ebx;esp;ebp;esi;edi";
constexpr const char* byte_registers = "al;cl;dl;bl;ah;ch;dh;bh";
constexpr const char* segments = "es;cs;ss;ds;fs;gs;?;?";
constexpr const char* bases16 = "bx+si;bx+di;bp+si;bp+di;si;di;bp;bx";

// Field n of "a;b;c"; "" beyond the last.
std::string_view field(std::string_view list, unsigned n)
{
    while (n--) {
        size_t end = list.find(';');
        if (end == list.npos) return "";
        list.remove_prefix(end + 1);
    }
    return list.substr(0, list.find(';'));
}

unsigned hexadecimal(char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); }

std::string_view find(const char* table, unsigned opcode)
{
    for (const char* c = table;; ++c) {
        unsigned first = hexadecimal(c[0]) << 4 | hexadecimal(c[1]);
        unsigned last = c[2] == '-' ? hexadecimal(c[3]) << 4 | hexadecimal(c[4]) : first;
        if (opcode < first) return "";
        if (opcode <= last) return field(c + (c[2] == '-' ? 6 : 3), 0);
        while (*c && *c != ';') ++c;
        if (!*c) return "";
    }
}

uint32_t sign_extended(uint32_t byte) { return (byte ^ 0x80) - 0x80; }

std::string_view size_text(char size, bool is_16_bit)
{
    switch (size) {
    case 'b': return "BYTE PTR ";
    case 'w':
    case 'm': return "WORD PTR ";
    case 'd': return "DWORD PTR ";
    case 'v': return is_16_bit ? "WORD PTR " : "DWORD PTR ";
    case 'q': return "QWORD PTR ";
    case 'p': return is_16_bit ? "DWORD PTR " : "FWORD PTR ";
    case 't': return "TBYTE PTR ";
    case 'x': return "XMMWORD PTR ";
    default: return "";
    }
}

class Decoder {
public:
    Decoder(uint32_t address, std::span<const uint8_t> bytes)
        : address_(address), bytes_(bytes.first(std::min<size_t>(bytes.size(), 15)))
    {
    }

    Instruction decode()
    {
        if (bytes_.empty()) return {0, std::string_view("(bad)")};
        prefixes();
        std::string_view form = opcode();
        if (form.empty() || !print(form) || overrun_) return {1, std::string_view("(bad)")};
        return {static_cast<unsigned>(at_), text_};
    }

private:
    uint8_t next()
    {
        if (at_ < bytes_.size()) return bytes_[at_++];
        overrun_ = true;
        return 0;
    }

    uint32_t number(unsigned bytes)
    {
        uint32_t value = 0;
        for (unsigned i = 0; i < bytes; ++i) value |= static_cast<uint32_t>(next()) << i * 8;
        return value;
    }

    unsigned operand_bytes() const { return is_16_bit_ ? 2 : 4; }

    void prefixes()
    {
        for (;;) {
            opcode_ = next();
            switch (opcode_) {
            case 0x26:
            case 0x2e:
            case 0x36:
            case 0x3e: segment_ = static_cast<int8_t>(opcode_ >> 3 & 3); break;
            case 0x64:
            case 0x65: segment_ = static_cast<int8_t>(opcode_ & 7); break;
            case 0x66: is_16_bit_ = true; break;
            case 0x67: has_16_bit_addresses_ = true; break;
            case 0xf0: is_locked_ = true; break;
            case 0xf2:
            case 0xf3: repeat_ = opcode_; break;
            default: return;
            }
        }
    }

    // The table's text for the instruction; "" if there is no such instruction.
    std::string_view opcode()
    {
        if (opcode_ == 0x0f) return long_opcode();
        if (opcode_ < 0x40 && (opcode_ & 7) < 6) {
            group_ = field(groups[0], opcode_ >> 3);
            return arithmetic_forms[opcode_ & 7];
        }
        if (opcode_ >= 0xd8 && opcode_ <= 0xdf) return coprocessor();
        if (opcode_ == 0x90 && repeat_ == 0xf3) {
            repeat_ = 0;
            return "pause";
        }
        if (opcode_ == 0x90 && is_16_bit_) return "xchg Zv,a";
        return find(one_byte, opcode_);
    }

    std::string_view long_opcode()
    {
        opcode_ = next();
        is_long_ = true;
        if (opcode_ == 0x1e && repeat_ == 0xf3 && at_ < bytes_.size() && bytes_[at_] >= 0xfa) {
            repeat_ = 0;
            return next() == 0xfb ? "endbr32" : "endbr64";
        }
        if (opcode_ == 0xbc && repeat_ == 0xf3) return std::exchange(repeat_, 0), "tzcnt Gv,Ev";
        if (opcode_ == 0xbd && repeat_ == 0xf3) return std::exchange(repeat_, 0), "lzcnt Gv,Ev";
        if (opcode_ == 0xb8) repeat_ = 0;
        std::string_view known = find(two_bytes, opcode_);
        return known.empty() ? multimedia() : known;
    }

    // MMX and SSE: what matters is where it ends.
    std::string_view multimedia()
    {
        bool has_byte = opcode_ == 0x0f || (opcode_ >= 0x70 && opcode_ <= 0x73) ||
                        opcode_ == 0xc2 || (opcode_ >= 0xc4 && opcode_ <= 0xc6);
        repeat_ = 0;
        if (opcode_ == 0x38 || opcode_ == 0x3a) {
            has_byte = opcode_ == 0x3a;
            next();
        } else if (opcode_ < 0x10 || (opcode_ >= 0x24 && opcode_ < 0x28) || opcode_ == 0x36 ||
                   (opcode_ >= 0x39 && opcode_ < 0x40) || opcode_ == 0xa6 || opcode_ == 0xa7) {
            if (opcode_ != 0x0f) return "";
        }
        return has_byte ? "sse E,Ib" : "sse E";
    }

    std::string_view coprocessor()
    {
        read_modrm();
        unsigned which = opcode_ & 7u, middle = modrm_ >> 3 & 7u;
        if (modrm_ < 0xc0) return field(float_memory[which], middle);
        auto code = static_cast<uint16_t>(opcode_ << 8 | modrm_);
        for (size_t i = 0; i < std::size(float_codes); ++i) {
            if (float_codes[i] == code) return float_others[i];
        }
        if (which == 1 && modrm_ >= 0xe0) return field(float_d9, modrm_ & 31u);
        return field(float_registers[which], middle);
    }

    void read_modrm()
    {
        if (has_modrm_) return;
        has_modrm_ = true;
        modrm_ = next();
        unsigned mode = modrm_ >> 6, rm = modrm_ & 7u;
        if (mode == 3) return;
        if (has_16_bit_addresses_) {
            displacement_bytes_ = mode == 2 || (mode == 0 && rm == 6) ? 2 : mode;
            has_base_ = mode != 0 || rm != 6;
        } else {
            has_sib_ = rm == 4;
            if (has_sib_) sib_ = next();
            base_ = has_sib_ ? sib_ & 7u : rm;
            has_base_ = mode != 0 || base_ != 5;
            displacement_bytes_ = mode == 1 ? 1 : mode == 2 || !has_base_ ? 4 : 0;
        }
        displacement_ = number(displacement_bytes_);
        if (displacement_bytes_ == 1) displacement_ = sign_extended(displacement_);
        if (displacement_bytes_ == 2 && has_base_)
            displacement_ = static_cast<uint32_t>(static_cast<int16_t>(displacement_));
    }

    // "mov Eb,Gb" with its operands. False: there is no such instruction.
    bool print(std::string_view form)
    {
        if (form[0] == '@') {
            read_modrm();
            group_ = field(groups[hexadecimal(form[1])], modrm_ >> 3 & 7u);
            if (group_.empty()) return false;
            form.remove_prefix(2);
            if (form.empty()) std::swap(form, group_);
        }
        if (size_t bar = form.find('|'); bar != form.npos)
            form = is_16_bit_ ? form.substr(bar + 1) : form.substr(0, bar);
        size_t space = form.find(' ');
        bool is_named = group_.empty();
        std::string_view name = is_named ? form.substr(0, space) : group_;
        print_prefixes(name);
        print_name(name);
        std::string_view operands = form;
        if (is_named) operands.remove_prefix(space == form.npos ? form.size() : space + 1);
        if (operands.find_first_of("EGMSCDRVW") != operands.npos) read_modrm();
        while (!operands.empty()) {
            size_t comma = std::min(operands.find(','), operands.size());
            if (text_.view().back() != ' ') text_.append(first_ ? ' ' : ',');
            first_ = false;
            if (!operand(operands.substr(0, comma))) return false;
            operands.remove_prefix(std::min(comma + 1, operands.size()));
        }
        return true;
    }

    void print_prefixes(std::string_view name)
    {
        if (is_locked_) text_.append("lock ");
        bool is_string = name.size() > 2 && !is_long_ &&
                         ((opcode_ >= 0xa4 && opcode_ <= 0xaf && (opcode_ & 0xfe) != 0xa8) ||
                          (opcode_ >= 0x6c && opcode_ <= 0x6f));
        bool compares = (opcode_ & 0xf6) == 0xa6;
        bool is_sse = is_long_ && name.find('*') != name.npos;
        if (repeat_ == 0xf3 && !is_sse) text_.append(is_string && !compares ? "rep " : "repz ");
        if (repeat_ == 0xf2 && !is_sse) {
            bool jumps = !is_string && (name == "ret" || name == "call" || name[0] == 'j');
            text_.append(jumps ? "bnd " : "repnz ");
        }
    }

    void print_name(std::string_view name)
    {
        for (char c : name) {
            if (c == '?')
                text_.append(field(conditions, opcode_ & 15u));
            else if (c == '^')
                text_.append(repeat_ ? "" : "u");
            else if (c == '*')
                text_.append(repeat_ == 0xf3   ? "ss"
                             : repeat_ == 0xf2 ? "sd"
                             : is_16_bit_      ? "pd"
                                               : "ps");
            else
                text_.append(c);
        }
    }

    bool operand(std::string_view what)
    {
        char size = what.size() > 1 ? what[1] : 0;
        switch (what[0]) {
        case 'E': return general(size);
        case 'M': return modrm_ < 0xc0 && memory(size);
        case 'G': print_register(modrm_ >> 3 & 7u, size); return true;
        case 'Z': print_register(opcode_ & 7u, size); return true;
        case 'R': print_register(modrm_ & 7u, 'd'); return true;
        case 'a':
            if (size) break;
            print_register(0, 'v');
            return true;
        case 'S': text_.append(field(segments, modrm_ >> 3 & 7u)); return (modrm_ >> 3 & 7) < 6;
        case 'C': text_.print("cr{}", modrm_ >> 3 & 7); return true;
        case 'D': text_.print("db{}", modrm_ >> 3 & 7); return true;
        case 'V': text_.print("xmm{}", modrm_ >> 3 & 7); return true;
        case 'W': return multimedia_operand();
        case 'T': text_.print("st({})", modrm_ & 7); return true;
        case 'I': immediate(size); return true;
        case 'J': jump(size); return true;
        case 'O': offset(); return true;
        case 'A': far_pointer(); return true;
        case 'X': string(size, segment_ < 0 ? 3 : segment_, size ? "[esi]" : "[ebx]"); return true;
        case 'Y': string(size, 0, "[edi]"); return true;
        }
        text_.append(what);
        return true;
    }

    bool general(char size)
    {
        if (modrm_ < 0xc0) return memory(size);
        print_register(modrm_ & 7u, size == 'm' ? 'v' : size);
        return true;
    }

    bool multimedia_operand()
    {
        if (modrm_ < 0xc0) return memory(repeat_ == 0xf3 ? 'd' : repeat_ == 0xf2 ? 'q' : 'x');
        text_.print("xmm{}", modrm_ & 7);
        return true;
    }

    void print_register(unsigned number, char size)
    {
        std::string_view name = field(size == 'b' ? byte_registers : registers, number);
        if (size == 'w' || (size == 'v' && is_16_bit_)) name.remove_prefix(1);
        text_.append(name);
    }

    void print_segment(int number)
    {
        text_.append(field(segments, static_cast<unsigned>(number))).append(':');
    }

    void string(char size, int segment, std::string_view place)
    {
        text_.append(size_text(size ? size : 'b', is_16_bit_));
        print_segment(segment);
        text_.append(place);
    }

    void immediate(char size)
    {
        if (size == 's') {
            auto value = sign_extended(next());
            text_.print("0x{x}", is_16_bit_ ? value & 0xffff : value);
            return;
        }
        text_.print("0x{x}", number(size == 'b' ? 1 : size == 'w' ? 2 : operand_bytes()));
    }

    void jump(char size)
    {
        uint32_t distance = size == 'b' ? sign_extended(next()) : number(operand_bytes());
        uint32_t target = address_ + static_cast<uint32_t>(at_) + distance;
        text_.print("0x{x}", is_16_bit_ ? target & 0xffff : target);
    }

    void offset()
    {
        print_segment(segment_ < 0 ? 3 : segment_);
        text_.print("0x{x}", number(has_16_bit_addresses_ ? 2 : 4));
    }

    void far_pointer()
    {
        uint32_t at = number(operand_bytes());
        text_.print("0x{x}:0x{x}", number(2), at);
    }

    bool memory(char size)
    {
        text_.append(size_text(size, is_16_bit_));
        bool has_index = has_sib_ && ((sib_ >> 3 & 7) != 4 || sib_ >> 6 || base_ != 4);
        if (segment_ >= 0 || (!has_base_ && !has_index))
            print_segment(segment_ >= 0 ? segment_ : 3);
        if (!has_base_ && !has_index) {
            text_.print("0x{x}", displacement_);
            return true;
        }
        text_.append('[');
        if (has_base_)
            text_.append(field(has_16_bit_addresses_ ? bases16 : registers,
                               has_16_bit_addresses_ ? modrm_ & 7u : base_));
        if (has_index) {
            unsigned index = sib_ >> 3 & 7u;
            text_.print("{}{}*{}", has_base_ ? "+" : "",
                        index == 4 ? "eiz" : field(registers, index), 1 << (sib_ >> 6));
        }
        if (displacement_bytes_) {
            bool negative = displacement_ >> 31;
            text_.print("{}0x{x}", negative ? '-' : '+',
                        negative ? 0 - displacement_ : displacement_);
        }
        text_.append(']');
        return true;
    }

    const uint32_t address_;
    const std::span<const uint8_t> bytes_;
    size_t at_ = 0;
    bool overrun_ = false, first_ = true;
    bool is_16_bit_ = false, has_16_bit_addresses_ = false, is_locked_ = false, is_long_ = false;
    int8_t segment_ = -1;
    uint8_t repeat_ = 0, opcode_ = 0, modrm_ = 0, sib_ = 0;
    bool has_modrm_ = false, has_sib_ = false, has_base_ = false;
    unsigned base_ = 0, displacement_bytes_ = 0;
    uint32_t displacement_ = 0;
    std::string_view group_;
    Text<96> text_;
};

}  // namespace

Instruction disassemble(uint32_t address, std::span<const uint8_t> bytes)
{
    return Decoder(address, bytes).decode();
}

}  // namespace debug
