"""The release binary is fully static and small.

usage: static_test.py BINARY
"""

import os
import subprocess
import sys

SIZE_MAX = 20 * 1000 * 1000


def check(binary, size_max=SIZE_MAX):
    errors = []
    ldd = subprocess.run(["ldd", binary], capture_output=True, text=True,
                         env=dict(os.environ, LC_ALL="C"))
    said = (ldd.stdout + ldd.stderr).strip()
    if "not a dynamic executable" not in said:
        errors.append(f"{binary}: ldd says:\n{said}")
    size = os.stat(binary).st_size
    if size >= size_max:
        errors.append(f"{binary}: {size} bytes, has to be under {size_max}")
    return errors


def main():
    errors = check(sys.argv[1])
    size = os.stat(sys.argv[1]).st_size
    print("\n".join(errors) if errors else f"static: not a dynamic executable, {size} bytes")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
