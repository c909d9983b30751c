// bench/histogram.h: latencies in an HDR histogram, from 1 µs to an hour with three digits.
//
// Takes nanoseconds, keeps microseconds, answers microseconds. Less than a microsecond counts as
// one, more than an hour as an hour. One thread; about 200 KiB for its life. Memory that cannot be
// had throws std::bad_alloc.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>

struct hdr_histogram;

namespace payonce::bench {

class Histogram {
 public:
  static constexpr std::int64_t kMaxUs = 3'600'000'000;

  Histogram();

  void record_ns(std::int64_t latency_ns);
  void add(const Histogram& other);
  void reset();

  [[nodiscard]] std::uint64_t count() const;
  // The value that `percent` of all lie at or below; 0 when there is none.
  [[nodiscard]] std::int64_t percentile_us(double percent) const;
  [[nodiscard]] std::int64_t max_us() const;
  [[nodiscard]] double mean_us() const;

  // The text format of HdrHistogram's plotters, in milliseconds. False: the file took no more.
  [[nodiscard]] bool print(std::FILE* to) const;

 private:
  struct Closer {
    void operator()(hdr_histogram* histogram) const;
  };
  std::unique_ptr<hdr_histogram, Closer> histogram_;
};

}  // namespace payonce::bench
