"""The include table: which room may include which.

An arrow points down only, as docs/architecture.md draws it. Run by ctest; alone:
`python3 tests/tidy/layers.py`.
"""

import pathlib
import re
import sys

# Room: the rooms whose headers it may include, besides its own.
ROOMS = {
    "base": set(),
    "core": {"base"},
    "log": {"core", "base"},
    "observe": {"core", "base"},
    "config": {"core", "base"},
    "webhook": {"base"},
    "engine": {"log", "core", "base", "observe", "config"},
    "tasks": {"engine", "log", "core", "base", "observe", "config"},
    "adapters": {"tasks", "engine", "log", "core", "base", "observe", "config", "webhook"},
    "idempotency": {"core", "base"},
    "http": {"engine", "log", "core", "base", "observe", "config", "webhook"},
    "bench": {"base", "config"},
    "sim": {"tasks", "engine", "log", "core", "base", "observe", "config"},
    "app": {"sim", "http", "adapters", "tasks", "engine", "log", "core", "base", "observe", "config",
            "webhook", "idempotency", "bench"},
}

# Third-party header, or a folder of them: the rooms that may include it. What is not listed here
# is taken for a header of the standard library or of the system.
THIRD_PARTY = {
    "lmdb.h": {"log", "idempotency"},
    "xxhash.h": {"log"},
    "concurrentqueue/": {"engine", "tasks"},
    "boost/context/": {"http"},
    "httplib.h": {"http", "adapters", "app"},
    "simdjson.h": {"http", "adapters", "app"},
    "rapidjson/": {"http", "adapters", "observe", "bench", "app"},
    "openssl/": {"http", "adapters", "webhook"},
    "curl/": {"adapters"},
    "prometheus/": {"app"},
    "spdlog/": {"observe"},
    "fmt/": {"observe", "bench", "app"},
    "toml++/": {"config"},
    "CLI/": {"app"},
    "hdr_histogram.h": {"bench"},
    "http_parser.h": {"bench"},
}

# These rooms include C++ standard headers only, which are the ones without ".h" and "/".
STANDARD_ONLY = {"base", "core"}

INCLUDE = re.compile(r'\s*#\s*include\s*(["<])([^">]+)[">]')


def check_include(room, bracket, header, root):
    """The complaint about one include line of a room, or None."""
    if bracket == '"':
        target = header.split("/")[0]
        if not (root / "src" / header).is_file():
            return f'"{header}" is not a file below src/; includes are written from there'
        if target != room and target not in ROOMS[room]:
            allowed = ", ".join(sorted(ROOMS[room])) or "nothing"
            return f'{room} may not include "{header}" (it may include {allowed})'
        return None
    if room in STANDARD_ONLY and not re.fullmatch(r"[a-z0-9_]+", header):
        return f"{room} may include C++ standard headers only, not <{header}>"
    for prefix, rooms in THIRD_PARTY.items():
        matches = header.startswith(prefix) if prefix.endswith("/") else header == prefix
        if matches and room not in rooms:
            return f"<{header}> belongs to {', '.join(sorted(rooms))}, not to {room}"
    return None


def check(root):
    """All complaints about the tree, each as "file:line: text"."""
    errors = []
    source = root / "src"
    for entry in sorted(source.iterdir()):
        if not entry.is_dir():
            errors.append(f"src/{entry.name}:1: a source file has to be in a room")
        elif entry.name not in ROOMS:
            errors.append(f"src/{entry.name}:1: this room is not in the include table")
    for path in sorted(source.rglob("*")):
        room = path.relative_to(source).parts[0]
        if path.suffix not in (".h", ".cc") or room not in ROOMS:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            complaint = match and check_include(room, match[1], match[2], root)
            if complaint:
                errors.append(f"{path.relative_to(root)}:{number}: {complaint}")
    return errors


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    errors = check(root)
    print("\n".join(errors) if errors else f"layers: {len(ROOMS)} rooms, every include points down")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
