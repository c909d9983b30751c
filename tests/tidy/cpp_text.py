"""C++ source as text, for the rules that look at it without a compiler."""

import re

# Comment | raw string | string | character. A digit separator (1'000) is no character literal.
_TOKEN = re.compile(
    r"""
      (?P<comment>//[^\n]*|/\*.*?\*/)
    | (?P<raw>R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)")
    | (?P<string>"(?:\\.|[^"\\\n])*")
    | (?P<char>(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+')
    """,
    re.DOTALL | re.VERBOSE,
)


def blank_out(text):
    """The text with comments gone and literals emptied; line numbers stay."""

    def replace(match):
        newlines = "\n" * match[0].count("\n")
        if match["comment"]:
            return " " + newlines
        return ("''" if match["char"] else '""') + newlines

    return _TOKEN.sub(replace, text)


_CONTAINER = re.compile(r"^(inline\s+)?(namespace|class|struct|union|enum|extern\s*\"\")\b")
_TEMPLATE = re.compile(r"^template\s*<(?:[^<>]|<(?:[^<>]|<[^<>]*>)*>)*>\s*")
_ATTRIBUTE = re.compile(r"^\[\[.*?\]\]\s*", re.DOTALL)


def _is_container(head):
    while True:
        shorter = _ATTRIBUTE.sub("", _TEMPLATE.sub("", head, count=1), count=1)
        if shorter == head:
            return bool(_CONTAINER.match(head)) and "(" not in head
        head = shorter


def _is_function(head):
    """Whether the text before a brace, outside any function, opens a function's body."""
    if not head or head.startswith((",", ":")):
        return True  # the body after a constructor's list of initialisers
    return ")" in head and head.count("(") == head.count(")")


def functions(text):
    """(first line, name, number of lines) of every function in the text, by a heuristic on braces.

    Lambdas at namespace scope count, those within a function are part of it.
    """
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: "\n" * m[0].count("\n"),
                  blank_out(text), flags=re.MULTILINE)
    found = []
    containers = []  # for each open brace outside functions: is it a namespace, class, ...?
    head_start = line = 1
    head = ""
    depth = 0  # braces open within a function or an initialiser
    body = None
    for symbol in code:
        if symbol == "\n":
            line += 1
        if depth > 0:
            depth += {"{": 1, "}": -1}.get(symbol, 0)
            if depth == 0:
                if body:
                    found.append((body[0], body[1], line - body[0] + 1))
                head = "" if body else head
            continue
        if symbol == "{":
            stripped = re.sub(r"^(public|private|protected)\s*:\s*", "", head.strip())
            if _is_container(stripped):
                containers.append(stripped)
            else:
                depth = 1
                name = re.search(r"([~\w:]+|operator[^(]+)\s*\(", stripped)
                is_body = _is_function(stripped)
                body = (head_start, name[1] if name else "?") if is_body else None
                if not body:
                    continue
            head = ""
        elif symbol in ";}":
            if symbol == "}" and containers:
                containers.pop()
            head = ""
        else:
            if not head.strip():
                head_start = line
            head += symbol
    return found
