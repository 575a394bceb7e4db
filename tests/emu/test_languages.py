# SPDX-License-Identifier: BSD-2-Clause
"""What is made from include/vesper.h says the same in every language, and works on a PC."""
import ctypes
import importlib.util
import re
import struct
import subprocess

import pytest
from machine import PROMPT
from workbench import bindings, header, languages, payload
from workbench.console import ROOT

SDK = ROOT / "sdk"
API = header.read()
MEMBERS = [(record.name, member.name) for record in API.structs.values()
           for member in record.members]
CONSTANTS = [name for section in API.sections for item in section.items
             if isinstance(item, header.Define | header.Enum)
             for name, _, _ in bindings.constants(item) if name != "VESPER_MAGIC"]

# The first test makes or fetches what the other, which would only wait for that, takes.
needs_rust, needs_zig = pytest.mark.xdist_group("rust"), pytest.mark.xdist_group("zig")


def run(*command) -> None:
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def words_in(part, folder, section=".layout") -> list[int]:
    run("objcopy", "-O", "binary", "-j", section, part, folder / "layout.bin")
    return list(struct.unpack("<%dI" % len(expected_names()), (folder / "layout.bin").read_bytes()))


def expected_names() -> list[str]:
    """Of all the words below, in order: offsets, sizes, constants."""
    return [".".join(member) for member in MEMBERS] + list(API.structs) + CONSTANTS


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> list[int]:
    """The words as the C compiler has them for the i386."""
    folder = tmp_path_factory.mktemp("c")
    return c_words("gcc", folder)


def c_words(compiler, folder) -> list[int]:
    values = [f"offsetof(struct {record}, {member})" for record, member in MEMBERS]
    values += [f"sizeof(struct {record})" for record in API.structs]
    values += [f"(uint32_t){name}" for name in CONSTANTS]
    (folder / "layout.c").write_text(
        '#include <stddef.h>\n#include "vesper.h"\n__attribute__((section(".layout")))\n'
        "const uint32_t layout[] = {%s};\n" % ", ".join(values))
    run(compiler, "-m32", "-ffreestanding", f"-I{ROOT / 'include'}", "-c", folder / "layout.c",
        "-o", folder / "layout.o")
    return words_in(folder / "layout.o", folder)


def compare(found: list[int], expected: list[int]) -> None:
    assert len(found) == len(expected) > 400
    wrong = [(name, one, other) for name, one, other in zip(expected_names(), found, expected)
             if one != other]
    assert not wrong


def test_the_model_is_the_compilers(expected):
    found = [member.offset for record in API.structs.values() for member in record.members]
    found += [record.size for record in API.structs.values()]
    values = {name: value for section in API.sections for item in section.items
              if isinstance(item, header.Define | header.Enum)
              for name, value, _ in bindings.constants(item)}
    compare(found + [values[name] & 0xffffffff for name in CONSTANTS], expected)


def test_clang_has_the_same_layout(expected, tmp_path):
    compare(c_words("clang", tmp_path), expected)


def test_nasm(expected, tmp_path):
    (tmp_path / "layout.asm").write_text('%include "vesper.inc"\n' + "".join(
        f"dd {value}\n" for value in assembler_values()))
    run("nasm", "-w+all", "-w+error", "-f", "bin", "-I", f"{SDK}/", tmp_path / "layout.asm",
        "-o", tmp_path / "layout.bin")
    data = (tmp_path / "layout.bin").read_bytes()
    compare(list(struct.unpack(f"<{len(data) // 4}I", data)), expected)


def test_gnu_as(expected, tmp_path):
    values = "".join(f".long {value}\n" for value in assembler_values())
    (tmp_path / "layout.S").write_text(
        f'.include "vesper_gas.inc"\n.section .layout, "a"\n{values}')
    run("as", "--32", "-I", SDK, tmp_path / "layout.S", "-o", tmp_path / "layout.o")
    compare(words_in(tmp_path / "layout.o", tmp_path), expected)


def assembler_values() -> list[str]:
    return [f"{record}.{member}" for record, member in MEMBERS] + \
        [f"{record}_size" for record in API.structs] + CONSTANTS


def test_ctypes(expected):
    spec = importlib.util.spec_from_file_location("vesper_ctypes", SDK / "vesper_ctypes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = [getattr(getattr(module, record), member).offset for record, member in MEMBERS]
    found += [ctypes.sizeof(getattr(module, record)) for record in API.structs]
    compare(found + [getattr(module, name) & 0xffffffff for name in CONSTANTS], expected)


RUST = """#![no_std]
macro_rules! at {
    ($record:ty, $member:ident) => {{
        let space = core::mem::MaybeUninit::<$record>::uninit();
        let start = space.as_ptr();
        let member = unsafe { core::ptr::addr_of!((*start).$member) };
        unsafe { (member as *const u8).offset_from(start as *const u8) as u32 }
    }};
}
#[no_mangle]
#[link_section = ".layout"]
pub static LAYOUT: [u32; %d] = [%s];
"""


@needs_rust
def test_rust(expected, tmp_path):
    values = [f"at!(vesper::{bindings.pascal(record)}, {bindings.rust_name(member)})"
              for record, member in MEMBERS]
    values += [f"core::mem::size_of::<vesper::{bindings.pascal(record)}>() as u32"
               for record in API.structs]
    values += [f"vesper::{name.removeprefix('VESPER_')} as u32" for name in CONSTANTS]
    source = tmp_path / "layout.rs"
    source.write_text("#![feature(const_ptr_offset_from)]\n" +
                      RUST % (len(values), ", ".join(values)))
    languages.rust(source, tmp_path / "layout.o")
    compare(words_in(tmp_path / "layout.o", tmp_path), expected)


@needs_zig
def test_zig(expected, tmp_path):
    values = [f'@offsetOf(v.{bindings.pascal(record)}, "{member}")'
              for record, member in MEMBERS]
    values += [f"@sizeOf(v.{bindings.pascal(record)})" for record in API.structs]
    values += [f"v.{name.removeprefix('VESPER_')}" for name in CONSTANTS]
    source = tmp_path / "layout.zig"
    source.write_text('const v = @import("vesper");\n'
                      'export const layout linksection(".layout") = [_]u32{' + ", ".join(
                          f"@as(u32, @truncate(@as(u64, @bitCast(@as(i64, {value})))))"
                          for value in values) + "};\n")
    languages.zig(source, tmp_path / "layout.o")
    compare(words_in(tmp_path / "layout.o", tmp_path), expected)


def test_forth(expected):
    """As text: every constant, field, size and call is there, with the compiler's numbers."""
    text = (SDK / "vesper.fs").read_text()
    is_so = dict(zip(expected_names(), expected))
    constants = dict((name, int(value)) for value, name in
                     re.findall(r"^(-?\d+) constant (\S+)", text, re.M))
    fields = dict(re.findall(r"^: (\S+) \( address -- address \) (\d+) \+ ;", text, re.M))
    calls = {name: numbers for name, *numbers in re.findall(
        r"^: (\S+) \([^)]*\)\n    (\d+) (vesper|\d+) (\d+) (?:\+ @|vesper-function) ", text, re.M)}
    assert all(constants[name] & 0xffffffff == is_so[name] for name in CONSTANTS)
    for record in API.structs.values():
        table = next((name for name, of in API.tables.items() if of is record), None)
        name = table or record.name.removeprefix("vesper_")
        assert table or constants[f"/{name}"] == is_so[record.name]
        for member in record.members:
            offset = str(is_so[f"{record.name}.{member.name}"])
            if isinstance(member, header.Call):
                at = str(is_so[f"vesper.{table}"]) if table else "vesper"
                assert calls[f"{name}.{member.name}"] == [str(member.words()), at, offset]
            elif not table:
                assert fields[f"{name}.{member.name}"] == offset


def test_what_is_made_is_not_stale():
    assert bindings.stale() == []


@pytest.mark.parametrize("language", (
    "asm", "cpp", pytest.param("rs", marks=needs_rust), pytest.param("zig", marks=needs_zig),
    "fth"))
def test_echo_in_every_language(boot, language):
    machine = boot(ROOT / f"samples/echo.{language}")
    machine.see(r"\nX")
    machine.type("k")
    machine.see("k")
    machine.see(f"the payload returned {ord('k')} ")
    machine.see(PROMPT)


def test_echo_in_gnu_as(boot, tmp_path):
    source = tmp_path / "echo.S"
    source.write_text("""        .include "vesper_gas.inc"
        .globl main
main:   push %ebx
        mov 8(%esp), %ebx
        vesper_call emit, $'X'
        vesper_call key
        push %eax
        vesper_call console.write, %esp, $1
        pop %eax
        pop %ebx
        ret
""")
    run("as", "--32", "-I", SDK, source, "-o", tmp_path / "echo.o")
    payload.link([tmp_path / "echo.o"], tmp_path / "echo.elf", tmp_path / "echo.bin")
    machine = boot((tmp_path / "echo.bin").read_bytes())
    machine.see(r"\nX")
    machine.type("k")
    machine.see("k")
    machine.see(f"the payload returned {ord('k')} ")


def test_the_cpp_header(boot):
    machine = boot(ROOT / "tests/emu/payloads/cpp.cpp", files={"hello.txt": b"Hello, world\n"})
    machine.see(r"(\d+) passed, (\d+) failed")
    assert "FAIL" not in machine.text()
    machine.see("the payload returned 0 ")


@pytest.mark.parametrize("compiler", ("g++", "clang++"))
def test_the_cpp_header_compiles_without_warnings(compiler):
    run(compiler, "-m32", "-march=i486", "-std=c++20", "-Os", "-Wall", "-Wextra", "-Werror",
        "-ffreestanding", "-fno-exceptions", "-fno-rtti", f"-I{ROOT / 'include'}", f"-I{SDK}",
        "-c", "-o", "/dev/null", ROOT / "tests/emu/payloads/cpp.cpp")


def test_the_words_of_forth(boot):
    machine = boot(ROOT / "tests/emu/payloads/words.fth", files={"hello.txt": b"Hello, world\n"})
    machine.see("the payload returned 0 ")
    assert machine.text().count("PASS ") == 13 and "FAIL" not in machine.text()
