#include "http/framing.h"

#include <algorithm>
#include <array>

#include "base/digits.h"

namespace payonce::http {
namespace {

// Sizes of 15 digits fit, and are far beyond any limit.
constexpr std::size_t kSizeDigitsMax = 15;

constexpr std::string_view kContentLength = "content-length";
constexpr std::string_view kTransferEncoding = "transfer-encoding";

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

enum Kind : std::uint8_t {
  kTokenByte = 1,
  // What may stand in a line of text; bytes above ASCII mean nothing to anybody, and do no harm.
  kTextByte = 2,
  kTargetByte = 4,  // of text without white space, and of a target without a fragment
};

constexpr std::array<std::uint8_t, 256> kKinds = [] {
  std::array<std::uint8_t, 256> kinds{};
  for (std::size_t byte = 0; byte < kinds.size(); ++byte) {
    const char c = static_cast<char>(byte);
    const bool token = (lower(c) >= 'a' && lower(c) <= 'z') || is_digit(c) ||
                       std::string_view("!#$%&'*+-.^_`|~").contains(c);
    const bool text = (byte >= 0x20 && byte != 0x7f) || c == '\t';
    const bool target = text && c != ' ' && c != '\t' && c != '#';
    kinds[byte] = static_cast<std::uint8_t>((token ? kTokenByte : 0) | (text ? kTextByte : 0) |
                                            (target ? kTargetByte : 0));
  }
  return kinds;
}();

bool is(Kind kind, char c) { return (kKinds[static_cast<unsigned char>(c)] & kind) != 0; }

bool is_token(char c) { return is(kTokenByte, c); }

bool is_text(char c) { return is(kTextByte, c); }

}  // namespace

std::size_t HeadCheck::take(std::string_view bytes) {
  bytes = bytes.substr(0, kBytesMax - bytes_);
  std::size_t taken = 0;
  while (true) {
    taken += take_plain(bytes.substr(taken));
    if (taken == bytes.size() || !take_one(bytes[taken])) {
      bytes_ += taken;
      return taken;
    }
    ++taken;
  }
}

// Those in the middle of the target, a name or a value, which is most of a head.
std::size_t HeadCheck::take_plain(std::string_view bytes) {
  Kind kind{};
  if (state_ == State::kTarget) {
    kind = kTargetByte;
  } else if (state_ == State::kName && expected_.empty()) {
    kind = kTokenByte;
  } else if (state_ == State::kValue && expected_.empty()) {
    kind = kTextByte;
  } else {
    return 0;
  }
  std::size_t count = 0;
  while (count < bytes.size() && is(kind, bytes[count])) {
    ++count;
  }
  part_ += count;
  return count;
}

bool HeadCheck::take_one(char byte) {
  switch (state_) {
    case State::kMethod:
      if (byte == ' ' && part_ > 0) {
        state_ = State::kTarget;
        part_ = 0;
        return true;
      }
      ++part_;
      return is_token(byte);
    case State::kTarget:
      if (byte == ' ' && part_ > 0) {
        state_ = State::kVersion;
        return true;
      }
      ++part_;
      return is(kTargetByte, byte);
    case State::kVersion:  // the library knows which there are
      if (byte == '\r') {
        state_ = State::kFirstLineEnd;
        return true;
      }
      return is(kTargetByte, byte);
    case State::kFirstLineEnd:
    case State::kLineEnd:
      if (byte != '\n') {
        return false;
      }
      state_ = State::kLineBegin;
      return true;
    case State::kLineBegin:
      if (byte == '\r') {
        state_ = State::kHeadEnd;
        return true;
      }
      state_ = State::kName;
      part_ = 0;
      expected_ = lower(byte) == 'c'   ? kContentLength
                  : lower(byte) == 't' ? kTransferEncoding
                                       : std::string_view();
      return take_name(byte);
    case State::kName:
      return take_name(byte);
    case State::kValue:
      if (byte == '\r') {
        state_ = State::kLineEnd;
        return true;
      }
      // The library would decode the escape, and read a length, or a coding, that is not there.
      return is_text(byte) && (byte != '%' || expected_.empty());
    case State::kHeadEnd:
      state_ = State::kDone;
      return byte == '\n';
    case State::kDone:
      return false;
  }
  return false;
}

bool HeadCheck::take_name(char byte) {
  if (byte == ':' && part_ > 0) {
    if (part_ != expected_.size()) {
      expected_ = {};
    }
    state_ = State::kValue;
    return true;
  }
  if (!expected_.empty() && (part_ >= expected_.size() || lower(byte) != expected_[part_])) {
    expected_ = {};
  }
  ++part_;
  return is_token(byte);
}

bool ChunkCheck::take(std::string_view bytes) {
  while (!bytes.empty()) {
    if (state_ == State::kData) {
      const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
      left_ -= taken;
      bytes.remove_prefix(taken);
      state_ = left_ == 0 ? State::kDataCr : State::kData;
      continue;
    }
    if (!take_one(bytes.front())) {
      return false;
    }
    bytes.remove_prefix(1);
  }
  return true;
}

bool ChunkCheck::take_one(char byte) {
  switch (state_) {
    case State::kSize:
      return take_size(byte);
    case State::kExtension:
      return drop(byte, State::kSizeEnd);
    case State::kSizeEnd:
      state_ = left_ == 0 ? State::kTrailerBegin : State::kData;
      digits_ = 0;
      return byte == '\n';
    case State::kData:
      return false;  // take() takes it
    case State::kDataCr:
      state_ = State::kDataLf;
      return byte == '\r';
    case State::kDataLf:
      state_ = State::kSize;
      return byte == '\n';
    case State::kTrailerBegin:
      if (byte == '\r') {
        state_ = State::kBodyEnd;
        return true;
      }
      state_ = State::kTrailer;
      return is_token(byte) && drop(byte, State::kTrailerEnd);
    case State::kTrailer:
      return drop(byte, State::kTrailerEnd);
    case State::kTrailerEnd:
      state_ = State::kTrailerBegin;
      return byte == '\n';
    case State::kBodyEnd:
      state_ = State::kDone;
      return byte == '\n';
    case State::kDone:
      return false;
  }
  return false;
}

bool ChunkCheck::take_size(char byte) {
  if (const int digit = hex_digit(byte); digit >= 0) {
    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
    return ++digits_ <= kSizeDigitsMax;
  }
  if (digits_ == 0) {
    return false;
  }
  if (byte == '\r') {
    state_ = State::kSizeEnd;
    return true;
  }
  state_ = State::kExtension;
  return byte == ';';
}

bool ChunkCheck::drop(char byte, State at_cr) {
  if (byte == '\r') {
    state_ = at_cr;
    return true;
  }
  return ++dropped_ <= kDroppedMax && is_text(byte);
}

}  // namespace payonce::http
