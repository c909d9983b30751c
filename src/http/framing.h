// http/framing.h: strict reading of what decides where a request ends.
//
// The HTTP library is lenient: it decodes percent escapes in header values, reads the size of a
// chunk as strtoul() does, and takes control characters in the request target. Whoever stands in
// front of this server and reads such bytes in another way would see other requests than it does.
// These checks see each byte before the library acts on it, and are content with no more than RFC
// 9112 allows. Private to http. Threads: the owner's. Lifetime: one connection's, begun anew with
// each request. Errors: once a byte was refused, nothing that follows means anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace payonce::http {

// The request line and the headers with the empty line behind them.
class HeadCheck {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{64} << 10;

  // How many of the bytes are well-formed. Less than all: the head ends there, or what follows is
  // refused.
  [[nodiscard]] std::size_t take(std::string_view bytes);
  // Whether nothing behind the request line has been seen.
  [[nodiscard]] bool in_first_line() const { return state_ < State::kLineBegin; }

 private:
  enum class State : std::uint8_t {
    kMethod,
    kTarget,
    kVersion,
    kFirstLineEnd,
    kLineBegin,
    kName,
    kValue,
    kLineEnd,
    kHeadEnd,
    kDone,
  };
  [[nodiscard]] std::size_t take_plain(std::string_view bytes);
  [[nodiscard]] bool take_one(char byte);
  [[nodiscard]] bool take_name(char byte);

  State state_ = State::kMethod;
  std::size_t bytes_ = 0;
  std::size_t part_ = 0;       // bytes of the method, the target or the name so far
  std::string_view expected_;  // Content-Length or Transfer-Encoding, while the name can be that
};

// A chunked body, from its first size to the empty line behind the trailers.
class ChunkCheck {
 public:
  // What extensions and trailers, which are read and dropped, may take in all.
  static constexpr std::size_t kDroppedMax = std::size_t{16} << 10;

  // False: the body is not well-formed.
  [[nodiscard]] bool take(std::string_view bytes);
  [[nodiscard]] bool done() const { return state_ == State::kDone; }

 private:
  enum class State : std::uint8_t {
    kSize,
    kExtension,
    kSizeEnd,
    kData,
    kDataCr,
    kDataLf,
    kTrailerBegin,
    kTrailer,
    kTrailerEnd,
    kBodyEnd,
    kDone,
  };
  [[nodiscard]] bool take_one(char byte);
  [[nodiscard]] bool take_size(char byte);
  [[nodiscard]] bool drop(char byte, State at_cr);

  State state_ = State::kSize;
  std::uint64_t left_ = 0;  // of the chunk
  std::size_t digits_ = 0;  // of its size
  std::size_t dropped_ = 0;
};

}  // namespace payonce::http
