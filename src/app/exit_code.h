// app/exit_code.h: what the process says with its exit status.
#pragma once

namespace payonce::app {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;  // a check failed, or the storage failed while serving
inline constexpr int kExitUsage = 2;   // command line or configuration
inline constexpr int kExitData = 3;    // the data directory is in use, damaged or unusable

}  // namespace payonce::app
