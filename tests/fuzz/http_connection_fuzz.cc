// The bytes of one connection, through the whole server: sockets, loop, fibers, cpp-httplib,
// routes, engine, log and state.
//
// The input is what the client sends; each '^' is not sent, and is where the client waits until the
// server has read all before it. Then the client sends no more and reads to the end, which comes.
// What the server sends is nothing but well-formed answers, no more than there were requests, none
// behind one that announced the end; each has a request id, and JSON or a problem with a stable
// code; none is 500. Once every task is answered the ledger is in balance.
#include <http_parser.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <rapidjson/document.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "fuzz/fuzz.h"
#include "fuzz/http_world.h"
#include "http/problem.h"

namespace payonce::http {
namespace {

using fuzz::require;

constexpr int kCutsMax = 32;
// Far longer than anything takes: a connection that is still open then hangs.
constexpr std::chrono::seconds kPatience{8};

// One answer, as http-parser reads its head.
struct Answer {
  int status = 0;
  std::int64_t length = -1;
  bool ends_connection = false;
  std::multimap<std::string, std::string> fields;  // names in lower case
  std::string_view body;

  [[nodiscard]] std::string field(const std::string& name) const {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string() : found->second;
  }
};

class HeadParser {
 public:
  explicit HeadParser(Answer& answer) : answer_(&answer) {}

  // Whether `head` is the well-formed head of an answer.
  bool parse(std::string_view head) {
    http_parser_settings settings;
    http_parser_settings_init(&settings);
    settings.on_header_field = [](http_parser* parser, const char* at, std::size_t size) {
      return self(parser).take_field({at, size});
    };
    settings.on_header_value = [](http_parser* parser, const char* at, std::size_t size) {
      self(parser).value_.append(at, size);
      self(parser).in_value_ = true;
      return 0;
    };
    settings.on_headers_complete = [](http_parser* parser) {
      return self(parser).complete(parser);
    };
    http_parser parser;
    http_parser_init(&parser, HTTP_RESPONSE);
    parser.data = this;
    return http_parser_execute(&parser, &settings, head.data(), head.size()) == head.size() &&
           HTTP_PARSER_ERRNO(&parser) == HPE_OK && complete_;
  }

 private:
  static HeadParser& self(http_parser* parser) { return *static_cast<HeadParser*>(parser->data); }
  int take_field(std::string_view part) {
    flush();
    for (const char c : part) {
      name_ += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return 0;
  }
  void flush() {
    if (in_value_) {
      answer_->fields.emplace(std::move(name_), std::move(value_));
      name_.clear();
      value_.clear();
      in_value_ = false;
    }
  }
  int complete(http_parser* parser) {
    flush();
    complete_ = true;
    answer_->status = static_cast<int>(parser->status_code);
    if ((parser->flags & F_CONTENTLENGTH) != 0) {
      answer_->length = static_cast<std::int64_t>(parser->content_length);
    }
    answer_->ends_connection = answer_->field("connection") == "close";
    return 1;  // the body is looked at by us
  }

  Answer* answer_;
  std::string name_;
  std::string value_;
  bool in_value_ = false;
  bool complete_ = false;
};

// The client's end of a connection.
class Client {
 public:
  explicit Client(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int yes = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int code = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    if (code != 0 && errno == EINTR) {  // libFuzzer's clock: it goes on by itself
      pollfd waiting{.fd = fd_, .events = POLLOUT, .revents = 0};
      while (::poll(&waiting, 1, -1) != 1) {
      }
      code = (waiting.revents & (POLLERR | POLLHUP)) == 0 ? 0 : -1;
    }
    require(code == 0, "the server takes connections", std::strerror(errno));
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Stops at what the server does not take any more.
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t put = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (put < 0 && errno == EINTR) {
        continue;
      }
      if (put <= 0) {
        return;
      }
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
  }

  // Until the server has read what was sent, or is busy for too long to wait for.
  void wait_until_read() {
    const int peer = find_peer();
    for (int tries = 0; peer >= 0 && tries < 2000; ++tries) {
      int unread = 0;
      if (::ioctl(peer, FIONREAD, &unread) != 0 || unread == 0) {
        return;
      }
      std::this_thread::yield();
    }
  }

  // All that the server sends, after the last that we do.
  std::string read_to_end() {
    ::shutdown(fd_, SHUT_WR);
    std::string all;
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (true) {
      pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
      const int ready = ::poll(&waiting, 1, 1000);
      require(std::chrono::steady_clock::now() < end,
              "a connection whose client sends no more ends", all);
      if (ready <= 0) {
        continue;
      }
      char buffer[16'384];
      const ssize_t got = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        continue;
      }
      if (got <= 0) {
        return all;  // its end, or a reset
      }
      all.append(buffer, static_cast<std::size_t>(got));
    }
  }

 private:
  // The server's end, which is in this process; -1 when it is not accepted yet, or closed.
  [[nodiscard]] int find_peer() const {
    constexpr int kDescriptorsMax = 256;
    const sockaddr_in own = address_of(fd_, ::getsockname);
    for (int fd = 3; fd < kDescriptorsMax; ++fd) {
      const sockaddr_in other = address_of(fd, ::getpeername);
      if (fd != fd_ && other.sin_port == own.sin_port && own.sin_port != 0) {
        return fd;
      }
    }
    return -1;
  }
  template <class Get>
  static sockaddr_in address_of(int fd, Get get) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    if (get(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
        address.sin_family != AF_INET) {
      address.sin_port = 0;
    }
    return address;
  }

  int fd_;
};

void check_problem(const Answer& answer, const rapidjson::Document& body) {
  const auto text = [&](const char* name) {
    const auto found = body.FindMember(name);
    require(found != body.MemberEnd() && found->value.IsString(), "a problem has its members",
            name);
    return std::string_view(found->value.GetString(), found->value.GetStringLength());
  };
  const std::string_view code = text("code");
  require(
      std::ranges::any_of(all_codes(), [&](const CodeInfo& known) { return known.name == code; }),
      "a problem has a stable code", code);
  require(text("type") == "urn:payonce:error:" + std::string(code), "a problem has its type", code);
  require(!text("title").empty() && !text("detail").empty(), "a problem has words", code);
  require(body.HasMember("status") && body["status"].IsInt() &&
              body["status"].GetInt() == answer.status,
          "a problem has the answer's status", answer.body);
}

void check_answer(const Answer& answer, std::string_view sent) {
  require(answer.status >= 200 && answer.status < 600 && answer.status != 500,
          "an answer has a status that is meant", sent);
  require(answer.fields.count("x-request-id") == 1 && valid_id(answer.field("x-request-id")),
          "an answer has one request id", sent);
  require(answer.length >= 0 && answer.fields.count("transfer-encoding") == 0 &&
              answer.fields.count("content-length") == 1,
          "an answer has one length", sent);
  require(answer.status != 405 || !answer.field("allow").empty(), "405 names the methods", sent);
  require(answer.status != 503 || !answer.field("retry-after").empty(), "503 says when", sent);
  const std::string type = answer.field("content-type");
  const bool problem = type == "application/problem+json";
  require(problem == (answer.status >= 400), "an error is a problem, and nothing else is", sent);
  if (answer.body.empty()) {
    return;  // of a HEAD
  }
  if (!problem && type != "application/json") {
    require(type.starts_with("text/plain"), "an answer is JSON, or the metrics", type);
    return;
  }
  rapidjson::Document body;
  body.Parse<rapidjson::kParseValidateEncodingFlag>(answer.body.data(), answer.body.size());
  require(!body.HasParseError() && body.IsObject(), "a body is a JSON object", answer.body);
  if (problem) {
    check_problem(answer, body);
  }
}

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos;
       at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

void check_answers(std::string_view rest, std::string_view sent) {
  constexpr std::string_view kHeadEnd = "\r\n\r\n";
  const bool may_be_head = sent.find("HEAD") != std::string_view::npos;
  std::size_t count = 0;
  bool ended = false;
  while (!rest.empty()) {
    require(!ended, "nothing follows an answer that ends the connection", rest);
    const std::size_t end = rest.find(kHeadEnd);
    require(end != std::string_view::npos, "every answer has a head", rest);
    Answer answer;
    HeadParser parser(answer);
    require(parser.parse(rest.substr(0, end + kHeadEnd.size())), "a head is well-formed", rest);
    rest.remove_prefix(end + kHeadEnd.size());
    if (answer.status == 100) {
      require(sent.find("100-") != std::string_view::npos, "only who asks for it is told to go on");
      continue;
    }
    // The answer to a HEAD has the length, but not the body.
    const bool without = may_be_head && (rest.empty() || rest.starts_with("HTTP/1."));
    const auto length = static_cast<std::size_t>(std::max<std::int64_t>(answer.length, 0));
    require(without || rest.size() >= length, "an answer is whole", rest);
    answer.body = rest.substr(0, without ? 0 : length);
    rest.remove_prefix(answer.body.size());
    check_answer(answer, sent);
    ended = answer.ends_connection;
    ++count;
  }
  require(count <= count_of(sent, "HTTP/") + 1, "there are no more answers than requests", sent);
}

void check_ledger(Api& api) {
  Call call;
  call.method = "GET";
  call.path = "/v1/ledger";
  const Reply reply = api.handle(call);
  rapidjson::Document body;
  body.Parse(reply.body.c_str());
  require(reply.status == 200 && !body.HasParseError() && body["balanced"].GetBool(),
          "the ledger is in balance", reply.body);
  for (const auto& total : body["totals"].GetObject()) {
    const std::string_view sum = total.value.GetString();
    require(sum.find_first_not_of("0.") == std::string_view::npos, "all sums are zero", reply.body);
  }
}

void http_connection(std::string_view input) {
  fuzz::HttpFront& front = fuzz::HttpFront::instance();
  fuzz::HttpWorld world(front.api());
  std::string sent;
  std::string answers;
  {
    Client client(front.port());
    for (int cuts = 0; !input.empty(); ++cuts) {
      const std::string_view part = fuzz::take_until(input, "^");
      sent.append(part);
      client.send(part);
      if (!input.empty() && cuts < kCutsMax) {
        client.wait_until_read();
      }
    }
    answers = client.read_to_end();
  }
  check_answers(answers, sent);
  world.answer_tasks();
  check_ledger(front.api());
}

}  // namespace
}  // namespace payonce::http

PAYONCE_FUZZ_TARGET(payonce::http::http_connection)
