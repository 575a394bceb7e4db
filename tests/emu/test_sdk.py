# SPDX-License-Identifier: BSD-2-Clause
"""The SDK: vesper-cc and vesper-c++, the C library, and other people's programs on it."""
import math
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from workbench import newlib, payload, ports, sources
from workbench.console import BUILD, ROOT, Problem

SAMPLES, PAYLOADS = ROOT / "samples", Path(__file__).parent / "payloads"
CC, CXX = ROOT / "sdk/bin/vesper-cc", ROOT / "sdk/bin/vesper-c++"
DATE = ("-rtc", "base=2031-05-17T22:00:00")
KEYS = {" ": "spc", "\n": "ret", "(": "shift-9", ")": "shift-0", "*": "shift-8", "=": "equal",
        ".": "dot", "+": "shift-equal", ":": "shift-semicolon", ";": "semicolon", "-": "minus"}


@pytest.fixture(scope="session", autouse=True)
def made_before_the_clock_runs():
    """The library and the ports are built once; that may take longer than a test may."""
    newlib.glue()
    for name in ports.names():
        ports.make(name)


def strike(machine, text: str) -> None:
    machine.keys(*(KEYS.get(c, c) for c in text))


def returns(machine, code: int) -> None:
    machine.see(rf"kexec: the payload returned {code} ")


def compiled(*words, cwd) -> subprocess.CompletedProcess:
    return subprocess.run([str(word) for word in words], cwd=cwd, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)


# ---- the compilers ----

TWICE = 'int twice(int n);\nint twice(int n) { return 2 * n; }\n'
MAIN = ('#include <math.h>\n#include <stdio.h>\nint twice(int n);\n'
        'int main(void) { printf("%d %.3f\\n", twice(21), sqrt(2)); return twice(4); }\n')


def test_sources_and_objects_become_a_payload(boot, tmp_path):
    (tmp_path / "twice.c").write_text(TWICE)
    (tmp_path / "main.c").write_text(MAIN)
    assert compiled(CC, "-O1", "-Wall", "-c", "twice.c", cwd=tmp_path).returncode == 0
    made = compiled(CC, "-Wall", "-o", "out", "main.c", "twice.o", "-lm", cwd=tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    symbols = (tmp_path / "out.sym").read_text().split("\n")
    assert symbols[:-1] == sorted(symbols[:-1], key=lambda line: int(line.split()[0], 16))
    assert any(line.endswith(" T main") for line in symbols)
    assert symbols[0].split()[0] == "c0430000"
    lines = compiled("gdb", "-batch", "-ex", "info line twice", "out.elf", cwd=tmp_path) \
        if shutil.which("gdb") else compiled("readelf", "--debug-dump=decodedline", "out.elf",
                                             cwd=tmp_path)
    assert "twice.c" in lines.stdout
    machine = boot(tmp_path / "out")
    machine.see(r"42 1\.414")
    returns(machine, 8)


def test_several_sources_at_once_and_an_elf_file(tmp_path):
    (tmp_path / "twice.c").write_text(TWICE)
    (tmp_path / "main.c").write_text(MAIN)
    made = compiled(CC, "--elf", "-oprogram", "main.c", "twice.c", cwd=tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    assert (tmp_path / "program").read_bytes()[:4] == b"\x7fELF"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["main.c", "program", "program.sym",
                                                                "twice.c"]


def test_bare_programs_have_no_library(boot, tmp_path):
    made = compiled(CC, "--bare", "-o", "list", SAMPLES / "list.c", cwd=tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    assert (tmp_path / "list").stat().st_size < 8192
    assert " printf" not in (tmp_path / "list.sym").read_text()
    machine = boot(tmp_path / "list")
    machine.see("2 files, ")  # and the symbols
    returns(machine, 0)


@pytest.mark.parametrize("words, source, message", [
    ((), "int main(struct vesper* v) { return !v; }", "first argument of .main. should be"),
    ((), "int main(void) { return missing(); }", "undefined reference to `missing'"),
    (("--bare",), '#include "vesper.h"\nint main(struct vesper* v) { return printf(v->args); }',
     "undefined reference to `printf'"),
    ((), "_Thread_local int x; int main(void) { return x; }", "thread-local variables"),
])
def test_mistakes_are_reported(tmp_path, words, source, message):
    (tmp_path / "wrong.c").write_text("struct vesper;\n" + source)
    made = compiled(CC, *words, "wrong.c", "-o", "out", cwd=tmp_path)
    assert made.returncode != 0
    assert re.search(message, made.stderr), made.stderr
    assert not (tmp_path / "out").exists()


def test_it_is_gcc_where_nothing_is_made(tmp_path):
    assert "gcc" in compiled(CC, "--version", cwd=tmp_path).stdout
    assert "vesper-cc" in compiled(CC, "--help", cwd=tmp_path).stdout
    assert compiled(CC, cwd=tmp_path).returncode == 2
    (tmp_path / "x.c").write_text("#include <stdio.h>\n__vesper__ __linux__")
    text = compiled(CC, "-E", "x.c", cwd=tmp_path).stdout
    assert text.rstrip().endswith("1 __linux__") and "/usr/include/stdio.h" not in text


def test_nothing_is_made_outside_of_build(tmp_path):
    def tree():
        return sorted(path for folder in ("sdk", "workbench", "include")
                      for path in (ROOT / folder).rglob("*") if "__pycache__" not in str(path))

    before = tree()
    (tmp_path / "x.c").write_text("int main(void) { return 0; }")
    assert compiled(CC, "x.c", cwd=tmp_path).returncode == 0 and tree() == before
    assert (tmp_path / "a.out").exists()


def test_a_source_decides_by_its_main(boot, tmp_path):
    (tmp_path / "hosted.c").write_text("#include <stdlib.h>\nint main() { exit(abs(-9)); }")
    returns(boot(tmp_path / "hosted.c"), 9)


# ---- the C library ----

def test_the_library(boot):
    words = (r"""NAME='a value' EMPTY= one "two words" it\'s a\"b back\ slash """
             "X='not the environment'")
    machine = boot(PAYLOADS / "libc/library.c", "--append", f"args={words}", qemu_options=DATE)
    machine.see("a constructor, then main\r?\n")
    machine.see("0 failed: at exit, then a destructor")
    returns(machine, 77)


def test_little_memory_and_an_old_cpu(boot):
    machine = boot(SAMPLES / "hello.c", "--memory", "8", "--machine", "isapc", "--cpu", "486")
    machine.see("The square root of 2 is 1.414213562373095")
    machine.type("\x04")
    returns(machine, 0)


def test_files_and_directories(boot):
    numbers = "".join(f"{n}\n" for n in range(1, 1001)).encode()
    machine = boot(PAYLOADS / "libc/files.c", files={"folder/numbers": numbers})
    machine.see(r"\n0 failed")
    returns(machine, 77)


def results(text: str) -> dict[str, str]:
    return dict(line.rsplit(" = ", 1) for line in text.split("\n") if " = " in line)


def test_mathematics_are_those_of_the_host(boot, tmp_path):
    source = PAYLOADS / "libc/mathematics.c"
    host = compiled("gcc", "-fno-builtin", source, "-o", "host", "-lm", cwd=tmp_path)
    assert host.returncode == 0
    expected = results(compiled(tmp_path / "host", cwd=tmp_path).stdout)
    machine = boot(source)
    returns(machine, 77)
    found = results(machine.text())
    for name, value in expected.items():
        host, ours = float.fromhex(value), float.fromhex(found[name])
        exact = name.startswith(("text", "parts", "sqrt", "floor", "fmod"))
        good = (math.isnan(host) and math.isnan(ours)) or host == ours or (
            not exact and abs(host - ours) <= 2 * math.ulp(host))
        assert good, f"{name}: {found[name]}, on the host {value}"
    assert len(expected) > 600


def test_lines_are_edited(boot):
    machine = boot(SAMPLES / "hello.c", "--append", "args=NAME=you 'two words'")
    machine.see("Hello, you. It is ")
    machine.see("Argument 1: two words")
    machine.see("> ")
    machine.keys("a", "b", "backspace", "c", "ret")
    machine.see(r"1: ac\r?\n> ")
    machine.type("x y z\x17w\n")  # Control-W
    machine.see(r"2: x y w\r?\n> ")
    machine.keys("q", "ctrl-u", "up", "up", "d", "ret")
    machine.see(r"3: acd\r?\n> ")
    machine.keys("up", "up", "up", "down", "down", "down", "e", "ret")
    machine.see(r"4: e\r?\n> ")
    machine.type("f\x04")
    machine.keys("ctrl-d")
    returns(machine, 5)


@pytest.mark.parametrize("what, end", [
    ("exit", "the payload returned -5 "), ("abort", "the payload returned 134 "),
    ("fault", "a write of address 0x00000000: read-only")])
def test_signals(boot, what, end):
    machine = boot(PAYLOADS / "libc/signals.c", "--append", f"args={what}")
    machine.see("prompt")
    machine.keys("ctrl-c")
    machine.see("counting")
    machine.keys("ctrl-c")
    machine.see(r"\n0 failed")
    machine.see(end)


def test_control_c_ends_a_program_that_does_not_care(boot, tmp_path):
    (tmp_path / "loop.c").write_text("#include <stdio.h>\n"
                                     "int main() { puts(\"looping\"); for (;;); }")
    machine = boot(tmp_path / "loop.c")
    machine.see("looping")
    machine.keys("ctrl-c")
    returns(machine, 130)


# ---- C++ ----

def test_a_program_in_cxx(boot):
    machine = boot(SAMPLES / "keys.cpp")
    machine.see("\nX\r?\n")
    machine.keys("a", "shift-b", "ctrl-g", "f1", "esc")
    machine.see(r"a B Control-G 0x111 were typed\.")
    returns(machine, 0)


def test_templates_of_the_standard_library(boot, tmp_path):
    (tmp_path / "templates.cpp").write_text(r"""
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>
struct Loud { const char* name; ~Loud() { std::printf("-%s ", name); } };
static Loud global{"global"};
struct Shape { virtual ~Shape() = default; virtual double area() const = 0; };
struct Circle : Shape { double r; explicit Circle(double r) : r(r) {}
    double area() const override { return std::acos(-1.0) * r * r; } };
static int counted() { static Loud local{"local"}; static int n; return ++n; }
int main()
{
    std::vector<std::string> words{"pear", "a long word that is on the heap", "apple"};
    std::sort(words.begin(), words.end());
    std::unique_ptr<Shape> shape = std::make_unique<Circle>(2);
    std::function<int(int)> f = [&](int n) { return n + int(words.size()); };
    std::variant<int, std::string> v = std::string("variant");
    std::optional<int> none;
    std::array<int, 4> numbers{4, 3, 2, 1};
    std::span<int> part(numbers.data() + 1, 2);
    auto shared = std::make_shared<Loud>("shared");
    std::printf("%s %.3f %d %s %d %d %d\n", words[2].c_str(), shape->area(), f(4),
                std::get<1>(v).c_str(), none.value_or(8),
                std::accumulate(part.begin(), part.end(), 0), counted() + counted());
    std::printf("%d\n", int(std::string_view("find me").find("me")));
    return std::vector<int>{1, 2}.at(words.size());
}
""")
    machine = boot(tmp_path / "templates.cpp")
    machine.see(r"pear 12\.566 7 variant 8 5 3")
    machine.see(r"\n5\r?\n")
    machine.see("vector::_M_range_check")  # at() beyond the end; it ends the program
    returns(machine, 134)


def test_a_cxx_payload_by_its_compiler(boot, tmp_path):
    made = compiled(CXX, "-Wall", "-o", "echo", SAMPLES / "keys.cpp", cwd=tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    machine = boot(tmp_path / "echo")
    machine.see("\nX\r?\n")
    machine.type("z\x1b")
    machine.see("z were typed")


# ---- ports ----

def test_there_are_ports_and_no_others():
    assert ports.names() == ["lua", "pforth"]
    with pytest.raises(Problem, match="(?s)there is no port:basic.*lua, pforth"):
        payload.find("port:basic")


def test_lua_talks(boot):
    machine = boot("port:lua")
    machine.see("Lua 5.4.*\r?\n> ")
    strike(machine, "x = 6*7\n")
    machine.see(r"x = 6\*7\r?\n> ")
    strike(machine, "x\n")
    machine.see(r"\n42\r?\n> ")
    machine.keys("up", "up", "backspace", "8", "ret")
    machine.see(r"x = 6\*7\x08 \x088\r?\n> ")
    strike(machine, "for i=1.x do s = i\n")
    machine.see("stdin:1: '=' or 'in' expected|stdin:1: malformed|',' expected")
    machine.type("for i = 1, 3 do\n")
    machine.see(r"\n>> ")
    machine.type("io.write(i, ' ') end\n")
    machine.see(r"\n1 2 3 > ")
    machine.type("os.exit(x)\n")
    returns(machine, 48)


def test_lua_s_libraries(boot):
    machine = boot("port:lua", "--root", str(PAYLOADS / "lua"), "--append",
                   'args=NAME=value /libraries.lua a b "c d"', qemu_options=DATE)
    machine.see("all libraries work")
    returns(machine, 77)


def test_lua_reports_an_error(boot):
    machine = boot("port:lua", "--append", "args=/bad.lua", files={"bad.lua": b"error('no')\n"})
    machine.see(r"lua: /bad\.lua:1: no\r?\nstack traceback:")
    returns(machine, 1)


def forth(names: str) -> dict[str, bytes]:
    folder = sources.FOLDER / "pforth/source/fth"
    return {path.name: path.read_bytes() for path in sorted(folder.glob(names))}


def test_pforth_talks(boot):
    machine = boot("port:pforth", files={"square.fth": b": square dup * ;\n"})
    machine.see(r"PForth V2.*\r?\n")
    strike(machine, "include square.fth\n")
    machine.see("include added")
    strike(machine, "12 square .\n")
    machine.see(r"144\s+ok")
    strike(machine, "1.5e 2e f+ f.\n")
    machine.see(r"3\.5\d*\s+ok")
    machine.type("key? . key .\n")
    machine.see(r"key \. +0 ")
    machine.keys("k")
    machine.see(r"107\s+ok")
    machine.type("none\n")
    machine.see("unrecognized word")
    machine.type("bye\n")
    returns(machine, 0)


def test_pforth_passes_its_tests(boot):
    machine = boot("port:pforth", files=forth("t_*.fth"))
    machine.see("PForth V2")
    for name, passed in (("corex", 124), ("strings", 58), ("locals", 9), ("alloc", 1),
                         ("floats", 60)):
        machine.type(f"include t_{name}.fth\n")
        machine.see(rf" {passed} passed, +0 failed\.")
        machine.see("include added")
    machine.type("include t_nolf.fth\n")
    machine.see("First Line of Two\r?\nSecond Line of Two")
    machine.see("include added")
    machine.type("bye\n")
    returns(machine, 0)


def test_pforth_passes_its_tests_of_files(boot):
    own = {"files.fth": (PAYLOADS / "pforth/files.fth").read_bytes()}
    machine = boot("port:pforth", "--append", "args=PWD=ram:/ -q /files.fth",
                   files=forth("t_*.fth") | own)
    machine.see(r" 94 passed, +0 failed\.")
    returns(machine, 0)
