# SPDX-License-Identifier: BSD-2-Clause
"""Makes the raw binary that becomes /kexec from a payload's source, and beside it, where there are
labels or functions, NAME.bin.sym, which becomes /kexec.sym."""
import re
import shutil
from pathlib import Path

from workbench import compiler, languages, newlib, packages, ports, symbols
from workbench.console import BUILD, ROOT, Problem, Step, say, shown, tool

LIMIT = 512 << 20  # RAM from KEXECADDR on is mapped once, for 512 MiB
# A main that is given the struct does without the C library.
BARE = re.compile(rb"\bmain\s*\(\s*(?:const\s+)?(?:struct\s+)?vesper\s*(?:const\s*)?\*")


def demonstration() -> Path:
    return ROOT / "samples/demo.c"


def find(name: str | None) -> Path:
    """What a PAYLOAD of the command line is: a file, port:NAME, or, without one, the demonstration.
    """
    if name and name.startswith(ports.PREFIX):
        return ports.make(name.removeprefix(ports.PREFIX))
    source = Path(name) if name else demonstration()
    if not source.is_file():
        raise Problem(f"there is no payload {shown(source)}",
                      "Give a raw binary, a source file (.asm .c .cpp .rs .zig .fth), or one of: "
                      + ", ".join(ports.PREFIX + port for port in ports.names()) + ".")
    return source


def needs(source: Path) -> tuple[str, ...]:
    tools = {".asm": ("nasm",), ".c": ("g++-multilib",), ".cpp": ("g++-multilib",),
             ".fth": ("g++-multilib",),
             ".rs": ("rustc", "rust-src", "g++-multilib"), ".zig": ("npm", "g++-multilib")}
    return tools.get(source.suffix, ())


def make(source: Path, folder: Path = BUILD / "payload", *flags: str) -> Path:
    """The raw binary made from source, or source itself if it is no source.

    flags: for the C compiler, besides those of every payload."""
    packages.ensure(*needs(source))
    folder.mkdir(parents=True, exist_ok=True)
    binary = folder / (source.stem + ".bin")
    if source.suffix == ".asm":
        with Step(f"Assembling {shown(source)}"):
            assemble(source, folder, binary)
    elif source.suffix in COMPILERS:
        prepare(source)
        with Step(f"Compiling {shown(source)}"):
            compile_source = COMPILERS[source.suffix]
            more = (flags,) if compile_source is compile_c else ()
            parts = compile_source(source, folder / (source.stem + ".o"), *more)
            link(parts, folder / (source.stem + ".elf"), binary, is_bare(source))
    elif source.suffix == ".elf":  # the kernel loads it as it is
        binary = folder / source.name
        if binary.resolve() != source.resolve():
            shutil.copyfile(source, binary)
        symbols.write_file(binary, symbol_file(binary))
    else:
        binary = source
    size = binary.stat().st_size
    if size == 0:
        raise Problem(f"the payload {shown(source)} is empty", "It needs at least one instruction.")
    if size > LIMIT:
        raise Problem(f"the payload {shown(source)} is too large: {size >> 20} MiB",
                      "At most 512 MiB of RAM are mapped for it.")
    return binary


def is_bare(source: Path) -> bool:
    if source.suffix in (".c", ".cpp"):
        return bool(BARE.search(source.read_bytes()))
    return source.suffix != ".fth"


def prepare(source: Path) -> None:
    """Makes or fetches what a source like this needs, and is kept."""
    if not is_bare(source):
        newlib.glue()
    if source.suffix == ".fth":
        ports.make("pforth")
    languages.prepare(source.suffix)


def symbol_file(binary: Path) -> Path:
    return binary.with_name(binary.name + ".sym")


def assemble(source: Path, folder: Path, binary: Path) -> None:
    listing, wish = folder / (source.stem + ".map"), folder / (source.stem + ".inc")
    wish.write_text(f"[map symbols {listing}]\n")
    tool("nasm", "-f", "bin", "-P", wish, "-I", f"{source.parent}/",
         "-I", f"{ROOT / 'sdk'}/", "-o", binary, source, cause="nasm found an error")
    labels = re.findall(r"^ +[0-9A-F]+ +([0-9A-F]{8}) +(\S+)$", listing.read_text(), re.M)
    symbol_file(binary).unlink(missing_ok=True)
    if labels:
        symbol_file(binary).write_text("".join(f"{address.lower()} t {name}\n"
                                               for address, name in sorted(labels)))


def elf_of(source: Path, folder: Path = BUILD / "payload") -> Path | None:
    """An ELF file for debuggers, of what make() has made from source; None if that is no source."""
    elf = folder / (source.stem + ".elf")
    if source.suffix == ".asm":
        describe_asm(source, folder, elf)
    return elf if needs(source) else None


def describe_asm(source: Path, folder: Path, elf: Path) -> None:
    """NASM knows no symbols for a raw binary: its listing and its map are made into some."""
    binary, listing, names, part = (folder / (source.stem + suffix)
                                    for suffix in (".bin", ".lst", ".map", ".o"))
    tool("nasm", "-f", "bin", "-I", f"{source.parent}/",
         "-I", f"{ROOT / 'sdk'}/", "-l", listing, "-o", binary,
         "--before", f"[map all {names}]", source)
    lines, line = {}, 0  # by offsets; what a macro makes is of the line that has the macro
    for row in listing.read_text(errors="replace").splitlines():
        number, address, mark = re.match(
            r" *(\d*) ?([0-9A-F]{8} )?(?:\S+)?(\s+<\d+>)?", row).groups()
        if number and not mark:
            line = int(number)
        if address:
            lines.setdefault(int(address, 16), line)
    said = [f'.file 1 "{source.resolve()}"', ".loc_mark_labels 1"]
    offsets = sorted(lines)
    for start, end in zip(offsets, [*offsets[1:], binary.stat().st_size]):
        said += [f".loc 1 {lines[start]}", f".Lat{start}:",
                 f'.incbin "{binary.resolve()}", {start}, {end - start}']
    text = names.read_text()
    origin = int(re.search(r"^vstart: +([0-9A-F]+)", text, re.M)[1], 16)
    for value, name in re.findall(r"^ +[0-9A-F]+ +([0-9A-F]+)  ([A-Za-z_.][\w.]*)$", text, re.M):
        said += [f".globl {name}", f".set {name}, .Lat0 + {int(value, 16) - origin}"]
    assembly = folder / (source.stem + ".s")
    assembly.write_text("\n".join(said) + "\n")
    tool("gcc", "-m32", "-c", assembly, "-o", part)
    tool("ld", "-m", "elf_i386", f"-Ttext={origin:#x}", "-e", f"{origin:#x}", part, "-o", elf)


def compile_c(source: Path, part: Path, flags: tuple[str, ...] = ()) -> list[Path]:
    gcc = "gcc" if source.suffix == ".c" else "g++"
    warnings = tool(gcc, *compiler.flags(is_bare(source), gcc == "g++"), *flags, "-Wall", "-c",
                    source, "-o", part, cause="the compiler found an error")
    if warnings:
        say(warnings.rstrip())
    return [part]


def link(parts: list[Path], elf: Path, binary: Path, bare: bool = True) -> None:
    tool("gcc", *parts, *compiler.libraries(bare), "-o", elf, cause="the linker found an error",
         cure="A payload has int main(struct vesper *) and no library but what it brings along, or "
         "any other int main, and the C library.")
    tool("objcopy", "-O", "binary", elf, binary)
    symbols.write_file(elf, symbol_file(binary))


def forth(source: Path, part: Path) -> list[Path | str]:
    """pForth, with the text of a program."""
    text = part.with_suffix(".text.S")
    text.write_text('.data\n.globl program_text, program_end\n'
                    f'program_text: .incbin "{source.absolute()}"\nprogram_end:\n')
    tool("gcc", "-m32", "-c", text, "-o", part, cause="the assembler found an error")
    folder = ports.make("pforth").parent
    return [part, folder / "program.o", folder / "pforth.o", "-Wl,--wrap=fopen", "-lm"]


# By the source's suffix: compiles it to an object file, and returns what is to be linked.
COMPILERS = {".c": compile_c, ".cpp": compile_c, ".rs": languages.rust, ".zig": languages.zig,
             ".fth": forth}
