#include "http/exchange.h"

namespace payonce::http {
namespace {

// What a client that was turned away should wait: long enough to let a burst pass, short enough not
// to leave the server idle.
constexpr int kRetryAfterSeconds = 1;

}  // namespace

Reply problem_reply(const Problem& problem, std::string_view path) {
  Reply reply;
  reply.status = problem.status != 0 ? problem.status : info(problem.code).status;
  reply.problem = true;
  reply.body = render(problem, path);
  if (reply.status == 503) {
    reply.retry_after_s = kRetryAfterSeconds;
  }
  return reply;
}

Reply problem_reply(Code code, std::string detail, std::string_view path) {
  return problem_reply(simple_problem(code, std::move(detail)), path);
}

}  // namespace payonce::http
