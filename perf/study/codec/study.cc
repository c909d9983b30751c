// Prints one line per format, record and operation: nanoseconds per operation as the median of 15
// samples of some 10 ms each; and the size of each entry. Checks first that what was encoded comes
// back. perf/study/codec/run.py runs it several times and makes a table.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "format.h"
#include "samples.h"

namespace study {
namespace {

using Clock = std::chrono::steady_clock;

// Keeps the compiler from dropping what nobody reads.
template <class T>
void use(const T& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

double ns_per_call(const std::function<void(int)>& calls) {
  int count = 1000;
  const auto timed = [&](int n) {
    const auto begin = Clock::now();
    calls(n);
    return std::chrono::duration<double, std::nano>(Clock::now() - begin).count();
  };
  while (timed(count) < 10e6) {
    count *= 2;
  }
  std::array<double, 15> samples{};
  for (double& sample : samples) {
    sample = timed(count) / count;
  }
  std::ranges::sort(samples);
  return samples[samples.size() / 2];
}

bool same(const payonce::core::Record& a, const payonce::core::Record& b, Format& own) {
  std::string bytes_a;
  std::string bytes_b;
  own.encode(a, bytes_a);
  own.encode(b, bytes_b);
  return bytes_a == bytes_b;
}

void measure(const char* name, Format& format, const payonce::core::Record& record) {
  const std::string event(payonce::core::event_name(record.event));
  std::string entry;
  format.encode(record, entry);
  std::printf("%s\t%s\tbytes\t%zu\n", name, event.c_str(), entry.size());
  std::string out;
  std::printf("%s\t%s\tencode\t%.1f\n", name, event.c_str(), ns_per_call([&](int n) {
                for (int i = 0; i < n; ++i) {
                  out.clear();
                  format.encode(record, out);
                  use(out.data());
                }
              }));
  std::printf("%s\t%s\tdecode\t%.1f\n", name, event.c_str(), ns_per_call([&](int n) {
                for (int i = 0; i < n; ++i) {
                  payonce::core::Record read;
                  use(format.decode(record.seq, entry, read));
                }
              }));
  std::printf("%s\t%s\tnative\t%.1f\n", name, event.c_str(), ns_per_call([&](int n) {
                for (int i = 0; i < n; ++i) {
                  use(format.decode_natively(record.seq, entry));
                }
              }));
}

}  // namespace
}  // namespace study

int main() {
  const auto own = study::make_own();
  const auto protobuf = study::make_protobuf();
  const auto flatbuffers = study::make_flatbuffers();
  const std::array<std::pair<const char*, study::Format*>, 3> formats{
      {{"own", own.get()}, {"protobuf", protobuf.get()}, {"flatbuffers", flatbuffers.get()}}};
  for (const payonce::core::Record& record : study::samples()) {
    for (const auto& [name, format] : formats) {
      std::string entry;
      format->encode(record, entry);
      payonce::core::Record read;
      if (!format->decode(record.seq, entry, read) || !study::same(record, read, *own)) {
        std::fprintf(stderr, "%s does not read back what it wrote\n", name);
        return 1;
      }
    }
  }
  for (const payonce::core::Record& record : study::samples()) {
    for (const auto& [name, format] : formats) {
      study::measure(name, *format, record);
    }
  }
  return 0;
}
