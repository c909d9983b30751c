// One way to write records, for comparison. Every format gets the same envelope around its body as
// the log's entries have (format byte, XXH3-64 seeded with salt and sequence), so that the figures
// differ by the layout alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/record.h"

namespace study {

inline constexpr std::uint64_t kSalt = 0x0123456789abcdef;

class Format {
 public:
  virtual ~Format() = default;
  // From the machine's struct to an entry, appended to `out`.
  virtual void encode(const payonce::core::Record& record, std::string& out) = 0;
  // From an entry to the machine's struct; checks everything that a reader of a file has to.
  virtual bool decode(payonce::core::Seq seq, std::string_view entry,
                      payonce::core::Record& out) = 0;
  // Decoding as the format's friends would have it: into the generated message, or by looking at
  // each field in place. Returns something that depends on every field.
  virtual std::uint64_t decode_natively(payonce::core::Seq seq, std::string_view entry) = 0;
};

std::unique_ptr<Format> make_own();
std::unique_ptr<Format> make_protobuf();
std::unique_ptr<Format> make_flatbuffers();

}  // namespace study
