// adapters/transfers.h: any number of libcurl's transfers on one thread.
//
// One thread, "http calls", waits by epoll for all sockets at once, so a transfer that waits costs
// its socket and its memory, and no thread. libcurl looks names up in threads of its own: no more
// than kLookupsMax transfers do that at a time, and what is started meanwhile waits for them.
// Every transfer is told its end exactly once: by that thread, or by start() after stop().
// Connections stay open and are used again, up to as many as may be in use at once.
// Threads: start() from any, finished() included; stop() from any other than that one.
// Lifetime: stop() ends all transfers at once and returns when all have been told.
#pragma once

#include <curl/curl.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include "base/result.h"

namespace payonce::adapters {

class Transfer {
 public:
  Transfer() = default;
  virtual ~Transfer() = default;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // All its options are set but those that Transfers sets itself (kept out of its way: those of
  // opening sockets and of looking names up). Lives as long as the transfer.
  [[nodiscard]] virtual CURL* handle() = 0;
  // What became of it; nothing when stop() has ended it. Must not throw or block.
  virtual void finished(std::optional<CURLcode> result) = 0;
};

class Transfers {
 public:
  static constexpr std::size_t kLookupsMax = 16;

  // `at_once` is how many transfers there will be at a time, or about so: with more, connections
  // are closed that could have been used again. kFull: the system has no more descriptors.
  [[nodiscard]] static Result<std::unique_ptr<Transfers>> make(std::size_t at_once);
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  void start(std::unique_ptr<Transfer> transfer);
  void stop();

 private:
  using Clock = std::chrono::steady_clock;

  // A file descriptor that is closed with its owner.
  class Descriptor {
   public:
    explicit Descriptor(int value) : value_(value) {}
    ~Descriptor();
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int get() const { return value_; }

   private:
    int value_;
  };
  // A transfer that libcurl has; its address does not change.
  struct Running {
    Transfers* owner;
    std::unique_ptr<Transfer> transfer;
    bool looks_up = false;
  };
  struct FreeMulti {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
  };

  Transfers();
  [[nodiscard]] bool prepare(std::size_t at_once);
  void run();
  [[nodiscard]] bool collect();  // what was started; false once it is over
  void admit();
  void begin(std::unique_ptr<Transfer> transfer);
  void wait_and_act(bool at_once);
  void act(curl_socket_t socket, int events);
  bool tell();  // those that have come to their end; whether there was one
  void end_all();
  void set_looks_up(Running& running, bool looks_up);

  // libcurl's callbacks; the last argument of each is what it was given for this.
  static int on_socket(CURL* easy, curl_socket_t socket, int what, void* self, void* known);
  static int on_timer(CURLM* multi, long after_ms, void* self);
  static int on_lookup(void* resolver, void* reserved, void* running);
  static curl_socket_t on_open(void* running, curlsocktype purpose, curl_sockaddr* address);

  Descriptor epoll_;
  Descriptor doorbell_;  // an eventfd: something was started, or it is over

  std::mutex mutex_;
  std::deque<std::unique_ptr<Transfer>> started_;  // not seen by the thread yet; guarded by mutex_
  bool stopping_ = false;                          // guarded by mutex_

  // The thread's own.
  std::deque<std::unique_ptr<Transfer>> waiting_;  // for others that look names up
  std::unordered_map<CURL*, Running> running_;
  std::size_t lookups_ = 0;
  std::optional<Clock::time_point> due_;  // when libcurl wants to be called in any case
  std::unique_ptr<CURLM, FreeMulti> multi_;

  std::mutex thread_mutex_;
  std::thread thread_;  // guarded by thread_mutex_
};

}  // namespace payonce::adapters
