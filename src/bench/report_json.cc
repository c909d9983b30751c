// The JSON lines of report.h.
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <string_view>

#include "bench/report.h"

namespace payonce::bench {
namespace {

// One object on one line.
class Line {
 public:
  explicit Line(std::string_view kind) : json_(buffer_) {
    json_.StartObject();
    member("kind", kind);
  }
  void key(std::string_view name) {
    json_.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()));
  }
  void member(std::string_view name, std::string_view text) {
    key(name);
    json_.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  }
  void member(std::string_view name, std::uint64_t number) {
    key(name);
    json_.Uint64(number);
  }
  void member(std::string_view name, std::int64_t number) {
    key(name);
    json_.Int64(number);
  }
  void member(std::string_view name, double number) {
    key(name);
    json_.Double(number);
  }
  void member(std::string_view name, bool flag) {
    key(name);
    json_.Bool(flag);
  }
  rapidjson::Writer<rapidjson::StringBuffer>& json() { return json_; }
  std::string take() {
    json_.EndObject();
    return std::string(buffer_.GetString(), buffer_.GetSize()) + "\n";
  }

 private:
  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer> json_;
};

void members_of(const Counts& counts, Line& line) {
  line.member("ok", counts.of(Outcome::kOk));
  line.member("shed", counts.of(Outcome::kShed));
  line.member("wrong", counts.of(Outcome::kWrong));
  line.member("socket_errors", counts.of(Outcome::kSocketError));
  line.member("timeouts", counts.of(Outcome::kTimeout));
  line.member("not_sent", counts.of(Outcome::kNotSent));
}

void identity(const StepResult& step, Line& line) {
  line.member("scenario", name(step.scenario));
  line.member("started_at", step.started_at);
  line.member("rate", step.rate);
}

std::string second_line(const StepResult& step, const Second& second) {
  Line line("second");
  identity(step, line);
  line.member("second", second.number);
  line.member("sent", second.sent);
  line.member("done", second.done);
  line.member("shed", second.shed);
  line.member("errors", second.errors);
  line.member("backlog", second.backlog);
  line.member("in_flight", second.in_flight);
  line.member("p50_us", second.p50_us);
  line.member("p99_us", second.p99_us);
  line.member("p99_9_us", second.p999_us);
  line.member("max_us", second.max_us);
  return line.take();
}

void latency_members(const Histogram& latency, Line& line) {
  line.key("latency_us");
  line.json().StartObject();
  line.member("mean", latency.mean_us());
  line.member("p50", latency.percentile_us(50));
  line.member("p90", latency.percentile_us(90));
  line.member("p99", latency.percentile_us(99));
  line.member("p99_9", latency.percentile_us(99.9));
  line.member("p99_99", latency.percentile_us(99.99));
  line.member("max", latency.max_us());
  line.json().EndObject();
}

std::string step_line(const StepResult& step) {
  Line line("step");
  identity(step, line);
  line.member("achieved", achieved_rate(step));
  line.member("connections", step.connections);
  line.member("duration_s", static_cast<double>(step.duration_ns) / kNsPerS);
  line.member("warmup_s", static_cast<double>(step.warmup_ns) / kNsPerS);
  line.member("requests", step.requests);
  members_of(step.measured, line);
  line.key("warmup");
  line.json().StartObject();
  members_of(step.warmup, line);
  line.json().EndObject();
  latency_members(step.latency, line);
  line.member("longest_stall_us", step.longest_stall_ns / kNsPerUs);
  line.member("generator_late_p99_us", step.lateness_p99_us);
  line.member("generator_late_max_us", step.lateness_max_us);
  line.member("audited", step.audit.done);
  if (step.audit.done) {
    line.member("accepted", step.audit.accepted);
    line.member("uncertain", step.audit.uncertain);
    line.member("taken", step.audit.taken);
    line.member("held", step.audit.held);
    line.member("open", step.audit.open);
    line.member("settled_s", static_cast<double>(step.settle_ns) / kNsPerS);
    line.member("balanced", step.audit.balanced);
  }
  line.member("good", step.complaints.empty());
  line.key("complaints");
  line.json().StartArray();
  for (const std::string& complaint : step.complaints) {
    line.json().String(complaint.data(), static_cast<rapidjson::SizeType>(complaint.size()));
  }
  line.json().EndArray();
  return line.take();
}

}  // namespace

std::string render_json(const StepResult& step) {
  std::string text;
  for (const Second& second : step.seconds) {
    text += second_line(step, second);
  }
  return text + step_line(step);
}

}  // namespace payonce::bench
