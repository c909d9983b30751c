// The smallest program that reads and writes all four records in one format, or in none: what the
// format adds to a static executable is the difference.
#include <cstdio>

#include "format.h"
#include "samples.h"

int main() {
  std::size_t sum = 0;
#if defined(STUDY_FORMAT_own)
  const auto format = study::make_own();
#elif defined(STUDY_FORMAT_protobuf)
  const auto format = study::make_protobuf();
#elif defined(STUDY_FORMAT_flatbuffers)
  const auto format = study::make_flatbuffers();
#endif
  for (const payonce::core::Record& record : study::samples()) {
    sum += record.stream.size();
#if !defined(STUDY_FORMAT_none)
    std::string entry;
    format->encode(record, entry);
    payonce::core::Record read;
    sum += format->decode(record.seq, entry, read) ? entry.size() : 0;
#endif
  }
  std::printf("%zu\n", sum);
  return 0;
}
