"""perf/harness/plot.py: all measured points are in the picture, and it is well-formed XML."""

import os
import pathlib
import sys
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(os.environ.get("PAYONCE_SOURCE_DIR",
                                   pathlib.Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(ROOT / "perf/harness"))

import plot
from plot import Panel

SVG = "{http://www.w3.org/2000/svg}"
SIZES = (0, 10_000, 100_000, 1_000_000, 10_000_000)


def point(payments):
    """A record as perf/scale.sh --json writes it."""
    latencies = {"p50_us": 2000.0, "p99_us": 9000.0, "p99_9_us": 20000.0 + payments / 1000}
    return {
        "kind": "point", "payments": payments,
        "bytes_per_payment": {"log": 1250.0 if payments else None,
                              "state": 2100.0 if payments else None},
        "ready_ms": [8.0, 9.0, 7.0], "killed_ready_ms": [120.0, 130.0],
        "anonymous_mib": {"ready": 2.0, "loaded": 40.0 + payments / 1e6},
        "paced": latencies,
        "loads": [{"scenario": scenario, "connections": connections, "side": side,
                   "requests_per_s": 25000.0, **latencies}
                  for scenario, connections in (("accept", 64), ("complete", 64), ("accept", 1))
                  for side in ("empty", "full")]}


def parse(svg):
    return xml.etree.ElementTree.fromstring(svg)


def dots(root):
    return [(float(dot.get("cx")), float(dot.get("cy"))) for dot in root.iter(SVG + "circle")]


class Plot(unittest.TestCase):
    def test_every_measured_point_is_marked(self):
        panels = plot.history_panels([point(size) for size in SIZES])
        root = parse(plot.history_svg([point(size) for size in SIZES]))
        expected = sum(len(points) for panel in panels for points in panel.series.values())
        # Thirteen lines over all sizes; bytes per payment only where there are payments.
        self.assertEqual(expected, 13 * len(SIZES) + 2 * (len(SIZES) - 1))
        self.assertEqual(len(dots(root)), expected)

    def test_the_marks_are_inside_their_panels(self):
        for x, y in dots(parse(plot.history_svg([point(size) for size in SIZES]))):
            self.assertTrue(plot.MARGIN_LEFT <= x <= plot.PANEL_WIDTH - plot.MARGIN_RIGHT, x)
            self.assertTrue(plot.MARGIN_TOP <= y <= plot.PANEL_HEIGHT - plot.MARGIN_BOTTOM, y)

    def test_larger_histories_are_further_right_and_larger_values_higher(self):
        svg = plot.render("t", "s", [Panel("p", "ms", {"a": [(0, 1), (10, 2), (1000, 300)]})])
        (x0, y0), (x1, y1), (x2, y2) = dots(parse(svg))
        self.assertTrue(x0 < x1 < x2)
        self.assertTrue(y0 > y1 > y2)

    def test_each_mark_tells_its_value(self):
        svg = plot.render("t", "s", [Panel("p", "ms", {"a<b": [(10, 2.5)]}, log=True)])
        titles = [title.text for title in parse(svg).iter(SVG + "title")]
        self.assertIn("a<b: 2.5 ms at 10 closed payments", titles)

    def test_one_point_and_zero_values_can_be_plotted(self):
        for log in (False, True):
            for value in (0, 0.5, 10):
                svg = plot.render("t", "s", [Panel("p", "ms", {"a": [(0, value)]}, log)])
                self.assertEqual(len(dots(parse(svg))), 1)

    def test_it_is_coloured_for_dark_pages_too(self):
        svg = plot.history_svg([point(10_000)])
        self.assertIn("prefers-color-scheme: dark", svg)
        for palette in (plot.LIGHT, plot.DARK):
            for colour in palette["series"]:
                self.assertIn(colour, svg)

    def test_panels_have_titles_and_units(self):
        panels = plot.history_panels([point(10_000)])
        texts = [node.text for node in parse(plot.history_svg([point(10_000)])).iter(SVG + "text")]
        for panel in panels:
            self.assertIn(panel.title, texts)
            self.assertIn(panel.unit, texts)


if __name__ == "__main__":
    unittest.main()
