#include "bench/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "bench/report.h"

namespace payonce::bench {
namespace {

constexpr double kWidth = 960;
constexpr double kHeight = 800;
constexpr double kLeft = 90;
constexpr double kRight = 770;  // the legend is behind it
constexpr int kPointsPerNine = 60;
constexpr double kNinesMin = 2;
constexpr std::int64_t kTicksOfTimeMax = 10;

// Colours that are told apart, and seen, on white and on nearly black.
constexpr std::array<std::string_view, 8> kColours{"#2f7ed8", "#e07b00", "#2e9e4f", "#c83c6e",
                                                   "#8a63d2", "#9a7d0a", "#1f9fa8", "#8c6d5a"};

// Without variables, which not every viewer of drawings knows.
constexpr std::string_view kStyle = R"(<style>
text { font-family: system-ui, sans-serif; font-size: 12px; fill: #5b6572; }
.title { font-size: 17px; font-weight: 600; fill: #1d232b; }
.panel { font-size: 13px; font-weight: 600; fill: #1d232b; }
.paper { fill: #ffffff; }
.rule { stroke: #d9dee5; stroke-width: 1; }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
.greatest { fill: none; stroke-width: 1; stroke-dasharray: 3 3; }
@media (prefers-color-scheme: dark) {
  text { fill: #9aa4b1; }
  .title, .panel { fill: #e6e9ee; }
  .paper { fill: #14181d; }
  .rule { stroke: #343c46; }
}
</style>
)";

struct Point {
  double x = 0;
  double y = 0;
};

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string_view colour(std::size_t step) { return kColours[step % kColours.size()]; }

std::string text_at(double x, double y, std::string_view anchor, std::string_view text,
                    std::string_view kind = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" class=\"{}\">{}</text>\n",
                     x, y, anchor, kind, escape(text));
}

std::string rule(double x1, double y1, double x2, double y2) {
  return fmt::format(
      "<line class=\"rule\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", x1, y1,
      x2, y2);
}

std::string polyline(const std::vector<Point>& points, std::string_view kind, std::size_t step) {
  std::string text =
      fmt::format("<polyline class=\"{}\" stroke=\"{}\" points=\"", kind, colour(step));
  for (const Point& point : points) {
    text += fmt::format("{:.1f},{:.1f} ", point.x, point.y);
  }
  return text + "\"/>\n";
}

// A panel whose upright axis is latency in powers of ten.
class Panel {
 public:
  Panel(double top, double bottom, double x_max, std::int64_t least_us, std::int64_t most_us)
      : top_(top),
        bottom_(bottom),
        x_max_(x_max),
        low_(static_cast<int>(std::floor(power_of(least_us)))),
        high_(static_cast<int>(std::ceil(power_of(most_us)))) {
    high_ = std::max(high_, low_ + 1);
  }

  [[nodiscard]] double x(double value) const { return kLeft + value / x_max_ * (kRight - kLeft); }
  [[nodiscard]] double y(std::int64_t us) const {
    const double above = std::max(0.0, power_of(us) - low_);
    return bottom_ - above / (high_ - low_) * (bottom_ - top_);
  }

  [[nodiscard]] std::string latency_axis() const {
    std::string text;
    for (int power = low_; power <= high_; ++power) {
      const std::int64_t us = std::llround(std::pow(10.0, power));
      text += rule(kLeft, y(us), kRight, y(us));
      text += text_at(kLeft - 8, y(us) + 4, "end", decade(us));
    }
    return text;
  }
  [[nodiscard]] std::string tick(double value, std::string_view label) const {
    return rule(x(value), top_, x(value), bottom_) +
           text_at(x(value), bottom_ + 18, "middle", label);
  }

 private:
  static double power_of(std::int64_t us) {
    return std::log10(static_cast<double>(std::max<std::int64_t>(1, us)));
  }
  static std::string decade(std::int64_t us) {
    if (us < 1'000) {
      return fmt::format("{} µs", us);
    }
    return us < 1'000'000 ? fmt::format("{} ms", us / 1'000) : fmt::format("{} s", us / 1'000'000);
  }

  double top_;
  double bottom_;
  double x_max_;
  int low_;  // powers of ten, in microseconds
  int high_;
};

struct Range {
  std::int64_t least_us = Histogram::kMaxUs;
  std::int64_t most_us = 1;

  void take(std::int64_t us) {
    if (us > 0) {
      least_us = std::min(least_us, us);
      most_us = std::max(most_us, us);
    }
  }
};

std::string percentile_panel(const std::vector<StepResult>& steps, double top, double bottom) {
  double nines = kNinesMin;
  Range range;
  for (const StepResult& step : steps) {
    if (step.latency.count() > 0) {
      nines = std::max(nines, std::log10(static_cast<double>(step.latency.count())));
      range.take(step.latency.percentile_us(0));
      range.take(step.latency.max_us());
    }
  }
  nines = std::ceil(nines);
  const Panel panel(top, bottom, nines, std::min(range.least_us, range.most_us), range.most_us);
  std::string text = text_at(kLeft, top - 12, "start", "Latency by percentile", "panel");
  text += panel.latency_axis();
  for (int nine = 0; nine <= static_cast<int>(nines); ++nine) {
    // 0 %, 90 %, 99 %, 99.9 % …: as many digits behind the point as there are nines beyond two.
    text += panel.tick(
        nine, fmt::format("{:.{}f} %", 100 - std::pow(10.0, 2 - nine), std::max(0, nine - 2)));
  }
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Histogram& latency = steps[i].latency;
    if (latency.count() == 0) {
      continue;
    }
    std::vector<Point> points;
    const double end = std::log10(static_cast<double>(latency.count()));
    const int last = static_cast<int>(end * kPointsPerNine);
    for (int at = 0; at <= last; ++at) {
      const double nine = static_cast<double>(at) / kPointsPerNine;
      const double percent = 100 - std::pow(10.0, 2 - nine);
      points.push_back({panel.x(nine), panel.y(latency.percentile_us(percent))});
    }
    points.push_back({panel.x(end), panel.y(latency.max_us())});
    text += polyline(points, "curve", i);
  }
  return text;
}

std::string time_panel(const std::vector<StepResult>& steps, double top, double bottom) {
  Range range;
  std::int64_t length = 1;  // seconds
  for (const StepResult& step : steps) {
    for (const Second& second : step.seconds) {
      if (second.number >= 0 && second.done > 0) {
        range.take(second.p999_us);
        range.take(second.max_us);
        length = std::max(length, second.number + 1);
      }
    }
  }
  const Panel panel(top, bottom, static_cast<double>(length),
                    std::min(range.least_us, range.most_us), range.most_us);
  std::string text =
      text_at(kLeft, top - 12, "start", "By the second: p99.9, and dashed the greatest", "panel");
  text += panel.latency_axis();
  const std::int64_t every = length / kTicksOfTimeMax + 1;
  for (std::int64_t second = 0; second <= length; second += every) {
    text += panel.tick(static_cast<double>(second), fmt::format("{} s", second));
  }
  for (std::size_t i = 0; i < steps.size(); ++i) {
    std::vector<Point> tails;
    std::vector<Point> greatest;
    for (const Second& second : steps[i].seconds) {
      if (second.number >= 0 && second.done > 0) {
        const double x = panel.x(static_cast<double>(second.number) + 0.5);
        tails.push_back({x, panel.y(second.p999_us)});
        greatest.push_back({x, panel.y(second.max_us)});
      }
    }
    text += polyline(greatest, "greatest", i) + polyline(tails, "curve", i);
  }
  return text;
}

std::string legend(const std::vector<StepResult>& steps) {
  constexpr double kX = kRight + 22;
  constexpr double kTop = 90;
  constexpr double kEach = 36;
  std::string text = text_at(kX, kTop - 14, "start", "asked for", "panel");
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const double y = kTop + kEach * static_cast<double>(i);
    text += fmt::format(
        "<line stroke=\"{}\" stroke-width=\"3\" x1=\"{:.0f}\" y1=\"{:.0f}\" x2=\"{:.0f}\" "
        "y2=\"{:.0f}\"/>\n",
        colour(i), kX, y, kX + 20, y);
    text += text_at(kX + 28, y + 4, "start",
                    steps[i].rate == 0 ? "as fast as taken" : format_count(steps[i].rate) + "/s");
    text += text_at(kX + 28, y + 19, "start",
                    fmt::format("achieved {}/s", format_count(rounded(achieved_rate(steps[i])))));
  }
  return text;
}

}  // namespace

std::string render_svg(const std::string& title, const std::vector<StepResult>& steps) {
  std::string text = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "width=\"{0:.0f}\" height=\"{1:.0f}\" role=\"img\">\n<title>{2}</title>\n{3}"
      "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n",
      kWidth, kHeight, escape(title), kStyle);
  text += text_at(kLeft, 34, "start", title, "title");
  text += percentile_panel(steps, 90, 400);
  text += time_panel(steps, 490, 740);
  text += text_at((kLeft + kRight) / 2, 438, "middle",
                  "percentile; each further nine is as wide as the one before");
  text += text_at((kLeft + kRight) / 2, 778, "middle", "seconds of the step");
  return text + legend(steps) + "</svg>\n";
}

}  // namespace payonce::bench
