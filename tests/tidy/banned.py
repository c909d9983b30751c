"""Words and sizes that the source may not have, by folder.

Words are looked up in code: comments and literals do not count, except for the leftover marks.
Run by ctest; alone: `python3 tests/tidy/banned.py`.
"""

import pathlib
import re
import sys

import cpp_text

COLUMNS_MAX = 100
FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70

CLOCKS = (r"system_clock|steady_clock|high_resolution_clock|utc_clock|tai_clock|file_clock|"
          r"clock_gettime|gettimeofday|timespec_get|localtime(_r)?|mktime|"
          r"__DATE__|__TIME__|__TIMESTAMP__",
          "time comes in with the command")
CYCLES = (r"__?rdtscp?|__builtin_ia32_\w+|_rdrand\w*|_rdseed\w*|asm|__asm__",
          "no counters or random numbers from the processor")
RANDOM = (r"random_device|mt19937(_64)?|minstd_rand0?|default_random_engine|s?rand(om)?_?r?(?=\()|"
          r"\w+_distribution|getrandom|arc4random\w*",
          "anything random is drawn outside and passed in")
THREADS = (r"thread|jthread|this_thread|thread_local|(recursive_|shared_|timed_)?mutex|"
           r"condition_variable\w*|(lock|scoped)_guard|(unique|scoped|shared)_lock|atomic\w*|"
           r"promise|future|async|pthread\w*|call_once|once_flag|\w*semaphore|latch|barrier",
           "runs on one thread, which its caller owns")
ENVIRONMENT = (r"(secure_)?getenv|setenv|environ|setlocale|locale",
               "configuration comes in as plain values")
STREAMS = (r"iostream|[io]?fstream|[io]?stringstream|ostream|istream|cout|cerr|clog|filesystem",
           "no input or output")
STDIO = (r"v?f?printf|puts|fputs|fopen|fwrite|fread|FILE|std(out|err|in)|perror",
         "no input or output")
LOGGING = (r"spdlog|syslog", "does not log; its events are the record")
FLOATS = (r"float|double|strto[fd]|stod|stof", "never floating point: amounts are integers")
ORDER = (r"(less|greater|hash|map|set)<\s*(const\s+)?[\w:]+\s*\*",
         "an order by address differs from run to run")

DURABLE = "a commit that returned has to be on the disk"
DETERMINISTIC = [CLOCKS, CYCLES, RANDOM, THREADS, ENVIRONMENT, STREAMS, LOGGING, FLOATS]

# Folder below src ("" is all of it): patterns of whole words in code, and why not.
WORDS = {
    "": [
        (r"assert(?=\()|cassert", "use PAYONCE_ASSERT, which stays on"),
        (r"MDB_NOSYNC|MDB_NOMETASYNC|MDB_MAPASYNC|MDB_WRITEMAP|MDB_NOLOCK|Sync::kNever", DURABLE),
        (r"localtime|gmtime|ctime|asctime|s?rand|gethostbyname|tmpnam|strtok", "not thread-safe"),
        (r"gets|strcpy|strcat|v?sprintf|atoi|atol|atoll|atof|alloca", "unsafe"),
        (r"system(?=\()|popen", "nothing goes through a shell"),
        (r"using namespace std", "spell it out"),
    ],
    "core": DETERMINISTIC + [ORDER, STDIO],
    "base": DETERMINISTIC,
    "log": [RANDOM, FLOATS, CYCLES],
}

# What may stand in one folder or file although it is banned.
EXEMPT = {
    # The store offers it to those whose data ends with the process, and only the simulation is.
    "MDB_NOSYNC": ("log/lmdb_env.cc",),
    "Sync::kNever": ("log/lmdb_env.cc", "sim/"),
}

# XXX alone is also a currency.
MARKS = re.compile(r"\b(FIXME|TODO|XXX(?=[:(]))|(?<=// )XXX\b")

# A container that looks up by hash is fine in the core; going through it is not, because the order
# is the library's. What is declared so, in which folders:
UNORDERED = re.compile(r"\bunordered_\w+<[^;{}]*>&?\s+(\w+)\s*[;{=,)]")
ORDERED_FOLDERS = ("core",)


def compile_words(words):
    return [(re.compile(rf"(?<![\w])(?:{pattern})(?![\w])"), why) for pattern, why in words]


COMPILED = {folder: compile_words(words) for folder, words in WORDS.items()}


def declared_unordered(text):
    """The names of the unordered containers that a file declares."""
    return set(UNORDERED.findall(cpp_text.blank_out(text)))


def unordered_walks(code, names):
    """Complaints about lines that go through one of the named containers."""
    errors = []
    for number, line in enumerate(code, 1):
        for name in names:
            word = re.escape(name)
            if re.search(rf"for\s*\(.*:\s*[\w.>-]*\b{word}\)", line) or \
                    re.search(rf"\b{word}\.c?begin\(\)", line):
                errors.append((number, f"goes through {name}, which has no order of its own"))
    return errors


def check_text(name, text, unordered_names=None):
    """All complaints about one file.

    name is its path below src; unordered_names are the unordered containers that it can see, by
    default its own.
    """
    if unordered_names is None:
        unordered_names = declared_unordered(text)
    errors = []
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            errors.append((number, f"{len(line)} columns, at most {COLUMNS_MAX}"))
        mark = MARKS.search(line)
        if mark:
            errors.append((number, f"leftover {mark[0]}: do it, or file it"))
    if len(lines) > FILE_LINES_MAX:
        errors.append((len(lines), f"{len(lines)} lines, at most {FILE_LINES_MAX}"))

    code = cpp_text.blank_out(text).splitlines()
    for folder, words in COMPILED.items():
        if folder and not name.startswith(folder + "/"):
            continue
        for number, line in enumerate(code, 1):
            for pattern, why in words:
                match = pattern.search(line)
                if match and not name.startswith(EXEMPT.get(match[0], ("\n",))):
                    errors.append((number, f"'{match[0]}' is banned in src/{folder}: {why}"))

    if name.split("/")[0] in ORDERED_FOLDERS:
        errors += unordered_walks(code, unordered_names)

    for first, function, count in cpp_text.functions(text):
        if count > FUNCTION_LINES_MAX:
            errors.append((first, f"{function} has {count} lines, at most {FUNCTION_LINES_MAX}"))
    return [f"src/{name}:{number}: {what}" for number, what in sorted(errors)]


def check(root):
    errors = []
    source = root / "src"
    texts = {path.relative_to(source).as_posix(): path.read_text(encoding="utf-8")
             for path in sorted(source.rglob("*")) if path.suffix in (".h", ".cc")}
    unordered_names = set()
    for name, text in texts.items():
        if name.split("/")[0] in ORDERED_FOLDERS:
            unordered_names |= declared_unordered(text)
    for name, text in texts.items():
        errors += check_text(name, text, unordered_names)
    return errors


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    errors = check(root)
    print("\n".join(errors) if errors else "banned: nothing found")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
