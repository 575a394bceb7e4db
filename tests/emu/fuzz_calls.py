# SPDX-License-Identifier: BSD-2-Clause
"""The table of calls for payloads/fuzz.c, made from include/vesper.h."""
from workbench import header

LEFT_OUT = {"key", "power_reboot", "power_off", "debug_enter"}  # they wait for somebody, or end it
BY_NAME = {"us": "t", "ticks": "T", "context": "c", "address": "a"}
NUMBERS = {"device": "d", "display": "d", "card": "d", "number": "d", "index": "i", "file": "f",
           "directory": "f", "socket": "f", "hook": "h", "breakpoint": "h", "bytes": "n",
           "length": "n", "count": "n", "most": "n", "frames": "n"}


def kind(api: header.Api, one: header.Field) -> str:
    """A letter for what an argument is; payloads/fuzz.c has the values for each."""
    if one.type.name in api.hooks:
        return "F" if "frame" in one.type.name else "H"
    if one.type.pointers:
        if one.type.name == "char" and one.type.const and one.type.pointers == 1:
            return "p"
        if one.type.is_struct and "request" in one.type.name:
            return "r"
        return BY_NAME.get(one.name, "m") if one.type.pointers == 1 else "m"
    if one.type.words() == 2:
        return BY_NAME.get(one.name, "q")
    return NUMBERS.get(one.name, "w")


def table(api: header.Api) -> str:
    lines = ["/* Made from include/vesper.h: its name, where it is, its arguments. */"]
    members = {table.name: name for name, table in api.tables.items()}
    for struct in (api.head, *api.tables.values()):
        where = members.get(struct.name, "")
        for call in struct.calls:
            name = f"{where}_{call.name}" if where else call.name
            kinds = "".join(kind(api, one) for one in call.parameters)
            if name not in LEFT_OUT:
                offset = f"offsetof(struct vesper, {where or call.name})"
                inner = f"offsetof(struct {struct.name}, {call.name})" if where else "-1"
                lines.append(f'{{"{name}", {offset}, {inner}, "{kinds}"}},')
    return "\n".join(lines) + "\n"
