// Defaults of the sanitizers' run-time options, linked into every executable of the asan and tsan
// presets, so that a test started by hand behaves as it does under ctest. The environment
// (ASAN_OPTIONS and so on) overrides them.

extern "C" {

const char* __asan_default_options();
const char* __ubsan_default_options();
const char* __tsan_default_options();
const char* __tsan_default_suppressions();

const char* __asan_default_options() {
  return "detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1";
}

const char* __ubsan_default_options() { return "print_stacktrace=1"; }

// A drain that runs out of time ends the process on purpose while connection threads still wait,
// and those that have finished by then are not joined; the sanitizer would make that exit code 66.
const char* __tsan_default_options() {
  return "second_deadlock_stack=1:history_size=4:report_thread_leaks=0";
}

// moodycamel::ConcurrentQueue orders its accesses with fences, which the thread sanitizer does not
// model: it would report races that are none. Nothing else is suppressed.
const char* __tsan_default_suppressions() { return "race:moodycamel::\n"; }

}  // extern "C"
