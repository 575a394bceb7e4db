# SPDX-License-Identifier: BSD-2-Clause
"""Reads include/vesper.h, the only definition of the API, into a model of its declarations.

It understands the C that the header is written in, no more: sections, #define, enum, struct with
fields and calls (pointers to functions), and typedefs of hooks. Anything else is an error."""
import re
from dataclasses import dataclass, field
from pathlib import Path

from workbench.console import ROOT, Problem

HEADER = ROOT / "include/vesper.h"
IN_HOOKS = "May be called from a hook."
SIZES = {"char": (1, 1), "uint8_t": (1, 1), "uint16_t": (2, 2), "int16_t": (2, 2),
         "uint32_t": (4, 4), "int32_t": (4, 4), "int": (4, 4), "uint64_t": (8, 4),
         "int64_t": (8, 4)}  # size and alignment on the i386


@dataclass
class Type:
    name: str  # "uint32_t", "void", "vesper_stat" for a struct
    pointers: int = 0
    const: bool = False
    is_struct: bool = False

    def words(self) -> int:
        """How many words of the stack an argument of this type takes."""
        return 2 if not self.pointers and self.name in ("uint64_t", "int64_t") else 1

    def __str__(self) -> str:
        return (("const " if self.const else "") + ("struct " if self.is_struct else "") +
                self.name + "*" * self.pointers)


@dataclass
class Field:
    name: str
    type: Type
    count: int = 0  # of an array
    comment: str = ""
    offset: int = 0
    bytes: int = 0  # of all elements


@dataclass
class Call:
    name: str
    result: Type
    parameters: list[Field]
    comment: str = ""
    offset: int = 0
    bytes: int = 4

    @property
    def in_hooks(self) -> bool:
        return IN_HOOKS in self.comment

    def words(self) -> int:
        return sum(parameter.type.words() for parameter in self.parameters)


@dataclass
class Define:
    name: str
    value: str
    comment: str = ""


@dataclass
class Enum:
    name: str
    values: list[tuple[str, int, str]] = field(default_factory=list)


@dataclass
class Struct:
    name: str
    members: list = field(default_factory=list)
    size: int = 0

    @property
    def calls(self) -> list[Call]:
        return [member for member in self.members if isinstance(member, Call)]


@dataclass
class Section:
    name: str
    title: str
    text: str
    items: list = field(default_factory=list)


TOKEN = re.compile(r"/\*.*?\*/|#[^\n]*|\"[^\"]*\"|[A-Za-z_]\w*|0[xX][0-9a-fA-F]+u?|\d+u?|\S", re.S)


def plain(comment: str) -> str:
    """The text of a C comment, as one paragraph for each that it has."""
    lines = [re.sub(r"^\s*\*? ?", "", line) for line in comment[2:-2].split("\n")]
    return re.sub(r"\s+", " ", " ".join(lines)).strip()


class Parser:
    def __init__(self, text: str) -> None:
        self.tokens = [(match[0], text.count("\n", 0, match.start()) + 1)
                       for match in TOKEN.finditer(text)]
        self.at = 0
        self.pending = ""  # the comment before what comes
        self.sections: list[Section] = []
        self.structs: dict[str, Struct] = {}
        self.hooks: dict[str, Call] = {}

    def fail(self, text: str) -> Problem:
        line = self.tokens[min(self.at, len(self.tokens) - 1)][1]
        return Problem(f"include/vesper.h:{line}: {text}",
                       "workbench/header.py says what it reads.")

    def peek(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token != expected):
            raise self.fail(f"'{token}' where '{expected or 'more'}' belongs")
        self.at += 1
        return token

    def trailing_comment(self) -> str:
        """A comment on the line of the last token, or right behind it."""
        if not self.peek().startswith("/*"):
            return ""
        line = self.tokens[self.at][1]
        return plain(self.take()) if line == self.tokens[self.at - 1][1] else ""

    def parse(self) -> list[Section]:
        while self.at < len(self.tokens):
            token = self.peek()
            if token.startswith("/*"):
                self.comment(self.take())
            elif token.startswith("#"):
                self.directive(self.take())
            elif token == "enum":
                self.enum()
            elif token == "struct":
                self.struct()
            elif token == "typedef":
                self.typedef()
            elif token == "extern":
                self.at += 3  # "C" {
            elif token == "}":
                self.at += 1
            else:
                raise self.fail(f"'{token}' begins nothing that is known")
        return self.sections

    def comment(self, token: str) -> None:
        heading = re.match(r"/\* -+ (\w[\w ]*?)(?:: (.*?))? -+\n(.*)\*/", token, re.S)
        if heading:
            text = plain("/*" + heading[3] + "*/")
            self.sections.append(Section(heading[1], heading[2] or "", text))
            self.pending = ""
        elif not self.sections:
            self.sections.append(Section("", "", plain(token)))
        else:
            self.pending = plain(token)

    def directive(self, token: str) -> None:
        define = re.match(r"#define (\w+) (.+?)(?:\s*/\*(.*)\*/)?$", token)
        if define and self.sections:
            self.sections[-1].items.append(Define(define[1], define[2].strip(),
                                                  (define[3] or "").strip()))

    def number(self) -> int:
        sign = -1 if self.peek() == "-" else 1
        if sign < 0:
            self.take()
        try:
            return sign * int(self.take().rstrip("u"), 0)
        except ValueError:
            raise self.fail("a number belongs here") from None

    def enum(self) -> None:
        self.take("enum")
        enum = Enum(self.take())
        self.take("{")
        while self.peek() != "}":
            if self.peek().startswith("/*"):
                self.take()
                continue
            name = self.take()
            self.take("=")
            value = self.number()
            if self.peek() == ",":
                self.take()
            enum.values.append((name, value, self.trailing_comment()))
        self.take("}")
        self.take(";")
        self.sections[-1].items.append(enum)

    def type(self) -> Type:
        const = self.peek() == "const"
        if const:
            self.take()
        is_struct = self.peek() == "struct"
        if is_struct:
            self.take()
        kind = Type(self.take(), 0, const, is_struct)
        while self.peek() == "*":
            self.take()
            kind.pointers += 1
        return kind

    def parameters(self) -> list[Field]:
        found: list[Field] = []
        self.take("(")
        if self.peek() == "void" and self.tokens[self.at + 1][0] == ")":
            self.take()
        while self.peek() != ")":
            kind = self.type()
            found.append(Field(self.take(), kind))
            if self.peek() == ",":
                self.take()
        self.take(")")
        return found

    def call(self, result: Type) -> Call:
        """After `result`: (*name)(parameters);"""
        self.take("(")
        self.take("*")
        name = self.take()
        self.take(")")
        call = Call(name, result, self.parameters(), self.pending)
        self.take(";")
        self.pending = ""
        return call

    def typedef(self) -> None:
        self.take("typedef")
        hook = self.call(self.type())
        self.hooks[hook.name] = hook
        self.sections[-1].items.append(hook)

    def struct(self) -> None:
        self.take("struct")
        struct = Struct(self.take())
        self.take("{")
        self.pending = ""
        while self.peek() != "}":
            if self.peek().startswith("/*"):
                self.pending = plain(self.take())
            else:
                self.members(struct)
        self.take("}")
        self.take(";")
        self.lay_out(struct)
        self.structs[struct.name] = struct
        self.sections[-1].items.append(struct)

    def members(self, struct: Struct) -> None:
        kind = self.type()
        if self.peek() == "(":
            struct.members.append(self.call(kind))
            return
        fields = []
        while True:
            fields.append(Field(self.take(), kind))
            if self.peek() == "[":
                self.take("[")
                fields[-1].count = self.number()
                self.take("]")
            if self.take() == ";":
                break
        comment = self.trailing_comment()
        for field_ in fields:
            field_.comment = comment
        struct.members += fields

    def size_of(self, kind: Type) -> tuple[int, int]:
        if kind.pointers or kind.name in self.hooks:
            return 4, 4
        if kind.is_struct and kind.name in self.structs:
            return self.structs[kind.name].size, 4
        if kind.name not in SIZES:
            raise self.fail(f"'{kind}' has no known size")
        return SIZES[kind.name]

    def lay_out(self, struct: Struct) -> None:
        at, largest = 0, 1
        for member in struct.members:
            size, alignment = (4, 4) if isinstance(member, Call) else self.size_of(member.type)
            at = -(-at // alignment) * alignment
            member.offset = at
            member.bytes = size * (getattr(member, "count", 0) or 1)
            at += member.bytes
            largest = max(largest, alignment)
        struct.size = -(-at // largest) * largest


@dataclass
class Api:
    sections: list[Section]
    structs: dict[str, Struct]
    hooks: dict[str, Call]

    @property
    def head(self) -> Struct:
        return self.structs["vesper"]

    @property
    def tables(self) -> dict[str, Struct]:
        """The service tables by the name that they have in the head, in its order."""
        return {member.name: self.structs[member.type.name] for member in self.head.members
                if isinstance(member, Field) and member.type.is_struct}


def read(path: Path = HEADER) -> Api:
    parser = Parser(path.read_text())
    return Api(parser.parse(), parser.structs, parser.hooks)
