#include "format.h"
#include "log/codec.h"

namespace study {
namespace {

class Own final : public Format {
 public:
  void encode(const payonce::core::Record& record, std::string& out) override {
    payonce::log::encode_record(record, kSalt, out);
  }
  bool decode(payonce::core::Seq seq, std::string_view entry, payonce::core::Record& out) override {
    auto decoded = payonce::log::decode_record(seq, entry, kSalt);
    if (decoded) {
      out = std::move(*decoded);
    }
    return decoded.has_value();
  }
  std::uint64_t decode_natively(payonce::core::Seq seq, std::string_view entry) override {
    return payonce::log::decode_record(seq, entry, kSalt)->stream.size();
  }
};

}  // namespace

std::unique_ptr<Format> make_own() { return std::make_unique<Own>(); }

}  // namespace study
