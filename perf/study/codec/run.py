#!/usr/bin/env python3
"""Builds the codec study and runs it several times; prints the tables of docs/decisions/0001.

usage: perf/study/codec/run.py [--runs N] [--build FOLDER]
"""

import argparse
import collections
import pathlib
import platform
import statistics
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
FORMATS = ["own", "protobuf", "flatbuffers"]


def build(folder):
    subprocess.run(["cmake", "-G", "Ninja", "-S", HERE, "-B", folder],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder, "-j2"], check=True, stdout=subprocess.DEVNULL)


def stripped_size(folder, executable):
    stripped = folder / (executable + ".stripped")
    subprocess.run(["strip", "-o", stripped, folder / executable], check=True)
    return stripped.stat().st_size


def machine():
    model = platform.processor() or platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
    compiler = subprocess.run(["c++", "--version"], capture_output=True, text=True, check=True)
    return f"{model}, Linux {platform.release()}, {compiler.stdout.splitlines()[0]}"


def cell(samples, own):
    """Median (least–most) of all runs, and the median of the ratios to the own layout."""
    text = f"{statistics.median(samples):.0f} ({min(samples):.0f}–{max(samples):.0f})"
    if samples is own:
        return text
    return text + f" ×{statistics.median(a / b for a, b in zip(samples, own)):.2f}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--build", type=pathlib.Path,
                        default=HERE.parents[2] / "build" / "codec_study")
    arguments = parser.parse_args()
    build(arguments.build)
    samples = collections.defaultdict(list)
    events = []
    for _ in range(arguments.runs):
        output = subprocess.run([arguments.build / "codec_study"], check=True,
                                capture_output=True, text=True).stdout
        for line in output.splitlines():
            name, event, what, value = line.split("\t")
            samples[name, event, what].append(float(value))
            if event not in events:
                events.append(event)
    print(f"{machine()}; {arguments.runs} runs: median (least–most) ×ratio to own\n")
    titles = {"bytes": "bytes per entry", "encode": "encode, ns",
              "decode": "decode to the machine's struct, ns",
              "native": "decode to the format's own view, ns"}
    for what, title in titles.items():
        print(f"| {title} | " + " | ".join(FORMATS) + " |")
        print("|---|" + "---:|" * len(FORMATS))
        for event in events:
            rows = [samples[name, event, what] for name in FORMATS]
            cells = [f"{row[0]:.0f}" if what == "bytes" else cell(row, rows[0]) for row in rows]
            print(f"| {event} | " + " | ".join(cells) + " |")
        print()
    none = stripped_size(arguments.build, "size_none")
    print("static executable, stripped, beyond one without any format:")
    for name in FORMATS:
        print(f"  {name}: {(stripped_size(arguments.build, 'size_' + name) - none) / 1024:+.0f} KiB")


if __name__ == "__main__":
    main()
