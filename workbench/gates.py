# SPDX-License-Identifier: BSD-2-Clause
"""Makes the kernel's side of include/vesper.h: gates, tables, and the handlers' declarations.

Called by the build: python3 -m workbench.gates FOLDER SOURCE...
The sources are those of the handlers that the configuration names."""
import re
import sys
from pathlib import Path

from workbench import header

# enum Kind of src/api/arguments.cpp, and the names of what says how long a pointer's memory is.
WORD, TEXT, HOOK, RESULT, GIVEN, BUFFER, SOURCE, SOURCE_COUNTED_BEFORE = range(1, 9)
HANDLERS_LOOK = ("file_read",)  # a file may be shorter than what is asked for
LENGTHS = ("bytes", "length", "count", "most", "frames")
NO_DEVICE = ("display", "net", "audio")  # tables whose absence means that there is no such device


def handlers(api: header.Api) -> list[tuple[str, str, header.Call]]:
    """Every call: its name in the kernel, the member of the struct that it is, and itself."""
    found = [(call.name, f"vesper::{call.name}", call) for call in api.head.calls]
    for name, table in api.tables.items():
        found += [(f"{name}_{call.name}", f"{table.name}::{call.name}", call)
                  for call in table.calls]
    return found


def declarations(api: header.Api, prefix: str) -> str:
    lines = [f"std::remove_pointer_t<decltype({member})> {prefix}_{name};"
             for name, member, _ in handlers(api)]
    return 'extern "C" {\n' + "\n".join(lines) + "\n}\n"


def calls_header(api: header.Api) -> str:
    return ("// Made from include/vesper.h: the handlers, which gate.S calls.\n"
            "#pragma once\n#include <type_traits>\n#include \"vesper.h\"\n" +
            declarations(api, "api"))


def kinds(api: header.Api, call: header.Call) -> list[int]:
    """What arguments.cpp has to know of a call's words; as its enum Kind. Empty: nothing."""
    found: list[int] = []
    parameters = call.parameters
    for i, one in enumerate(parameters):
        kind, following = one.type, parameters[i + 1].name if i + 1 < len(parameters) else ""
        before = parameters[i - 1].name if i else ""
        width = {"uint32_t": 4, "int16_t": 2, "uint16_t": 2}.get(kind.name, 1)
        if kind.name in api.hooks:
            found.append(HOOK)
        elif not kind.pointers:
            found += [WORD] * kind.words()
        elif kind.name == "void" and one.name in ("address", "context") and kind.pointers == 1:
            found.append(WORD)
        elif kind.name in ("void", "char") and kind.pointers == 1 and following in LENGTHS or \
                width > 1 and following in LENGTHS and following != "bytes":
            found += [SOURCE if kind.const else BUFFER, width]
        elif width > 1 and before in LENGTHS and before != "bytes":
            found += [SOURCE_COUNTED_BEFORE, width]
        elif kind.name == "char" and kind.const and kind.pointers == 1:
            found.append(TEXT)
        elif kind.name == "void" and kind.pointers == 1:
            found.append(WORD)  # its length only the handler can know
        else:
            size = 4 if kind.pointers > 1 else (
                api.structs[kind.name].size if kind.is_struct else header.SIZES[kind.name][0])
            found += [GIVEN if kind.const and kind.pointers == 1 else RESULT, size // 4]
    return found if set(found) != {WORD} else []


def gates(api: header.Api, sources: str) -> str:
    """Lines for gate.S. What the sources have no handler of needs no gate."""
    lines = []
    for name, _, call in handlers(api):
        if re.search(rf"\bapi_{name}\([^;]*\n?{{", sources):
            checked = [] if name in HANDLERS_LOOK else kinds(api, call)
            if checked:
                lines.append(f"checked_gate {name}, {', '.join(map(str, checked))}")
            else:
                lines.append(f"{'gate_in_hooks' if call.in_hooks else 'gate'} {name}")
        else:
            no_device = name.split("_")[0] in NO_DEVICE
            lines.append(f"absent {name}, {'no_device' if no_device else 'unsupported'}")
    return "\n".join(lines) + "\n"


def tables(api: header.Api) -> str:
    text = "// Made from include/vesper.h: what a payload gets.\n#include <type_traits>\n"
    text += '#include "api/api.h"\n' + declarations(api, "gate")
    for name, table in api.tables.items():
        text += f"static constexpr {table.name} {name}_table = {{\n"
        text += f"    .size = sizeof({table.name}),\n"
        text += "".join(f"    .{call.name} = gate_{name}_{call.name},\n" for call in table.calls)
        text += "};\n"
    text += "constexpr vesper api::table = {\n"
    text += "".join(f"    .{call.name} = gate_{call.name},\n" for call in api.head.calls)
    text += ("    .magic = {VESPER_MAGIC[0], VESPER_MAGIC[1], VESPER_MAGIC[2], VESPER_MAGIC[3]},\n"
             "    .version = VESPER_VERSION,\n    .size = sizeof(vesper),\n")
    text += "".join(f"    .{name} = &{name}_table,\n" for name in api.tables)
    return text + "};\n"


def main(folder: Path, sources: list[str]) -> None:
    api = header.read()
    (folder / "api_calls.h").write_text(calls_header(api))
    (folder / "api_gates.inc").write_text(gates(api, "".join(Path(s).read_text() for s in sources)))
    (folder / "api_tables.cpp").write_text(tables(api))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
