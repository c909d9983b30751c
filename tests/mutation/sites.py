"""Where a source file can be changed, and how: reads it by libclang and lists mutants.

A mutant is one small change of one place. Its `kind` says how schemata.py writes it:
  instead    another expression in place of this one
  negated    the opposite of a boolean that is returned
  removed    the statement is not executed
Places in macros and in preprocessor branches that are not compiled are left alone, and so is what
has to be a constant: only bodies of functions are changed.
"""

import dataclasses
import re

import clang.cindex
from clang.cindex import CursorKind, TypeKind

RELATIONS = {"<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"),
             "==": ("!=",), "!=": ("==",)}
ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "<<": ">>", ">>": "<<", "&": "|",
              "|": "&", "+=": "-=", "-=": "+="}
FUNCTIONS = {CursorKind.FUNCTION_DECL, CursorKind.CXX_METHOD, CursorKind.CONSTRUCTOR,
             CursorKind.FUNCTION_TEMPLATE}
LITERALS = {CursorKind.INTEGER_LITERAL, CursorKind.CXX_BOOL_LITERAL_EXPR}
INTEGERS = {TypeKind.INT, TypeKind.UINT, TypeKind.LONG, TypeKind.ULONG, TypeKind.LONGLONG,
            TypeKind.ULONGLONG, TypeKind.INT128, TypeKind.UINT128, TypeKind.DEPENDENT}


@dataclasses.dataclass
class Mutant:
    start: int  # the place, in bytes
    end: int
    kind: str
    operator: str
    alternative: str = ""
    boolean: bool = False  # the place has to be converted to bool, as a condition is
    id: int = 0
    file: str = ""
    line: int = 0
    original: str = ""

    def key(self):
        return (self.file, self.original, self.operator, self.alternative)

    def __str__(self):
        change = {"removed": "removed", "negated": "negated"}.get(self.kind, self.alternative)
        return f"{self.file}:{self.line}: [{self.operator}] {self.original}  ->  {change}"


def find(path, arguments):
    """The mutants of a file, in the order of their places."""
    return sorted(Sites(path, arguments).mutants.values(), key=lambda m: (m.start, m.end))


def one_line(text):
    """Source text without comments and line ends, to be written into an alternative."""
    text = re.sub(r"/\*.*?\*/", " ", re.sub(r"//[^\n]*", " ", text), flags=re.S)
    return re.sub(r"\s+", " ", text).strip()


class Sites:
    def __init__(self, path, arguments):
        self.path = str(path)
        self.source = path.read_bytes()
        self.mutants = {}
        unit = clang.cindex.Index.create().parse(self.path, args=[*arguments, "-x", "c++"])
        errors = [d for d in unit.diagnostics if d.severity >= clang.cindex.Diagnostic.Error]
        if errors:
            raise RuntimeError(f"{path}: {errors[0]}")
        self.declarations(unit.cursor)

    def text(self, start, end):
        return self.source[start:end].decode()

    def add(self, span, kind, operator, alternative="", boolean=False):
        start, end = span
        original = one_line(self.text(start, end))
        if "planted(" in original and kind != "removed":
            return
        mutant = Mutant(start, end, kind, operator, alternative, boolean)
        mutant.original = original
        mutant.line = self.source.count(b"\n", 0, start) + 1
        self.mutants.setdefault((start, end, operator, alternative), mutant)

    def declarations(self, cursor):
        for child in cursor.get_children():
            if child.location.file is None or child.location.file.name != self.path:
                continue
            if child.kind in FUNCTIONS:
                for part in child.get_children():
                    if part.kind == CursorKind.COMPOUND_STMT:
                        self.visit(part)
            elif not child.kind.is_expression():
                self.declarations(child)

    def visit(self, cursor):
        span = (cursor.extent.start.offset, cursor.extent.end.offset)
        text = self.text(*span)
        kind = cursor.kind
        children = list(cursor.get_children())
        if text.startswith(("PAYONCE_ASSERT", "static_assert", "requires", "planted(")):
            return
        if kind == CursorKind.DECL_STMT and re.match(r"(static )?constexpr\b", text):
            return
        if kind in (CursorKind.COMPOUND_STMT, CursorKind.CASE_STMT, CursorKind.DEFAULT_STMT):
            if kind == CursorKind.CASE_STMT:
                children = children[1:]
            for child in children:
                self.statement(child)
        elif kind == CursorKind.IF_STMT:
            constant = re.match(r"if\s+constexpr\b", text)
            if constant:
                children = children[1:]
            elif children[0].kind.is_expression():
                self.condition(children[0], ("true", "false"))
        elif kind == CursorKind.CONDITIONAL_OPERATOR:
            self.condition(children[0], ("true", "false"))
        elif kind == CursorKind.RETURN_STMT and children:
            self.returned(children[0])
        elif kind == CursorKind.INIT_LIST_EXPR:
            for child in children:
                self.field(child)
        elif kind == CursorKind.INTEGER_LITERAL and text:
            self.number(span, text)
        elif kind == CursorKind.CXX_BOOL_LITERAL_EXPR and text in ("true", "false"):
            self.add(span, "instead", "literal", "false" if text == "true" else "true")
        elif kind == CursorKind.DECL_REF_EXPR and cursor.referenced is not None:
            if cursor.referenced.kind == CursorKind.ENUM_CONSTANT_DECL:
                self.enumerator(span, text, cursor.referenced)
        if kind != CursorKind.COMPOUND_STMT:
            self.operation(cursor, span, children)
        for child in children:
            self.visit(child)

    def statement(self, cursor):
        start, end = cursor.extent.start.offset, cursor.extent.end.offset
        if not cursor.kind.is_expression() or self.text(start, end).startswith("PAYONCE_ASSERT"):
            return
        if self.source[end:end + 1] == b";":
            self.add((start, end + 1), "removed", "statement")

    def condition(self, cursor, forced):
        span = (cursor.extent.start.offset, cursor.extent.end.offset)
        for value in forced:
            self.add(span, "instead", "condition", value, boolean=True)

    def returned(self, cursor):
        text = self.text(cursor.extent.start.offset, cursor.extent.end.offset)
        if cursor.type.get_canonical().kind == TypeKind.BOOL and text not in ("true", "false"):
            self.add((cursor.extent.start.offset, cursor.extent.end.offset), "negated", "return")

    def field(self, cursor):
        """A named field of a brace initialiser is left at its default."""
        start, end = cursor.extent.start.offset, cursor.extent.end.offset
        match = re.match(r"\.\w+\s*=\s*", self.text(start, end))
        if not match:
            return
        value = self.text(start + len(match[0]), end)
        if re.fullmatch(r"\{\}|[\d']+U?|true|false|(\w+::)*k[A-Z]\w*", value) or "[" in value:
            return
        empty = '""' if value[0] == '"' else f"std::decay_t<decltype({one_line(value)})>{{}}"
        self.add((start + len(match[0]), end), "instead", "field", empty)

    def number(self, span, text):
        if not text[0].isdigit():
            return  # of an operator that the compiler has rewritten
        self.add(span, "instead", "constant", f"{text} + 1")
        if not re.fullmatch(r"0+U?", text):
            self.add(span, "instead", "constant", f"{text} - 1")

    def enumerator(self, span, text, constant):
        values = [c.spelling for c in constant.semantic_parent.get_children()
                  if c.kind == CursorKind.ENUM_CONSTANT_DECL]
        if constant.spelling not in values or len(values) < 2:
            return
        other = values[(values.index(constant.spelling) + 1) % len(values)]
        self.add(span, "instead", "enum", text[:len(text) - len(constant.spelling)] + other)

    def operation(self, cursor, span, children):
        if len(children) < 2:
            return
        left, right = children[0].extent, children[-1].extent
        sign = one_line(self.text(left.end.offset, right.start.offset))
        if left.start.offset != span[0] or right.end.offset != span[1]:
            return
        sides = [f"({one_line(self.text(e.start.offset, e.end.offset))})" for e in (left, right)]
        if sign in ("&&", "||"):
            other = "||" if sign == "&&" else "&&"
            self.add(span, "instead", "logical", f"{sides[0]} {other} {sides[1]}", boolean=True)
            for side in (children[0], children[-1]):
                self.condition(side, ("true" if sign == "&&" else "false",))
        for other in RELATIONS.get(sign, ()):
            self.add(span, "instead", "relation", f"{sides[0]} {other} {sides[1]}")
        if sign in ARITHMETIC and cursor.type.get_canonical().kind in INTEGERS:
            self.add(span, "instead", "arithmetic", f"{sides[0]} {ARITHMETIC[sign]} {sides[1]}")
        elif sign == "+":
            whole = one_line(self.text(*span))
            self.add(span, "instead", "arithmetic",
                     f"std::decay_t<decltype({whole})>({sides[0]})")
