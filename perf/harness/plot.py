"""Plots the points of perf/scale.sh as one SVG, for light and dark pages.

    python3 perf/harness/plot.py RESULTS.json > scale.svg     from what --json has written
"""

import dataclasses
import json
import math
import pathlib
import sys
from xml.sax.saxutils import escape

COLUMNS = 2
PANEL_WIDTH, PANEL_HEIGHT = 460, 300
MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 66, 18, 58, 46
HEAD_HEIGHT = 64
ZERO_GAP = 0.10  # of the width: where an empty history stands, since a log axis has no zero
CHARACTER_WIDTH = 6.4
TICKS = 4

LIGHT = {"page": "#ffffff", "text": "#1f2328", "quiet": "#59636e", "grid": "#e3e6ea",
         "axis": "#8c959f", "series": ("#0b62c4", "#b8500a", "#1a7f37")}
DARK = {"page": "#14181d", "text": "#e6edf3", "quiet": "#9aa4af", "grid": "#2a3037",
        "axis": "#6e7681", "series": ("#6cb0ff", "#f2a261", "#6ccf82")}
SHAPES = """
  text { font: 12px system-ui, sans-serif; }
  .title { font-size: 18px; font-weight: 600; } .panel { font-size: 14px; font-weight: 600; }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
  .s1.line { stroke-dasharray: 7 3; } .s2.line { stroke-dasharray: 2 3; }
"""


def colours(palette):
    """Without variables, so that programs other than browsers understand it too."""
    rules = [f".page {{ fill: {palette['page']}; }}", f"text {{ fill: {palette['text']}; }}",
             f"text.quiet {{ fill: {palette['quiet']}; }}"]
    rules += [f".{name} {{ stroke: {palette[name]}; }}" for name in ("grid", "axis")]
    for number, colour in enumerate(palette["series"]):
        rules.append(f".s{number}.line {{ stroke: {colour}; }}")
        rules.append(f".s{number}.dot {{ fill: {colour}; }}")
    return "  " + " ".join(rules) + "\n"


STYLE = (SHAPES + colours(LIGHT) + "  @media (prefers-color-scheme: dark) {\n"
         + colours(DARK) + "  }\n")


@dataclasses.dataclass
class Panel:
    """One small plot. `series` has up to three lists of (history, value) by name."""
    title: str
    unit: str
    series: dict
    log: bool = False


def short(value):
    """12000 as 12k, 2500000 as 2.5M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def linear_ticks(highest):
    """From 0, in steps of 1, 2 or 5 of a power of ten, until past `highest`."""
    rough = highest / TICKS
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough)
    return [step * i for i in range(math.ceil(highest / step) + 1)]


def decades(lowest, highest):
    return [10.0 ** power for power in range(math.floor(math.log10(lowest)),
                                             math.ceil(math.log10(highest)) + 1)]


class History:
    """The horizontal axis: sizes of the history on a logarithmic scale, and zero left of it."""

    def __init__(self, sizes):
        positive = sorted({size for size in sizes if size > 0}) or [1]
        self.zero = any(size == 0 for size in sizes)
        self.low, self.high = positive[0], positive[-1]
        self.width = PANEL_WIDTH - MARGIN_LEFT - MARGIN_RIGHT

    def at(self, size):
        begin = ZERO_GAP if self.zero else 0.02
        if size == 0:
            return MARGIN_LEFT + self.width * 0.02
        span = math.log(self.high / self.low)
        share = math.log(size / self.low) / span if span else 0.5
        return MARGIN_LEFT + self.width * (begin + share * (0.98 - begin))

    def ticks(self):
        inside = [d for d in decades(self.low, self.high) if self.low <= d <= self.high]
        ticks = inside if len(inside) > 1 else sorted({self.low, self.high})
        return ([0] if self.zero else []) + ticks


class Values:
    """The vertical axis of one panel."""

    def __init__(self, panel):
        values = [value for points in panel.series.values() for _, value in points]
        positive = [value for value in values if value > 0] or [1]
        self.log = panel.log
        self.ticks = decades(min(positive), max(positive)) if panel.log \
            else linear_ticks(max(positive))
        if len(self.ticks) == 1:
            self.ticks.append(self.ticks[0] * 10)

    def at(self, value):
        low, high = self.ticks[0], self.ticks[-1]
        if self.log:
            share = math.log(max(value, low) / low) / math.log(high / low)
        else:
            share = value / high
        return PANEL_HEIGHT - MARGIN_BOTTOM - share * (PANEL_HEIGHT - MARGIN_TOP - MARGIN_BOTTOM)


def text(x, y, content, kind="", anchor="start"):
    return (f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
            f"{escape(content)}</text>")


def rule(kind, x1, y1, x2, y2):
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def axes(panel, across, up):
    right, bottom = PANEL_WIDTH - MARGIN_RIGHT, PANEL_HEIGHT - MARGIN_BOTTOM
    parts = [text(8, 18, panel.title, "panel"),
             text(MARGIN_LEFT - 8, MARGIN_TOP - 12, panel.unit, "quiet", "end")]
    for tick in up.ticks:
        parts.append(rule("grid", MARGIN_LEFT, up.at(tick), right, up.at(tick)))
        parts.append(text(MARGIN_LEFT - 8, up.at(tick) + 4, short(tick), "quiet", "end"))
    for tick in across.ticks():
        x = across.at(tick)
        parts.append(rule("axis", x, bottom, x, bottom + 5))
        parts.append(text(x, bottom + 18, short(tick), "quiet", "middle"))
    parts.append(rule("axis", MARGIN_LEFT, bottom, right, bottom))
    parts.append(text((MARGIN_LEFT + right) / 2, bottom + 36, "closed payments in the history",
                      "quiet", "middle"))
    return parts


def legend(panel):
    parts = []
    x = MARGIN_LEFT
    for number, name in enumerate(panel.series):
        parts.append(f'<path class="s{number} line" d="M{x:.0f} {MARGIN_TOP - 26}h22"/>')
        parts.append(text(x + 27, MARGIN_TOP - 22, name))
        x += 27 + CHARACTER_WIDTH * len(name) + 16
    return parts


def lines(panel, across, up):
    parts = []
    for number, (name, points) in enumerate(panel.series.items()):
        places = [(across.at(size), up.at(value)) for size, value in points]
        path = " ".join(f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(places))
        if path:
            parts.append(f'<path class="s{number} line" d="{path}"/>')
        for (x, y), (size, value) in zip(places, points):
            parts.append(
                f'<circle class="s{number} dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>'
                f"{escape(name)}: {value:,.4g} {escape(panel.unit)} at {size:,} closed payments"
                "</title></circle>")
    return parts


def render(title, subtitle, panels):
    """The whole SVG. Values that were not measured are left out of `series`, never zero."""
    panels = [panel for panel in panels if any(panel.series.values())]
    across = History([size for panel in panels for points in panel.series.values()
                      for size, _ in points])
    width = COLUMNS * PANEL_WIDTH
    height = HEAD_HEIGHT + -(-len(panels) // COLUMNS) * PANEL_HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        f' width="{width}" height="{height}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        text(8, 28, title, "title"), text(8, 48, subtitle, "quiet")]
    for number, panel in enumerate(panels):
        x = number % COLUMNS * PANEL_WIDTH
        y = HEAD_HEIGHT + number // COLUMNS * PANEL_HEIGHT
        up = Values(panel)
        parts += [f'<g transform="translate({x} {y})">', *axes(panel, across, up),
                  *legend(panel), *lines(panel, across, up), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def of_load(points, scenario, connections, side, field, scale=1.0):
    return [(point["payments"], entry[field] * scale) for point in points
            for entry in point["loads"]
            if (entry["scenario"], entry["connections"], entry["side"])
            == (scenario, connections, side)]


def history_panels(points):
    """What the records of `kind: point` say."""
    sizes = [(point["payments"], point["bytes_per_payment"]) for point in points
             if point["payments"]]
    return [
        Panel("Throughput, 64 connections", "1/s", {
            "accept": of_load(points, "accept", 64, "full", "requests_per_s"),
            "complete": of_load(points, "complete", 64, "full", "requests_per_s"),
            "accept, empty server": of_load(points, "accept", 64, "empty", "requests_per_s")}),
        Panel("Accept latency, 64 connections", "ms", {
            name: of_load(points, "accept", 64, "full", field, 1e-3)
            for name, field in (("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p99_9_us"))},
            log=True),
        Panel("Accept latency at a moderate rate", "ms", {
            name: [(point["payments"], point["paced"][field] / 1e3) for point in points]
            for name, field in (("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p99_9_us"))},
            log=True),
        Panel("Anonymous memory", "MiB", {
            name: [(point["payments"], point["anonymous_mib"][field]) for point in points]
            for name, field in (("just started", "ready"), ("after load", "loaded"))}),
        Panel("Disk per payment", "bytes", {
            name: [(size, parts[name]) for size, parts in sizes] for name in ("log", "state")}),
        Panel("From start to ready", "ms", {
            name: [(point["payments"], median(point[field])) for point in points]
            for name, field in (("after SIGTERM", "ready_ms"),
                                ("after kill -9 under load", "killed_ready_ms"))}),
    ]


def history_svg(points):
    points = sorted(points, key=lambda point: point["payments"])
    return render("payonce: what a long history costs",
                  "Each mark is a measured size of the history; medians over the rounds.",
                  history_panels(points))


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: plot.py RESULTS.json > scale.svg")
    records = [json.loads(line) for line in pathlib.Path(sys.argv[1]).read_text().splitlines()]
    points = [record for record in records if record["kind"] == "point"]
    if not points:
        sys.exit("plot.py: no record of kind point")
    sys.stdout.write(history_svg(points))


if __name__ == "__main__":
    main()
