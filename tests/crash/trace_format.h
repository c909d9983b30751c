// tests/crash/trace_format.h: what call_tracer writes down and power_cut reads.
//
// A trace is a sequence of records, each a Head and `size` bytes behind it, in the order in which
// the calls began. A call that has a result gets a second record, kEnd, when it returned. Numbers
// are those of the machine: a trace is read where it was written.
#pragma once

#include <cstdint>

namespace payonce::crash {

enum class Kind : std::uint32_t {
  kFile = 1,      // a file seen for the first time, or under a new name; bytes: its path
  kWrite = 2,     // pwrite and its kin; offset; bytes: what is written
  kTruncate = 3,  // ftruncate; offset: the new length
  kSync = 4,      // fdatasync, fsync of a file
  kSyncDir = 5,   // fsync of a directory; bytes: its path
  kRename = 6,    // bytes: old path, zero byte, new path
  kSend = 7,      // to a socket; bytes: what is sent
  kEnd = 8,       // call `call` returned; offset: its result
  kOther = 9,     // any other call that matters, fallocate too: power_cut has no model of holes
};

struct Head {
  Kind kind = Kind::kOther;
  std::uint32_t durable = 0;  // kWrite: 1 when the file is open with O_DSYNC
  std::uint64_t call = 0;     // number of the call, from 1
  std::uint64_t file = 0;     // inode
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};
static_assert(sizeof(Head) == 40);

}  // namespace payonce::crash
