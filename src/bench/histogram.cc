#include "bench/histogram.h"

#include <hdr_histogram.h>

#include <algorithm>
#include <new>

namespace payonce::bench {
namespace {

constexpr std::int64_t kNsInUs = 1000;
constexpr int kDigits = 3;
constexpr int kTicksPerHalfDistance = 5;
constexpr double kUsInMs = 1000.0;

}  // namespace

void Histogram::Closer::operator()(hdr_histogram* histogram) const { hdr_close(histogram); }

Histogram::Histogram() {
  hdr_histogram* made = nullptr;
  if (hdr_init(1, kMaxUs, kDigits, &made) != 0) {
    throw std::bad_alloc();
  }
  histogram_.reset(made);
}

void Histogram::record_ns(std::int64_t latency_ns) {
  const std::int64_t us = latency_ns / kNsInUs;
  hdr_record_value(histogram_.get(), std::clamp<std::int64_t>(us, 1, kMaxUs));
}

void Histogram::add(const Histogram& other) { hdr_add(histogram_.get(), other.histogram_.get()); }

void Histogram::reset() { hdr_reset(histogram_.get()); }

std::uint64_t Histogram::count() const {
  return static_cast<std::uint64_t>(histogram_->total_count);
}

std::int64_t Histogram::percentile_us(double percent) const {
  return count() == 0 ? 0 : hdr_value_at_percentile(histogram_.get(), percent);
}

std::int64_t Histogram::max_us() const { return count() == 0 ? 0 : hdr_max(histogram_.get()); }

double Histogram::mean_us() const { return count() == 0 ? 0.0 : hdr_mean(histogram_.get()); }

bool Histogram::print(std::FILE* to) const {
  return hdr_percentiles_print(histogram_.get(), to, kTicksPerHalfDistance, kUsInMs, CLASSIC) ==
             0 &&
         std::fflush(to) == 0;
}

}  // namespace payonce::bench
