#include "adapters/transfers.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "adapters/curl_call.h"
#include "base/assert.h"
#include "observe/thread_name.h"

namespace payonce::adapters {
namespace {

using std::chrono::ceil;
using std::chrono::milliseconds;

constexpr std::size_t kEventsMax = 64;  // taken from epoll at a time

int to_curl(std::uint32_t events) {
  int bits = 0;
  // An end shows when it is read.
  bits |= (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 ? CURL_CSELECT_IN : 0;
  bits |= (events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0;
  bits |= (events & EPOLLERR) != 0 ? CURL_CSELECT_ERR : 0;
  return bits;
}

}  // namespace

Transfers::Descriptor::~Descriptor() {
  if (value_ >= 0) {
    ::close(value_);
  }
}

Transfers::Transfers()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      doorbell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      multi_(curl_ready() ? curl_multi_init() : nullptr) {}

bool Transfers::prepare(std::size_t at_once) {
  epoll_event ring{.events = EPOLLIN, .data = {.fd = doorbell_.get()}};
  if (epoll_.get() < 0 || doorbell_.get() < 0 || multi_ == nullptr ||
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, doorbell_.get(), &ring) != 0) {
    return false;
  }
  bool good = true;
  const auto set = [&](CURLMoption option, auto value) {
    good = good && curl_multi_setopt(multi_.get(), option, value) == CURLM_OK;
  };
  set(CURLMOPT_SOCKETFUNCTION, &on_socket);
  set(CURLMOPT_SOCKETDATA, static_cast<void*>(this));
  set(CURLMOPT_TIMERFUNCTION, &on_timer);
  set(CURLMOPT_TIMERDATA, static_cast<void*>(this));
  set(CURLMOPT_MAXCONNECTS, static_cast<long>(std::max<std::size_t>(at_once, 1)));
  set(CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  return good;
}

Result<std::unique_ptr<Transfers>> Transfers::make(std::size_t at_once) {
  std::unique_ptr<Transfers> made(new Transfers());
  if (!made->prepare(at_once)) {
    return fail(Errc::kFull, "no descriptors or no memory for HTTP calls");
  }
  made->thread_ = std::thread([self = made.get()] { self->run(); });
  return made;
}

Transfers::~Transfers() { stop(); }

void Transfers::start(std::unique_ptr<Transfer> transfer) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      started_.push_back(std::move(transfer));
      if (started_.size() == 1) {
        ::eventfd_write(doorbell_.get(), 1);
      }
      return;
    }
  }
  transfer->finished(std::nullopt);
}

void Transfers::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    ::eventfd_write(doorbell_.get(), 1);
  }
  const std::lock_guard lock(thread_mutex_);
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Transfers::run() {
  observe::name_thread("http calls");
  while (collect()) {
    admit();
    // One that was told may have started others.
    wait_and_act(/*at_once=*/tell());
    static_cast<void>(tell());
  }
  end_all();
}

bool Transfers::collect() {
  const std::lock_guard lock(mutex_);
  std::ranges::move(started_, std::back_inserter(waiting_));
  started_.clear();
  return !stopping_;
}

void Transfers::admit() {
  while (lookups_ < kLookupsMax && !waiting_.empty()) {
    std::unique_ptr<Transfer> next = std::move(waiting_.front());
    waiting_.pop_front();
    begin(std::move(next));
  }
}

void Transfers::begin(std::unique_ptr<Transfer> transfer) {
  CURL* const easy = transfer->handle();
  if (easy == nullptr) {
    transfer->finished(CURLE_FAILED_INIT);
    return;
  }
  Running& running =
      running_.emplace(easy, Running{.owner = this, .transfer = std::move(transfer)}).first->second;
  auto* const self = static_cast<void*>(&running);
  bool good = true;
  const auto set = [&](CURLoption option, auto value) {
    good = good && curl_easy_setopt(easy, option, value) == CURLE_OK;
  };
  set(CURLOPT_RESOLVER_START_FUNCTION, &on_lookup);
  set(CURLOPT_RESOLVER_START_DATA, self);
  set(CURLOPT_OPENSOCKETFUNCTION, &on_open);
  set(CURLOPT_OPENSOCKETDATA, self);
  // A transfer that ends during its lookup leaves the lookup alone; otherwise all would wait for
  // it.
  set(CURLOPT_QUICK_EXIT, 1L);
  if (!good || curl_multi_add_handle(multi_.get(), easy) != CURLM_OK) {
    const auto ended = running_.extract(easy);
    ended.mapped().transfer->finished(CURLE_FAILED_INIT);
    return;
  }
  // As far as it gets: to a connection that is there, or to a lookup.
  act(CURL_SOCKET_TIMEOUT, 0);
}

void Transfers::wait_and_act(bool at_once) {
  int nap = -1;
  if (at_once || (lookups_ < kLookupsMax && !waiting_.empty())) {
    nap = 0;
  } else if (due_) {
    const auto left = ceil<milliseconds>(*due_ - Clock::now());
    nap = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
  }
  std::array<epoll_event, kEventsMax> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), nap);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events.at(static_cast<std::size_t>(i));
    if (event.data.fd == doorbell_.get()) {
      eventfd_t rings = 0;
      ::eventfd_read(doorbell_.get(), &rings);
    } else {
      act(event.data.fd, to_curl(event.events));
    }
  }
  if (due_ && *due_ <= Clock::now()) {
    due_.reset();
    act(CURL_SOCKET_TIMEOUT, 0);
  }
}

void Transfers::act(curl_socket_t socket, int events) {
  int left = 0;
  const CURLMcode code = curl_multi_socket_action(multi_.get(), socket, events, &left);
  PAYONCE_ASSERT(code == CURLM_OK);  // our callbacks never fail, and it is called by one thread
}

bool Transfers::tell() {
  bool any = false;
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    CURL* const easy = message->easy_handle;
    const CURLcode code = message->data.result;  // the message goes with the handle
    curl_multi_remove_handle(multi_.get(), easy);
    auto ended = running_.extract(easy);
    set_looks_up(ended.mapped(), false);
    ended.mapped().transfer->finished(code);
    any = true;
  }
  return any;
}

void Transfers::end_all() {
  // All of them off their sockets before anybody is told.
  for (const auto& [easy, running] : running_) {
    curl_multi_remove_handle(multi_.get(), easy);
  }
  for (const auto& [easy, running] : std::exchange(running_, {})) {
    running.transfer->finished(std::nullopt);
  }
  // After stop() nothing is added to either.
  for (const auto& transfer : std::exchange(waiting_, {})) {
    transfer->finished(std::nullopt);
  }
}

void Transfers::set_looks_up(Running& running, bool looks_up) {
  if (running.looks_up != looks_up) {
    running.looks_up = looks_up;
    lookups_ = looks_up ? lookups_ + 1 : lookups_ - 1;
  }
}

int Transfers::on_socket(CURL* /*easy*/, curl_socket_t socket, int what, void* self,
                         void* /*known*/) {
  const int epoll = static_cast<Transfers*>(self)->epoll_.get();
  if (what == CURL_POLL_REMOVE) {
    ::epoll_ctl(epoll, EPOLL_CTL_DEL, socket, nullptr);
    return 0;
  }
  epoll_event event{.events = 0, .data = {.fd = socket}};
  if ((what & CURL_POLL_IN) != 0) {
    event.events |= EPOLLIN;
  }
  if ((what & CURL_POLL_OUT) != 0) {
    event.events |= EPOLLOUT;
  }
  // Where the system has no room for one more, the transfer runs into its time limit.
  if (::epoll_ctl(epoll, EPOLL_CTL_MOD, socket, &event) != 0) {
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event);
  }
  return 0;
}

int Transfers::on_timer(CURLM* /*multi*/, long after_ms, void* self) {
  auto& due = static_cast<Transfers*>(self)->due_;
  if (after_ms < 0) {
    due.reset();
  } else {
    due = Clock::now() + milliseconds(after_ms);
  }
  return 0;
}

int Transfers::on_lookup(void* /*resolver*/, void* /*reserved*/, void* running) {
  auto& one = *static_cast<Running*>(running);
  one.owner->set_looks_up(one, true);
  return 0;
}

curl_socket_t Transfers::on_open(void* running, curlsocktype /*purpose*/, curl_sockaddr* address) {
  auto& one = *static_cast<Running*>(running);
  one.owner->set_looks_up(one, false);
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

}  // namespace payonce::adapters
