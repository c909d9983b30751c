// log/codec.h: how events and rows become bytes. docs/log-format.md is the specification.
//
// An entry is: format (1 byte) | checksum (8 bytes, XXH3-64 little endian) | body. The checksum is
// seeded with the log's salt and the entry's sequence, so an entry that is moved within a log or
// taken from another one fails it just as a flipped bit does.
// The body walks the `fields` of the event: integers as LEB128 varints (signed ones zigzag), texts
// and nested structs with a length before them. New fields are only ever added at the end of a
// struct; an absent tail reads as the default, and an unknown tail is refused as newer.
// Thread-safe: no state. Nothing that bytes contain can reach an assertion.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/record.h"

namespace payonce::log {

inline constexpr std::uint8_t kFormat = 1;

// Appends the entry of `record` to `out`. The first entry of a log is always coded with salt 0,
// since it is the one that names the salt.
void encode_record(const core::Record& record, std::uint64_t salt, std::string& out);

// kCorrupt: checksum or structure is wrong; kVersion: written by a newer payonce.
[[nodiscard]] Result<core::Record> decode_record(core::Seq seq, std::string_view bytes,
                                                 std::uint64_t salt);

// Rows of the state store: checksum (seeded with the salt) | fields.
template <class Row>
void encode_row(const Row& row, std::uint64_t salt, std::string& out);
template <class Row>
[[nodiscard]] Result<void> decode_row(std::string_view bytes, std::uint64_t salt, Row& row);

}  // namespace payonce::log
