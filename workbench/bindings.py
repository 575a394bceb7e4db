# SPDX-License-Identifier: BSD-2-Clause
"""`./vesper bindings`: makes sdk/vesper.* and docs/api.md from include/vesper.h.

Names are those of the header everywhere; Rust and Zig, which have namespaces, drop its prefix."""
import re
import textwrap
from pathlib import Path

from workbench import header, reference
from workbench.console import ROOT, Problem, say
from workbench.header import Api, Call, Define, Enum, Field, Struct, Type

MADE = "Made from include/vesper.h by `./vesper bindings`: change that, not this."
LAYOUT = ROOT / "tests/host/api_layout.c"
SIGNED = ("vesper_error", "vesper_key")  # enums that are compared with what calls return


def comment(text: str, prefix: str, code: str = "") -> str:
    """Code with a comment: behind it if both fit on a line, else above it. Either may be empty."""
    if not text:
        return f"{code}\n" if code else ""
    line = f"{code:<39} {prefix} {text}"
    if code and len(line) <= 100 and len(code) < 40:
        return line + "\n"
    indent = re.match(" *", code)[0]
    start = f"{indent}{prefix} "
    above = textwrap.fill(text, 100, initial_indent=start, subsequent_indent=start,
                          break_on_hyphens=False)
    return f"{above}\n{code}\n" if code else above + "\n"


def heading(section: header.Section, prefix: str) -> str:
    name = f"{section.name}: {section.title}" if section.title else section.name or "entry, errors"
    return f"\n{prefix} ---- {name} {'-' * (90 - len(name) - len(prefix))}\n" + \
        comment(section.text if section.name else "", prefix)


def constants(item: Define | Enum) -> list[tuple[str, int, str]]:
    """Name, value, comment. Text is a number too: its characters as they lie in memory."""
    if isinstance(item, Enum):
        return item.values
    if item.value.startswith('"'):
        characters = item.value.strip('"').encode()
        return [(item.name, int.from_bytes(characters, "little"), f"{item.value} in memory")]
    return [(item.name, int(item.value.rstrip("u"), 0), item.comment)]


def number(value: int) -> str:
    return str(value) if -256 < value < 256 else f"0x{value:x}"


def prototype(call: Call) -> str:
    return reference.prototype(call)


def calls(api: Api) -> list[tuple[str, str, int, Call]]:
    """Every call: its table ("" for the head's), its name, that table's offset in the head."""
    found = [("", call.name, 0, call) for call in api.head.calls]
    for member in api.head.members:
        if member.name in api.tables:
            found += [(member.name, call.name, member.offset, call)
                      for call in api.tables[member.name].calls]
    return found


# ---- assemblers ----

NASM_HEAD = """
; %include it; it makes no bytes. Offsets are vesper_stat.bytes, sizes vesper_stat_size.
;
;   vesper_call console.write, text, length      ; ebx: struct vesper *
;
; pushes the arguments, the last one first, calls, and removes them. The result is in eax. eax, ecx,
; edx change. An argument of 64 bits is two, the lower half first. An argument that is relative to
; esp is relative to it after those behind it have been pushed; use ebp.
"""
NASM_MACRO = """
%macro vesper_call 1-*
  %assign %%words %0 - 1
  %rep %%words
    %rotate -1
        push dword %1
  %endrep
  %rotate -1
  %if vesper_call.%1 >> 16
        mov eax, [ebx + (vesper_call.%1 >> 16)]
        call [eax + (vesper_call.%1 & 0xffff)]
  %else
        call [ebx + vesper_call.%1]
  %endif
  %if %%words
        add esp, %%words * 4
  %endif
%endmacro
"""
GAS_HEAD = """
# .include it. Offsets are vesper_stat.bytes, sizes vesper_stat_size.
#
#   vesper_call console.write, $text, %ecx       # %ebx: struct vesper *
#
# pushes the arguments, the last one first, calls, and removes them. The result is in eax. eax, ecx,
# edx change. An argument of 64 bits is two, the lower half first. No argument may have a comma in
# it; one that is relative to esp is so after those behind it have been pushed.
"""
GAS_MACRO = """
.macro vesper_push_ first, rest:vararg
  .ifnb \\rest
        vesper_push_ \\rest
  .endif
        pushl \\first
  .set vesper_pushed_, vesper_pushed_ + 4
.endm
.macro vesper_call call, arguments:vararg
  .set vesper_pushed_, 0
  .ifnb \\arguments
        vesper_push_ \\arguments
  .endif
  .if vesper_call.\\call >> 16
        movl (vesper_call.\\call >> 16)(%ebx), %eax
        call *(vesper_call.\\call & 0xffff)(%eax)
  .else
        call *vesper_call.\\call(%ebx)
  .endif
  .if vesper_pushed_
        addl $vesper_pushed_, %esp
  .endif
.endm
"""


def call_numbers(api: Api, form: str) -> str:
    """table.call as one number: the table's offset << 16 | the call's."""
    return "".join(form.format(f"vesper_call.{table}{'.' if table else ''}{name}",
                               f"0x{at << 16 | call.offset:x}") + "\n"
                   for table, name, at, call in calls(api))


def nasm(api: Api) -> str:
    text = f"; SPDX-License-Identifier: BSD-2-Clause\n; {MADE}{NASM_HEAD}"
    for section in api.sections:
        text += heading(section, ";")
        for item in section.items:
            if isinstance(item, Define | Enum):
                for name, value, why in constants(item):
                    text += comment(why, ";", f"{name:<30} equ {number(value)}")
            elif isinstance(item, Struct):
                text += nasm_struct(item)
    text += "\n; ---- calls: the table's offset << 16 | the call's; for vesper_call\n"
    return text + call_numbers(api, "{:<40} equ {}") + NASM_MACRO


def nasm_struct(struct: Struct) -> str:
    text, at = f"\nstruc {struct.name}\n", 0
    for member in struct.members:
        if member.offset > at:
            text += f"    resb {member.offset - at}\n"
        at = member.offset + member.bytes
        size = member.bytes // (getattr(member, "count", 0) or 1)
        directive = f"res{ {1: 'b', 2: 'w', 4: 'd', 8: 'q'}[size]} {member.bytes // size}"
        if isinstance(member, Call):
            text += comment(member.comment, ";")
            text += comment(prototype(member), ";", f".{member.name:<20} {directive}")
        else:
            text += comment(member.comment, ";", f".{member.name:<20} {directive}")
    return text + (f"    resb {struct.size - at}\n" if struct.size > at else "") + "endstruc\n"


def gas(api: Api) -> str:
    text = f"# SPDX-License-Identifier: BSD-2-Clause\n# {MADE}{GAS_HEAD}"
    for section in api.sections:
        text += heading(section, "#")
        for item in section.items:
            if isinstance(item, Define | Enum):
                for name, value, why in constants(item):
                    text += comment(why, "#", f".equ {name}, {number(value)}")
            elif isinstance(item, Struct):
                text += "\n"
                for member in item.members:
                    why = prototype(member) if isinstance(member, Call) else member.comment
                    text += comment(why, "#", f".equ {item.name}.{member.name}, {member.offset}")
                text += f".equ {item.name}_size, {item.size}\n"
    text += "\n# ---- calls: the table's offset << 16 | the call's; for vesper_call\n"
    return text + call_numbers(api, ".equ {}, {}") + GAS_MACRO


# ---- Forth ----

FORTH_HEAD = r"""
\ For any Forth with 32-bit cells that has CORE and CORE EXT. It supplies, before this is loaded:
\
\   vesper ( -- address )         the struct, as the payload was given it
\   vesper-ccall ( words n function result -- )
\                                 calls a C function with n words: words @ is the first argument;
\                                 stores eax at result, and edx a cell after it
\
\ A call is console.write, one of the head's vesper.emit. Its result is below 0 for an error.
\ Numbers of 64 bits are doubles, in memory the lower cell first: VESPER-D@. Text that calls take
\ ends with a NUL: >VESPER makes it, for one call. A field's word adds its offset: stat.bytes; the
\ size of a struct is /stat. Hooks are addresses of machine code; Forth words cannot be hooks.

decimal

create vesper-words 16 cells allot
create vesper-result 2 cells allot
create vesper-text 1024 allot

: vesper-function ( table-offset call-offset -- function )
    swap vesper + @ + @ ;
: vesper-call2 ( x1 ... xn n function -- low high )
    >r dup >r
    begin dup while 1- tuck cells vesper-words + ! repeat drop
    vesper-words r> r> vesper-result vesper-ccall
    vesper-result @ vesper-result cell+ @ ;
: vesper-call ( x1 ... xn n function -- result )
    vesper-call2 drop ;
: vesper-d@ ( address -- d )
    dup @ swap cell+ @ ;
: >vesper ( address length -- text )
    1023 min dup >r vesper-text swap move 0 vesper-text r> + c! vesper-text ;
: vesper-count ( text -- address length )
    dup begin dup c@ while 1+ repeat over - ;
"""


def forth(api: Api) -> str:
    text = f"\\ SPDX-License-Identifier: BSD-2-Clause\n\\ {MADE}{FORTH_HEAD}"
    tables = {member.type.name: (member.name, member.offset) for member in api.head.members
              if member.name in api.tables}
    for section in api.sections:
        text += heading(section, "\\")
        for item in section.items:
            if isinstance(item, Define | Enum):
                for name, value, why in constants(item):
                    text += comment(why, "\\", f"{value} constant {name}")
            elif isinstance(item, Struct) and item.name in tables:
                table, at = tables[item.name]
                text += "".join(forth_call(call, f"{table}.{call.name}",
                                           f"{at} {call.offset} vesper-function")
                                for call in item.calls)
            elif isinstance(item, Struct):
                text += forth_struct(item)
    return text


def forth_call(call: Call, name: str, function: str) -> str:
    words = [f"d:{parameter.name}" if parameter.type.words() == 2 else parameter.name
             for parameter in call.parameters]
    result = {"void": "", "uint64_t": " d"}.get(call.result.name if not call.result.pointers else
                                                "", " result")
    perform = {"": "vesper-call drop", " d": "vesper-call2"}.get(result, "vesper-call")
    effect = f"( {' '.join(words)} --{result} )".replace("(  ", "( ")
    return (comment(call.comment, "\\") +
            f": {name} {effect}\n    {call.words()} {function} {perform} ;\n")


def forth_struct(struct: Struct) -> str:
    name = struct.name.removeprefix("vesper_")
    text = "".join(comment(member.comment, "\\",
                           f": {name}.{member.name} ( address -- address ) {member.offset} + ;")
                   for member in struct.members if isinstance(member, Field))
    text += f"{struct.size} constant /{name}\n"
    return text + "".join(forth_call(call, f"{name}.{call.name}", f"vesper {call.offset} + @")
                          for call in struct.calls)


# ---- Rust ----

def pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.removeprefix("vesper_").split("_"))


def rust_type(kind: Type) -> str:
    base = {"char": "u8", "int": "i32", "void": "c_void"}.get(kind.name)
    base = base or (pascal(kind.name) if kind.name.startswith("vesper") else
                    kind.name.replace("uint", "u").replace("int", "i").removesuffix("_t"))
    for level in range(kind.pointers):
        base = f"*{'const' if kind.const and level == 0 else 'mut'} {base}"
    return base


def rust_name(name: str) -> str:
    return f"r#{name}" if name in ("type", "move", "loop", "in", "match", "ref") else name


def rust_function(call: Call, before: str) -> str:
    result = f" -> {rust_type(call.result)}" if str(call.result) != "void" else ""
    parameters = [f"{rust_name(p.name)}: {rust_type(p.type)}" for p in call.parameters]
    line = f"{before}unsafe extern \"C\" fn({', '.join(parameters)}){result}"
    if len(line) < 99:
        return line
    indent = re.match(" *", before)[0] + "    "
    lines = "".join(f"{indent}{parameter},\n" for parameter in parameters)
    return f"{before}unsafe extern \"C\" fn(\n{lines}{indent[4:]}){result}"


def rust_constant(item: Define | Enum) -> str:
    kind = "i32" if item.name in SIGNED else "u32"
    text = ""
    for name, value, why in constants(item):
        name = name.removeprefix("VESPER_")
        if name == "MAGIC":
            text += f"pub const MAGIC: [u8; 4] = *b{item.value};\n"
        else:
            text += comment(why, "///") + f"pub const {name}: {kind} = {number(value)};\n"
    return text


def rust(api: Api) -> str:
    text, after = reference.template("vesper.rs").split("// ---- declarations ----\n")
    text = text.replace("MADE", MADE)
    for section in api.sections:
        text += heading(section, "//")
        for item in section.items:
            if isinstance(item, Define | Enum):
                text += rust_constant(item)
            elif isinstance(item, Call):
                text += comment(item.comment, "///") + \
                    rust_function(item, f"pub type {pascal(item.name)} = ") + ";\n"
            else:
                text += rust_struct(item, api)
    return text + after


def rust_struct(struct: Struct, api: Api) -> str:
    plain = not struct.calls
    derive = "#[derive(Clone, Copy)]\n" if plain else ""
    text = f"\n#[repr(C)]\n{derive}pub struct {pascal(struct.name)} {{\n"
    for member in struct.members:
        name = rust_name(member.name)
        text += comment(member.comment, "    ///")
        if isinstance(member, Call):
            text += rust_function(member, f"    pub {name}: ") + ",\n"
            continue
        kind = rust_type(member.type)
        if struct is api.head and member.name in api.tables:
            kind = f"&'static {pascal(member.type.name)}"
        text += f"    pub {name}: {f'[{kind}; {member.count}]' if member.count else kind},\n"
    return text + "}\n" + ("" if not plain else f"impl Zeroed for {pascal(struct.name)} {{}}\n")


# ---- Zig ----

ZIG_WORDS = ("align", "error", "resume", "suspend", "test", "type", "struct")


def zig_name(name: str) -> str:
    return f'@"{name}"' if name in ZIG_WORDS else name


def zig_type(kind: Type, aligned: bool = False) -> str:
    if kind.name == "void" and kind.pointers:
        base, levels = f"?*{'const ' if kind.const else ''}anyopaque", kind.pointers - 1
    elif kind.name == "void":
        return "void"
    else:
        base, levels = rust_type(Type(kind.name)), kind.pointers
        if kind.name in ("vesper_hook", "vesper_frame_hook"):
            base = f"*const {base}"
        wide = kind.name in ("uint64_t", "int64_t")
        if levels:
            align = "align(4) " if wide else ""
            base = f"[*c]{align}{'const ' if kind.const else ''}{base}"
            levels -= 1
        elif wide and aligned:
            base += " align(4)"
    return "[*c]" * levels + base


def zig_function(call: Call, before: str) -> str:
    parameters = [f"{zig_name(p.name)}: {zig_type(p.type)}" for p in call.parameters]
    end = f") callconv(.C) {zig_type(call.result)}"
    line = f"{before}fn ({', '.join(parameters)}{end}"
    if len(line) < 99:
        return line
    indent = re.match(" *", before)[0] + "    "
    return (f"{before}fn (\n" + "".join(f"{indent}{parameter},\n" for parameter in parameters) +
            indent[4:] + end)


def zig(api: Api) -> str:
    text = reference.template("vesper.zig").replace("MADE", MADE)
    for section in api.sections:
        text += heading(section, "//")
        for item in section.items:
            if isinstance(item, Define) and item.value.startswith('"'):
                text += f"pub const {item.name.removeprefix('VESPER_')} = {item.value};\n"
            elif isinstance(item, Define | Enum):
                kind = "i32" if item.name in SIGNED else "u32"
                for name, value, why in constants(item):
                    text += comment(why, "///") + (f"pub const {name.removeprefix('VESPER_')}: "
                                                   f"{kind} = {number(value)};\n")
            elif isinstance(item, Call):
                text += comment(item.comment, "///") + \
                    zig_function(item, f"pub const {pascal(item.name)} = ") + ";\n"
            else:
                text += zig_struct(item, api)
    return text


def zig_struct(struct: Struct, api: Api) -> str:
    text = f"\npub const {pascal(struct.name)} = extern struct {{\n"
    for member in struct.members:
        text += comment(member.comment, "    ///")
        if isinstance(member, Call):
            text += zig_function(member, f"    {zig_name(member.name)}: *const ") + ",\n"
            continue
        kind = zig_type(member.type, aligned=True)
        if struct is api.head and member.name in api.tables:
            kind = f"*const {pascal(member.type.name)}"
        if member.count:
            kind = f"[{member.count}]{kind}"
        text += f"    {zig_name(member.name)}: {kind},\n"
    return text + "};\n"


# ---- Python ----

def ctypes_map(api: Api) -> str:
    text = f'''# SPDX-License-Identifier: BSD-2-Clause
# {MADE}
"""The structs and constants of include/vesper.h as they lie in the memory of a PC.

For programs that look at it from outside. Pointers are numbers; _pack_ is the i386's alignment."""
from ctypes import (Structure, c_char, c_int16, c_int32, c_int64, c_uint8, c_uint16, c_uint32,
                    c_uint64)
'''
    kinds = {"char": "c_char", "int": "c_int32"}
    for section in api.sections:
        text += heading(section, "#")
        for item in section.items:
            if isinstance(item, Define) and item.value.startswith('"'):
                text += f"{item.name} = b{item.value}\n"
            elif isinstance(item, Define | Enum):
                for name, value, why in constants(item):
                    text += comment(why, "#", f"{name} = {number(value)}")
            elif isinstance(item, Struct):
                text += f"\n\nclass {item.name}(Structure):\n    _pack_ = 4\n    _fields_ = [\n"
                for member in item.members:
                    kind = "c_uint32"
                    if isinstance(member, Field) and not member.type.pointers:
                        name = member.type.name
                        kind = kinds.get(name) or "c_" + name.removesuffix("_t")
                    count = getattr(member, "count", 0)
                    text += f'        ("{member.name}", {kind}{f" * {count}" if count else ""}),\n'
                text += "    ]\n\n"
    return re.sub(r"\n{4,}", "\n\n\n", text).rstrip() + "\n"


# ---- the layout that no later version may change ----

LAYOUT_HEAD = """\
/* SPDX-License-Identifier: BSD-2-Clause
 * The binary interface of include/vesper.h: offsets, sizes and numbers that no later version may
 * change. The host build compiles this for the i386 as every C and C++ that a payload may be
 * written in. `./vesper bindings` adds lines for what is new; it changes and removes none. */
#include <stddef.h>
#include "vesper.h"

#define NAME2(line) check_##line
#define NAME(line) NAME2(line)
#define IS(value, expected) typedef char NAME(__LINE__)[(value) == (expected) ? 1 : -1]
#define AT(type, member, offset) IS(offsetof(struct type, member), offset)

typedef char text_of_magic[sizeof VESPER_MAGIC == 5 ? 1 : -1];
IS(VESPER_VERSION >> 16, 1);
"""


def layout(api: Api, old: str) -> str:
    """The file with lines added. A line that is there stays as it is: it must hold for ever."""
    lines = re.findall(r"^(AT\((\w+, \w+), \w+\);|IS\(([^;]+), -?\w+\);)$", old, re.M)
    there = {key or value: line for line, key, value in lines}
    text = LAYOUT_HEAD

    def add(key: str, line: str) -> None:
        nonlocal text
        text += there.pop(key, line) + "\n"

    there.pop("VESPER_VERSION >> 16", None)
    for section in api.sections:
        for item in section.items:
            if isinstance(item, Define | Enum):
                text += "\n"
                for name, value, _ in constants(item):
                    unsigned = "u" if value > 0x7fffffff else ""
                    if name not in ("VESPER_VERSION", "VESPER_MAGIC"):
                        add(name, f"IS({name}, {number(value)}{unsigned});")
            elif isinstance(item, Struct):
                text += "\n"
                for member in item.members:
                    add(f"{item.name}, {member.name}",
                        f"AT({item.name}, {member.name}, {member.offset});")
                if not item.calls:  # a table grows
                    add(f"sizeof(struct {item.name})",
                        f"IS(sizeof(struct {item.name}), {item.size});")
    return re.sub(r"\n{3,}", "\n\n", text + "".join(line + "\n" for line in there.values()))


# ---- all of them ----

def made() -> dict[Path, str]:
    api = header.read()
    return {
        ROOT / "sdk/vesper.inc": nasm(api), ROOT / "sdk/vesper_gas.inc": gas(api),
        ROOT / "sdk/vesper.fs": forth(api), ROOT / "sdk/vesper.rs": rust(api),
        ROOT / "sdk/vesper.zig": zig(api), ROOT / "sdk/vesper_ctypes.py": ctypes_map(api),
        ROOT / "docs/api.md": reference.page(api), LAYOUT: layout(api, LAYOUT.read_text()),
    }


def stale() -> list[Path]:
    return [path for path, text in made().items() if not path.exists() or path.read_text() != text]


def write(check: bool) -> int:
    old = stale()
    if check and old:
        raise Problem("not as include/vesper.h has it: " +
                      ", ".join(str(path.relative_to(ROOT)) for path in old),
                      "`./vesper bindings` makes them anew.")
    for path, text in made().items():
        if path in old:
            path.write_text(text)
            say(f"{path.relative_to(ROOT)} made anew")
    return 0
