// app/fault_handler.h: a last word when a memory fault, or a want of memory, ends the process.
//
// LMDB reads its files through a mapping and trusts what is on their pages. A file that was cut or
// overwritten can therefore end the process by SIGBUS or SIGSEGV. Nothing can be saved at that
// point, but the operator can be told where to look, and the state, which can be rebuilt, is
// distrusted. A std::bad_alloc that nobody handles ends it with kExitFailed, and a line of the log.
#pragma once

#include <string>

namespace payonce::app {

// Once, before the data is opened. The process still dies of the signal.
void install_fault_handler(const std::string& data_path);

}  // namespace payonce::app
