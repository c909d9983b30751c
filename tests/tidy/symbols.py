"""What the objects of src/core ask the linker for: no clock, random, thread, file or environment.

usage: symbols.py LIBRARY.a

The library has to be built without a sanitizer. Instructions that need no symbol (rdtsc) escape
this; banned.py looks for their names.
"""

import re
import subprocess
import sys

# Functions of C, as the whole name.
C_NAMES = {
    "clock": "time clock clock_gettime clock_getres gettimeofday timespec_get localtime "
             "localtime_r gmtime mktime ctime times",
    "random": "rand rand_r srand random srandom drand48 getrandom getentropy arc4random",
    "sleep": "sleep usleep nanosleep clock_nanosleep alarm timer_create timerfd_create",
    "environment": "getenv secure_getenv setenv putenv environ setlocale sysconf getpid gethostname",
    "file": "open open64 openat creat fopen fopen64 fdopen freopen read write pread pwrite readv "
            "writev close mmap mmap64 munmap fsync fdatasync stat fstat unlink rename mkdir ioctl "
            "pipe fcntl",
    "output": "printf fprintf vfprintf vprintf puts putchar fputs fputc fwrite fread fflush perror "
              "stdout stderr stdin syslog",
    "network": "socket connect bind listen accept send recv getaddrinfo poll select epoll_wait",
    "process": "fork vfork execve execv posix_spawn system popen kill raise signal sigaction "
               "dlopen dlsym syscall exit _exit atexit",
}

# Demangled C++ names and families of C names, by pattern at the start of the symbol.
PATTERNS = {
    "clock": r"std::chrono::(_V2::)?\w*_clock::",
    "random": r"std::random_device|std::mersenne_twister",
    "thread": r"std::(j?thread|this_thread|condition_variable|mutex|recursive_mutex|"
              r"__future_base|_V2::condition|execution|call_once|__once)|pthread_|sem_|thrd_|"
              r"mtx_|__tls_get_addr|__gthread",
    "lock": r"__libc_single_threaded|std::__atomic_|__atomic_",
    "stream": r"std::(__cxx11::)?basic_(i|o|io|if|of|f)\w*stream|std::ios_base|std::(cout|cerr|clog)|"
              r"std::basic_filebuf|std::__basic_file|std::ostream|std::istream",
    "file": r"std::filesystem",
    "locale": r"std::locale|std::use_facet|std::ctype",
    "log": r"spdlog|fmt::",
    "float": r"strto[fd]\b|strtold|pow\b|log\b|exp\b|__addtf3|std::__cxx11::to_string\(double",
}

_C_KIND = {name: kind for kind, names in C_NAMES.items() for name in names.split()}
_PATTERNS = [(kind, re.compile(pattern)) for kind, pattern in PATTERNS.items()]


def kind_of(symbol):
    """The kind of a banned symbol, or None for one that may be there."""
    # Return types and qualifiers come first in some demangled names; fortified calls have
    # __NAME_chk, versioned ones NAME@VERSION.
    name = symbol.split("@")[0]
    fortified = re.fullmatch(r"__(\w+)_chk", name)
    plain = fortified[1] if fortified else name
    if plain in _C_KIND:
        return _C_KIND[plain]
    for kind, pattern in _PATTERNS:
        if pattern.match(name):
            return kind
    return None


def symbols_of(library):
    """(object, type, symbol) of everything that the library's objects define or need."""
    output = subprocess.run(["nm", "-C", library], check=True, capture_output=True, text=True)
    current = library
    for line in output.stdout.splitlines():
        match = re.match(r"(?:[0-9a-f]+| +) ([A-Za-z]) (.+)$", line)
        if match:
            yield current, match[1], match[2]
        elif line.endswith(":"):
            current = line[:-1]


def check(library):
    """(banned symbols that the objects need, each as "object: symbol (kind)"; number of objects)."""
    errors = []
    objects = set()
    for current, kind_of_use, symbol in symbols_of(library):
        objects.add(current)
        kind = kind_of(symbol) if kind_of_use in "Uw" else None
        if kind:
            errors.append(f"{current}: {symbol} ({kind})")
    if not objects:
        errors.append(f"{library}: no symbols at all; is this the right file?")
    return errors, len(objects)


def main():
    errors, objects = check(sys.argv[1])
    if errors:
        print("\n".join(errors))
        print("The core is pure: such things come in as arguments, or belong to a room above.")
        return 1
    print(f"symbols: {objects} objects ask for nothing banned")
    return 0


if __name__ == "__main__":
    sys.exit(main())
