#include "http/server.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <functional>
#include <new>
#include <random>
#include <utility>

#include "base/ids.h"
#include "engine/parker.h"
#include "http/headers.h"
#include "http/listener.h"
#include "http/request_framing.h"

namespace payonce::http {
namespace {

// Marks answers that came from a route of ours: the library's own errors have no such body.
constexpr const char* kProblemJson = "application/problem+json";
constexpr const char* kJson = "application/json";
constexpr std::string_view kCallbackPath = "/v1/gateway/callbacks";

std::string new_request_id() {
  // Only has to differ from other requests' ids; no secret rests on it.
  thread_local std::mt19937_64 generator{std::random_device{}()};
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const Timestamp at{std::chrono::duration_cast<std::chrono::microseconds>(now).count()};
  const std::uint64_t a = generator();
  return "req_" + format_uuid_v7(at, a, generator());
}

// The path as it was sent: an encoded slash is no separator, and what is repeated in an answer is
// what the client wrote.
std::string_view raw_path(const httplib::Request& request) {
  return std::string_view(request.target).substr(0, request.target.find('?'));
}

Call to_call(const httplib::Request& request) {
  Call call;
  call.method = request.method;
  call.path = raw_path(request);
  call.body = request.body;
  for (const auto& [name, value] : request.params) {
    call.query.emplace_back(name, value);
  }
  const auto each = [&](const char* name, std::vector<std::string_view>& to) {
    const auto [begin, end] = request.headers.equal_range(name);
    for (auto at = begin; at != end; ++at) {
      to.emplace_back(at->second);
    }
  };
  each("Idempotency-Key", call.idempotency_keys);
  each("Prefer", call.prefer);
  if (call.path == kCallbackPath) {
    call.webhook = {.id = request.get_header_value("webhook-id"),
                    .timestamp = request.get_header_value("webhook-timestamp"),
                    .signature = request.get_header_value("webhook-signature")};
  }
  if (const auto at = request.headers.find("Content-Type"); at != request.headers.end()) {
    call.content_type = at->second;
  }
  return call;
}

void apply(Reply&& reply, httplib::Response& response) {
  response.status = reply.status;
  const char* json = reply.problem ? kProblemJson : kJson;
  response.set_content(std::move(reply.body),
                       reply.content_type != nullptr ? reply.content_type : json);
  if (!reply.location.empty()) {
    response.set_header("Location", reply.location);
  }
  if (!reply.allow.empty()) {
    response.set_header("Allow", reply.allow);
  }
  if (reply.replayed) {
    response.set_header("Idempotent-Replayed", "true");
  }
  if (reply.wait_applied) {
    response.set_header("Preference-Applied",
                        "wait=" + std::to_string(reply.wait_applied->count()));
  }
  if (reply.retry_after_s) {
    response.set_header("Retry-After", std::to_string(*reply.retry_after_s));
  }
}

// The problem behind a status that the library decided on by itself.
Reply library_error(const httplib::Request& request, int status) {
  switch (status) {
    case 404:
      return Api::no_route(request.method, raw_path(request));
    case 413:
      return problem_reply(Code::kPayloadTooLarge, "the body is larger than server.body_bytes_max",
                           raw_path(request));
    case 414:
      return problem_reply(Code::kUriTooLong, "the request target is longer than 8192 bytes", "");
    case 416:
      return problem_reply(Code::kRangeNotSatisfiable, {}, raw_path(request));
    case 500:
      return problem_reply(Code::kInternalError, {}, raw_path(request));
    default: {
      if (Connection::current().timed_out()) {
        return problem_reply(Code::kRequestTimeout,
                             "the request came more slowly than server.read_timeout allows",
                             raw_path(request));
      }
      const bool unrouted =
          request.method == "TRACE" || request.method == "CONNECT" || request.method == "PRI";
      if (unrouted && Connection::current().has_head()) {
        return Api::no_route(request.method, raw_path(request));
      }
      Problem problem{
          .code = Code::kMalformedRequest, .detail = {}, .errors = {}, .payment_id = {}};
      problem.status = status;
      return problem_reply(problem, raw_path(request));
    }
  }
}

bool may_have_body(const httplib::Request& request) {
  return request.method == "POST" || request.method == "PUT" || request.method == "PATCH" ||
         request.method == "DELETE";
}

// Bodies that the library would take apart by itself, by limits of its own.
bool is_form(const httplib::Request& request) {
  const std::string type = request.get_header_value("Content-Type");
  return type.starts_with("multipart/") || type.starts_with("application/x-www-form-urlencoded");
}

// Where a body ends must be beyond doubt. Runs before the body is read.
httplib::Server::HandlerResponse refuse_framing(const httplib::Request& request,
                                                httplib::Response& response) {
  using Response = httplib::Server::HandlerResponse;
  // Answers are never served in parts, and a Range means nothing to a POST (RFC 9110 section 14.2).
  // Left in place, the library would cut, or refuse, an answer whose request was carried out.
  const_cast<httplib::Request&>(request).ranges.clear();
  const RequestFraming framing = framing_of(request);
  if (framing.closes) {
    Connection::current().close_after_answer();
  }
  if (framing.fault != nullptr) {
    apply(problem_reply(Code::kMalformedRequest, framing.fault, raw_path(request)), response);
    Connection::current().close_after_answer();
    return Response::Handled;
  }
  if (framing.chunked) {
    Connection::current().head_is_read_body_in_chunks();
  } else {
    Connection::current().head_is_read(framing.length);
  }
  if (may_have_body(request) && framing.has_body() &&
      (is_form(request) || request.has_header("Content-Encoding"))) {
    apply(problem_reply(Code::kUnsupportedMediaType,
                        "the body must be application/json without a Content-Encoding",
                        raw_path(request)),
          response);
    Connection::current().close_after_answer();  // the body has not been read
    return Response::Handled;
  }
  if (may_have_body(request) && !framing.chunked && !framing.has_length) {
    // Without either header there is no body. The library would take whatever comes next for one,
    // so it is told the length; and lest somebody means what follows as a body, it ends here.
    const_cast<httplib::Request&>(request).headers.emplace("Content-Length", "0");
    Connection::current().close_after_answer();
  }
  return Response::Unhandled;
}

// A whole answer, headers and all, to a connection too many.
std::string turned_away() {
  const Reply reply = problem_reply(Code::kOverloaded, "too many connections are open", "/");
  std::string answer = "HTTP/1.1 503 Service Unavailable\r\n";
  answer.append("Content-Type: ").append(kProblemJson).append("\r\n");
  answer.append("X-Request-Id: ").append(new_request_id()).append("\r\n");
  answer.append("Retry-After: ").append(std::to_string(reply.retry_after_s.value_or(1)));
  answer.append("\r\nConnection: close\r\nContent-Length: ");
  answer.append(std::to_string(reply.body.size())).append("\r\n\r\n").append(reply.body);
  return answer;
}

}  // namespace

struct Server::Library {
  Library(Api& a, observe::Logger& l, ServerOptions o)
      : api(&a),
        log(&l),
        options(std::move(o)),
        server({.connection = {.read_timeout = options.read_timeout,
                               .write_timeout = options.write_timeout,
                               .keep_alive_timeout = options.keep_alive_timeout,
                               .requests_max = options.keep_alive_max_requests},
                .threads = options.threads,
                .connections_max = options.connections_max,
                .turned_away = turned_away,
                .cannot_accept =
                    [this](int code) {
                      log->warn("accept_pauses", {{"why", std::strerror(code)}});
                    },
                .requests_max = options.requests_max}),
        readers(options.readers, options.readers) {}
  ~Library() { readers.shutdown(); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  void set_limits() {
    server.set_payload_max_length(options.body_bytes_max);
    server.set_tcp_nodelay(true);
    // Two servers on one port would share its connections; the library's default allows that.
    server.set_socket_options([](socket_t sock) {
      int yes = 1;
      ::setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
  }

  void set_handlers() {
    const httplib::Server::Handler handler = [this](const httplib::Request& request,
                                                    httplib::Response& response) {
      Call call = to_call(request);
      Connection::current().work_begins();
      const Api::RouteEntry* const route = Api::find_route(call);
      apply(Api::reads_much(route) ? handle_aside(route, call) : api->handle(route, call),
            response);
    };
    // The Api routes by itself; the library only has to hand over every path there is, for which
    // patterns by number of segments cost far less than a regular expression.
    for (const char* pattern :
         {"/v1/payments", "/:a", "/:a/:b", "/:a/:b/:c", "/:a/:b/:c/:d", "/:a/:b/:c/:d/:e"}) {
      server.Get(pattern, handler);
      server.Post(pattern, handler);
      server.Put(pattern, handler);
      server.Patch(pattern, handler);
      server.Delete(pattern, handler);
      server.Options(pattern, handler);
    }
    server.set_pre_routing_handler(
        [](const httplib::Request& request, httplib::Response& response) {
          return refuse_framing(request, response);
        });
    server.set_error_handler([](const httplib::Request& request, httplib::Response& response) {
      if (response.body.empty()) {
        apply(library_error(request, response.status), response);
      }
    });
    server.set_exception_handler([this](const httplib::Request& request,
                                        httplib::Response& response, std::exception_ptr thrown) {
      std::string what = "unknown";
      try {
        std::rethrow_exception(std::move(thrown));
      } catch (const std::bad_alloc&) {
        what = "out of memory";
        if (!Connection::current().work_began()) {
          apply(problem_reply(Code::kOverloaded, "there is too little memory", raw_path(request)),
                response);
          return;
        }
      } catch (const std::exception& e) {
        what = e.what();
      } catch (...) {
      }
      log->error("request_failed",
                 {{"method", request.method}, {"path", request.path}, {"what", what}});
      apply(problem_reply(Code::kInternalError, {}, raw_path(request)), response);
    });
    server.set_post_routing_handler(
        [this](const httplib::Request& request, httplib::Response& response) {
          finish(request, response);
        });
  }

  // The request's fiber waits while one of the readers blocks on the disk for it.
  Reply handle_aside(const Api::RouteEntry* route, Call& call) {
    engine::Parker* const waiter = &engine::Parker::current();
    Reply reply;
    std::exception_ptr thrown;
    std::atomic<bool> done{false};
    readers.enqueue([&, waiter] {
      try {
        reply = api->handle(route, call);
      } catch (...) {
        thrown = std::current_exception();
      }
      done.store(true);
      waiter->unpark();
    });
    while (!done.load()) {
      waiter->park();
    }
    if (thrown) {
      std::rethrow_exception(thrown);
    }
    return reply;
  }

  // Headers that every answer has.
  void finish(const httplib::Request& request, httplib::Response& response) {
    const auto given = request.headers.find("X-Request-Id");
    const bool keep = given != request.headers.end() && valid_request_id(given->second);
    const std::string id = keep ? given->second : new_request_id();
    response.set_header("X-Request-Id", id);
    // The library announces the end of the connection with every error. A refusal by a rule of ours
    // has been read whole, so the connection stays good.
    const bool ours =
        Connection::current().has_head() && (response.status == 402 || response.status == 404 ||
                                             response.status == 409 || response.status == 422);
    if (Connection::current().stopping() || Connection::current().closes_after_answer()) {
      response.headers.erase("Keep-Alive");
      response.headers.erase("Connection");
      response.set_header("Connection", "close");
    } else if (ours) {
      response.headers.erase("Connection");
    }
    if (response.get_header_value("Connection") == "close") {
      Connection::current().close_after_answer();
    }
    if (options.access_log) {
      log->info("request", {{"request_id", id},
                            {"method", request.method},
                            {"path", request.path},
                            {"status", response.status},
                            {"remote", request.remote_addr}});
    }
  }

  Api* api;
  observe::Logger* log;
  ServerOptions options;
  Listener server;
  httplib::ThreadPool readers;
};

Server::Server(Api& api, observe::Logger& log, ServerOptions options)
    : library_(std::make_unique<Library>(api, log, std::move(options))) {
  library_->set_limits();
  library_->set_handlers();
}

Server::~Server() = default;

Result<int> Server::bind() {
  const ServerOptions& options = library_->options;
  if (auto opened = library_->server.open(); !opened) {
    return std::unexpected(opened.error());
  }
  int port = options.port;
  errno = 0;
  const bool bound = port == 0 ? (port = library_->server.bind_to_any_port(options.host)) > 0
                               : library_->server.bind_to_port(options.host, port);
  if (!bound) {
    const int code = errno;
    const bool exhausted = code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
    return fail(
        Errc::kInUse,
        "cannot listen on " + options.host + ":" + std::to_string(options.port) + ": " +
            (exhausted ? std::strerror(code) : "the address is in use or not one of this machine"));
  }
  return port;
}

bool Server::serve() { return library_->server.accept_until_stopped(); }

void Server::stop() { library_->server.stop_accepting(); }

Result<int> probe(const std::string& host, int port, const std::string& path,
                  std::chrono::milliseconds timeout) {
  httplib::Client client(host, port);
  client.set_connection_timeout(timeout);
  client.set_read_timeout(timeout);
  client.set_write_timeout(timeout);
  const auto response = client.Get(path);
  if (!response) {
    return fail(Errc::kIo, "no answer from " + host + ":" + std::to_string(port) + ": " +
                               httplib::to_string(response.error()));
  }
  return response->status;
}

}  // namespace payonce::http
