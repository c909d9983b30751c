// Prints one line per format, record and operation: nanoseconds of processor time as the median of
// 15 samples of some 10 ms each; and the size of each entry. The formats take turns sample by
// sample, so that a busy neighbour slows all of them alike. Checks first that what was encoded
// comes back. perf/study/codec/run.py runs it several times and makes the tables.
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "format.h"
#include "samples.h"

namespace study {
namespace {

// Keeps the compiler from dropping what nobody reads.
template <class T>
void use(const T& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

// One thing to measure: `calls(n)` does it n times.
struct Subject {
  const char* format;
  const char* what;
  std::function<void(int)> calls;
  int count = 1000;
  std::vector<double> samples{};
};

double cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double timed(const Subject& subject) {
  const double begin = cpu_ns();
  subject.calls(subject.count);
  return cpu_ns() - begin;
}

void measure(std::vector<Subject>& subjects) {
  for (Subject& subject : subjects) {
    while (timed(subject) < 10e6) {
      subject.count *= 2;
    }
  }
  for (int round = 0; round < 15; ++round) {
    for (Subject& subject : subjects) {
      subject.samples.push_back(timed(subject) / subject.count);
    }
  }
}

bool same(const payonce::core::Record& a, const payonce::core::Record& b, Format& own) {
  std::string bytes_a;
  std::string bytes_b;
  own.encode(a, bytes_a);
  own.encode(b, bytes_b);
  return bytes_a == bytes_b;
}

std::vector<Subject> subjects_of(const char* name, Format& format,
                                 const payonce::core::Record& record, const std::string& entry) {
  return {{name, "encode",
           [&format, &record, out = std::string()](int n) mutable {
             for (int i = 0; i < n; ++i) {
               out.clear();
               format.encode(record, out);
               use(out.data());
             }
           }},
          {name, "decode",
           [&](int n) {
             for (int i = 0; i < n; ++i) {
               payonce::core::Record read;
               use(format.decode(record.seq, entry, read));
             }
           }},
          {name, "native", [&](int n) {
             for (int i = 0; i < n; ++i) {
               use(format.decode_natively(record.seq, entry));
             }
           }}};
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
    const std::string event(payonce::core::event_name(record.event));
    std::array<std::string, formats.size()> entries;
    std::vector<study::Subject> subjects;
    for (std::size_t i = 0; i < formats.size(); ++i) {
      const auto& [name, format] = formats[i];
      format->encode(record, entries[i]);
      payonce::core::Record read;
      if (!format->decode(record.seq, entries[i], read) || !study::same(record, read, *own)) {
        std::fprintf(stderr, "%s does not read back what it wrote\n", name);
        return 1;
      }
      std::printf("%s\t%s\tbytes\t%zu\n", name, event.c_str(), entries[i].size());
      for (study::Subject& subject : study::subjects_of(name, *format, record, entries[i])) {
        subjects.push_back(std::move(subject));
      }
    }
    study::measure(subjects);
    for (study::Subject& subject : subjects) {
      std::ranges::sort(subject.samples);
      std::printf("%s\t%s\t%s\t%.1f\n", subject.format, event.c_str(), subject.what,
                  subject.samples[subject.samples.size() / 2]);
    }
  }
  return 0;
}
