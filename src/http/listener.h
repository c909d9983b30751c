// http/listener.h: cpp-httplib's server with our own loop over a connection's requests.
//
// Private to server.cc, since it includes httplib.h. The library's own loop differs in three ways
// that matter: it announces "Connection: close" after an error but goes on to read what follows as
// requests, it drops bytes that a client sent ahead of the answer (pipelining), and it looks at
// every idle connection a hundred times a second. Threads: one per connection, from the library's
// pool.
#pragma once

#include <httplib.h>

namespace payonce::http {

class Listener final : public httplib::Server {
 public:
  // Tells the loop of the calling connection thread that its last answer announced the end of the
  // connection, so that nothing behind that request is taken for another one.
  static void close_after_answer();

 private:
  bool process_and_close_socket(socket_t socket) override;
  [[nodiscard]] bool wait_for_request(socket_t socket) const;
};

}  // namespace payonce::http
