# SPDX-License-Identifier: BSD-2-Clause
"""Makes docs/api.md: workbench/templates/api.md, with its <!-- marks --> replaced by tables that
are made from include/vesper.h."""
import re
from pathlib import Path

from workbench import header
from workbench.header import IN_HOOKS, Api, Call, Define, Enum, Field, Struct, Type

TEMPLATES = Path(__file__).parent / "templates"


def template(name: str) -> str:
    return (TEMPLATES / name).read_text()


def c_type(kind: Type, name: str) -> str:
    """A declaration as in the header."""
    base = ("const " if kind.const else "") + ("struct " if kind.is_struct else "") + kind.name
    return f"{base}{'*' * kind.pointers} {name}"


def prototype(call: Call) -> str:
    parameters = ", ".join(c_type(p.type, p.name) for p in call.parameters)
    return f"{c_type(call.result, call.name)}({parameters or 'void'})"


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


def table(head: str, rows: list[str]) -> str:
    columns = head.count("|") - 1
    return f"{head}\n|{'---|' * columns}\n" + "".join(row + "\n" for row in rows)


def error_names(api: Api) -> list[str]:
    errors = next(item for item in api.sections[0].items if item.name == "vesper_error")
    return [name.removeprefix("VESPER_") for name, _, _ in errors.values]


def call_rows(api: Api, struct: Struct) -> list[str]:
    rows = []
    for call in struct.calls:
        what = call.comment.replace(IN_HOOKS, "").strip()
        what = re.sub(r"^0x[0-9a-f]+: ", "", what)
        # One that is named within a sentence is not returned.
        errors = [name for name in error_names(api)
                  if re.search(rf"(?:^|[.,:;] ){name}\b", what)]
        rows.append(f"| 0x{call.offset:02x} | `{prototype(call)}` | {cell(what)} "
                    f"| {', '.join(errors)} | {'yes' if call.in_hooks else ''} |")
    return rows


CALLS = "| offset | call | what it does | errors | from a hook |"


def field_rows(struct: Struct) -> list[str]:
    return [f"| {member.offset} | `{c_type(member.type, member.name)}"
            f"{f'[{member.count}]' if member.count else ''}` | {cell(member.comment)} |"
            for member in struct.members if isinstance(member, Field)]


def item_text(api: Api, item) -> str:
    if isinstance(item, Define):
        return f"`{item.name}` = {item.value}{': ' if item.comment else ''}{item.comment}\n"
    if isinstance(item, Enum):
        rows = [f"| `{name}` | {value if -20 < value < 20 else hex(value)} | {cell(why)} |"
                for name, value, why in item.values]
        return table(f"| `enum {item.name}` | value | |", rows)
    if isinstance(item, Call):
        return f"`{prototype(item)}` is a hook: {item.comment}\n"
    if item.calls:
        return table(CALLS, call_rows(api, item))
    return table(f"| offset | `struct {item.name}`, {item.size} bytes | |", field_rows(item))


def items(api: Api, section: header.Section) -> str:
    return "".join("\n" + item_text(api, item) for item in section.items)


def head(api: Api) -> str:
    rows = []
    for member in api.head.members:
        if member.name in api.tables:
            continue
        is_call = isinstance(member, Call)
        name = prototype(member) if is_call else c_type(member.type, member.name)
        name += f"[{member.count}]" if getattr(member, "count", 0) else ""
        what = re.sub(r"^0x[0-9a-f]+: ", "", member.comment).replace(IN_HOOKS, "").strip()
        what += " (from a hook, too)" if is_call and member.in_hooks else ""
        rows.append(f"| 0x{member.offset:02x} | `{name}` | {cell(what)} |")
    return table("| offset | field | |", rows)


def tables(api: Api) -> str:
    titles = {section.name: section.title for section in api.sections}
    rows = []
    for member in api.head.members:
        if member.name in api.tables:
            size = api.tables[member.name].size
            rows.append(f"| 0x{member.offset:02x} | [`{member.name}`](#{member.name}) "
                        f"| {titles.get(member.name, '')} | {size} |")
    return table("| offset | table | | size |", rows)


def errors(api: Api) -> str:
    found = next(item for item in api.sections[0].items if item.name == "vesper_error")
    return table("| | | |", [f"| {value} | {name.removeprefix('VESPER_')} | {why} |"
                             for name, value, why in found.values])


def services(api: Api) -> str:
    text = ""
    for section in api.sections:
        if section.name in api.tables:
            text += f"\n### {section.name}\n"
            text += f"\n{section.text.replace('*', chr(92) + '*')}\n" if section.text else ""
            text += items(api, section)
    return text.lstrip("\n")


def keys(api: Api) -> str:
    section = next(section for section in api.sections if section.name == "keys")
    return section.text + "\n" + items(api, section)


def page(api: Api) -> str:
    version = next(item for item in api.sections[0].items if item.name == "VESPER_VERSION")
    value = int(version.value.rstrip("u"), 0)
    text = template("api.md").replace("<!-- version -->", f"{value >> 16}.{value & 0xffff}")
    for mark, make in (("head", head), ("tables", tables), ("errors", errors), ("keys", keys),
                       ("services", services)):
        text = text.replace(f"<!-- {mark} -->\n", make(api))
    return text
