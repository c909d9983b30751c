// http/connection.h: one client's connection: its bytes, and the requests on it one after another.
//
// Private to the server, since it includes httplib.h. While no request is in progress it is an
// entry in its loop and nothing more. Threads: the loop's.
#pragma once

#include <httplib.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/framing.h"
#include "http/loop.h"

namespace payonce::http {

struct ConnectionLimits {
  std::chrono::milliseconds read_timeout{10'000};
  std::chrono::milliseconds write_timeout{10'000};
  std::chrono::seconds keep_alive_timeout{60};
  std::size_t requests_max = 1'000'000;
};

class Connection final : public httplib::Stream, public Loop::Socket {
 public:
  // Who turns requests into answers, and who is told when the connection is over.
  class Owner {
   public:
    virtual ~Owner() = default;
    // Reads one request and answers it. False: the connection is of no more use.
    virtual bool process(Connection& connection, bool last) = 0;
    virtual void over(Connection& connection) = 0;  // closed; may be deleted
    [[nodiscard]] virtual bool stopping() const = 0;
  };

  // Takes the socket, which does not block.
  Connection(int fd, Loop& loop, Owner& owner, const ConnectionLimits& limits);
  ~Connection() override;

  // The connection whose request the calling fiber works on.
  [[nodiscard]] static Connection& current();

  // The answer that is being written announces the end of the connection, so nothing behind this
  // request may be taken for another one.
  void close_after_answer() { keep_ = false; }
  [[nodiscard]] bool closes_after_answer() const { return !keep_; }
  // The server is ending: the answer should say that the connection does too.
  [[nodiscard]] bool stopping() const { return owner_->stopping(); }
  // From now on a body is read, whose time depends on its size, and which has as many bytes.
  void head_is_read(std::uint64_t body_bytes = 0);
  // Or it comes in chunks.
  void head_is_read_body_in_chunks();
  // Whether it was: a head that is not well-formed never is, and what follows means nothing.
  [[nodiscard]] bool has_head() const { return !reading_head_; }
  // The request was read, and is being carried out: from now on a failure leaves it in doubt.
  void work_begins() { working_ = true; }
  [[nodiscard]] bool work_began() const { return working_; }
  // Whether the request ended for the reason that it did not come in time.
  [[nodiscard]] bool timed_out() const { return timed_out_; }
  // Ends it if it has no request in progress, and has had none since `before`.
  void close_if_idle_since(Loop::Clock::time_point before);

  [[nodiscard]] const std::string& remote_address() const { return remote_address_; }
  [[nodiscard]] int remote_port() const { return remote_port_; }
  [[nodiscard]] const std::string& local_address() const { return local_address_; }
  [[nodiscard]] int local_port() const { return local_port_; }

  // httplib::Stream; in a fiber only.
  bool is_readable() const override { return used_ < filled_; }
  bool wait_readable() const override { return true; }  // read() waits
  bool wait_writable() const override { return true; }  // write() waits
  bool is_peer_alive() const override { return !gone; }
  ssize_t read(char* to, std::size_t size) override;
  ssize_t write(const char* from, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return fd(); }
  time_t duration() const override { return 0; }

 private:
  void on_ready() override;
  void serve();
  [[nodiscard]] bool has_more();
  void begin_request();
  [[nodiscard]] bool body_is_read() const;
  ssize_t read_head_byte(char* to);
  ssize_t read_body(char* to, std::size_t size);
  ssize_t read_ahead(char* to, std::size_t size);
  ssize_t fill();
  ssize_t receive(char* to, std::size_t size, Loop::Clock::time_point deadline);
  void extend_deadline(std::size_t received);
  void linger();
  void close();

  Loop* loop_;
  Owner* owner_;
  const ConnectionLimits* limits_;
  std::size_t requests_left_;
  bool busy_ = false;
  bool keep_ = true;
  Loop::Clock::time_point idle_since_;
  bool reading_head_ = false;
  Loop::Clock::time_point deadline_;                       // of what is being read
  std::optional<Loop::Clock::time_point> write_deadline_;  // once an answer did not fit
  bool timed_out_ = false;
  bool working_ = false;
  bool malformed_ = false;
  // What is left of a request line that is not one, for the library to read.
  std::string_view line_end_;
  HeadCheck head_;
  std::uint64_t body_left_ = 0;
  std::optional<ChunkCheck> chunks_;
  std::string remote_address_;
  int remote_port_ = 0;
  std::string local_address_;
  int local_port_ = 0;
  // What has been received ahead of what was read.
  std::vector<char> buffer_;
  std::size_t used_ = 0;
  std::size_t filled_ = 0;
  std::size_t checked_ = 0;  // where what is known to be a good part of a head ends
};

}  // namespace payonce::http
