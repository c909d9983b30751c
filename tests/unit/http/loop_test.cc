#include "http/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <latch>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/engine_world.h"

namespace payonce::http {
namespace {

using engine::Parker;
using testing::ElementsAre;
using testing::IsEmpty;
using Time = Loop::Clock::time_point;

Time past() { return Loop::Clock::now() - std::chrono::hours(1); }
Time far_away() { return Loop::Clock::now() + std::chrono::hours(1); }
Time soon() { return Loop::Clock::now() + std::chrono::milliseconds(2); }

// What a fiber waits for until the test says so.
class Gate {
 public:
  void pass() {
    waiter_ = &Parker::current();
    while (!open_) {
      waiter_.load()->park();
      ++returns_;
    }
  }
  void open() {
    open_ = true;
    waiter_.load()->unpark();
  }
  [[nodiscard]] Parker& waiter() const { return *waiter_.load(); }
  [[nodiscard]] int returns() const { return returns_; }  // of park()

 private:
  std::atomic<Parker*> waiter_{nullptr};
  std::atomic<bool> open_{false};
  std::atomic<int> returns_{0};
};

// One end of a pair of sockets, in the loop; the test has the far end.
class Pipe final : public Loop::Socket {
 public:
  static std::unique_ptr<Pipe> make() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    return std::unique_ptr<Pipe>(new Pipe(ends));
  }
  ~Pipe() override {
    hang_up();
    ::close(fd());
  }

  // For the test.
  void send(std::string_view text) const {
    EXPECT_EQ(::send(far_, text.data(), text.size(), MSG_NOSIGNAL), std::ssize(text));
  }
  void drain(std::size_t bytes) const {
    std::vector<char> buffer(bytes);
    EXPECT_EQ(::recv(far_, buffer.data(), bytes, MSG_WAITALL), std::ssize(buffer));
  }
  void hang_up() {
    ::close(far_);
    far_ = -1;
  }

  // For the loop's thread: takes all that is there.
  std::string receive() {
    std::array<char, 100> buffer{};
    const ssize_t got = ::recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    readable = hung_up;
    return {buffer.data(), static_cast<std::size_t>(got > 0 ? got : 0)};
  }
  // Sends until nothing more goes in; how much that was.
  std::size_t fill() {
    const std::string block(4096, 'x');
    std::size_t total = 0;
    for (ssize_t put = 0; put >= 0; total += static_cast<std::size_t>(put > 0 ? put : 0)) {
      put = ::send(fd(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    writable = false;
    return total;
  }
  std::function<void()> when_ready = [] {};

 private:
  explicit Pipe(const std::array<int, 2>& ends) : Socket(ends[0]), far_(ends[1]) {}
  void on_ready() override { when_ready(); }
  int far_;
};

// A chore of so many rounds.
class Rounds final : public engine::Chore {
 public:
  bool work() override {
    ++worked;
    each();
    return --left > 0;
  }
  int left = 1;
  int worked = 0;
  std::function<void()> each = [] {};
};

class LoopTest : public testing::Test {
 protected:
  ~LoopTest() override { finish(); }

  void start(Loop::Options options = {}) {
    loop = Loop::open(options).value();
    thread = std::thread([this] { loop->run([](Time) {}); });
  }
  void start_with_pipe() {
    start();
    pipe = Pipe::make();
    on_loop([this] { loop->add(*pipe); });
  }
  // Before anything goes that a fiber still uses.
  void finish() {
    if (pipe) {
      on_loop([this] { loop->remove(*pipe); });
      pipe.reset();
    }
    if (thread.joinable()) {
      loop->stop();
      thread.join();
    }
  }
  // Runs the work on the loop's thread, outside of fibers.
  void on_loop(const std::function<void()>& work) const {
    std::latch done(1);
    loop->post([&] {
      work();
      done.count_down();
    });
    done.wait();
  }
  void spawn(const std::function<void()>& body) const {
    on_loop([&] { loop->spawn(body); });
  }
  // Returns when all fibers have run that can, and those that became ready by that.
  void settle() const {
    for (int turn = 0; turn < 4; ++turn) {
      on_loop([] {});
    }
  }
  void note(const std::string& what) { trace.push_back(what); }  // on the loop's thread

  std::unique_ptr<Loop> loop;
  std::thread thread;
  std::unique_ptr<Pipe> pipe;
  std::vector<std::string> trace;
};

TEST_F(LoopTest, PostedWorkRunsOnTheLoopsThreadInOrder) {
  loop = Loop::open({}).value();
  std::thread::id ran_by;
  for (const char* name : {"a", "b", "c"}) {
    loop->post([&, name] {
      ran_by = std::this_thread::get_id();
      note(name);
    });
  }
  thread = std::thread([this] { loop->run([](Time) {}); });
  settle();
  EXPECT_THAT(trace, ElementsAre("a", "b", "c"));
  EXPECT_EQ(ran_by, thread.get_id());
}

TEST_F(LoopTest, NothingThatManyThreadsPostIsLost) {
  start();
  int ran = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        loop->post([&] { ++ran; });
      }
    });
  }
  for (std::thread& poster : threads) {
    poster.join();
  }
  settle();
  EXPECT_EQ(ran, 2000);
}

TEST_F(LoopTest, SpawnBeyondTheLimitWaitsForAFreeFiberAndKeepsOrder) {
  start({.tasks_max = 2});
  std::array<Gate, 5> gates;
  on_loop([&] {
    for (std::size_t i = 0; i < gates.size(); ++i) {
      loop->spawn([&, i] {
        note(std::to_string(i));
        gates[i].pass();
      });
    }
  });
  settle();
  EXPECT_THAT(trace, ElementsAre("0", "1"));
  gates[1].open();
  settle();
  EXPECT_THAT(trace, ElementsAre("0", "1", "2"));
  gates[2].open();
  gates[0].open();
  settle();
  EXPECT_THAT(trace, ElementsAre("0", "1", "2", "3", "4"));
  gates[3].open();
  gates[4].open();
  finish();
}

TEST_F(LoopTest, AFiberInALongWaitDoesNotCount) {
  start({.tasks_max = 1});
  std::array<Gate, 2> gates;
  on_loop([&] {
    loop->spawn([&] {
      {
        const Parker::LongWait aside(Parker::current());
        gates[0].pass();
      }
      note("long wait over");
    });
    loop->spawn([&] { gates[1].pass(); });
    loop->spawn([&] { note("third"); });
  });
  settle();
  EXPECT_THAT(trace, IsEmpty());  // the second one does count
  gates[0].open();
  settle();
  EXPECT_THAT(trace, ElementsAre("long wait over"));  // and still has the only place
  gates[1].open();
  settle();
  EXPECT_THAT(trace, ElementsAre("long wait over", "third"));
}

TEST_F(LoopTest, AFiberHasAPointerOfItsOwn) {
  start({.tasks_max = 2});
  Gate gate;
  int mine = 0;
  int other = 0;
  spawn([&] {
    EXPECT_EQ(Loop::local(), nullptr);
    Loop::local() = &mine;
    gate.pass();
    EXPECT_EQ(Loop::local(), &mine);
  });
  for (int use = 0; use < 2; ++use) {
    spawn([&] {
      EXPECT_EQ(Loop::local(), nullptr);
      Loop::local() = &other;
    });
    settle();
  }
  gate.open();
  finish();
}

// ---- Parking

TEST_F(LoopTest, AnotherThreadWakesAFiber) {
  start();
  Gate gate;
  spawn([&] {
    note("waits");
    gate.pass();
    note("woken");
    EXPECT_EQ(std::this_thread::get_id(), thread.get_id());
  });
  settle();
  EXPECT_THAT(trace, ElementsAre("waits"));
  gate.open();
  settle();
  EXPECT_THAT(trace, ElementsAre("waits", "woken"));
}

TEST_F(LoopTest, AFiberOfTheSameLoopWakesAFiber) {
  start();
  Gate gate;
  spawn([&] {
    gate.pass();
    note("woken");
  });
  spawn([&] {
    note("wakes");
    gate.open();
    note("goes on first");
  });
  settle();
  EXPECT_THAT(trace, ElementsAre("wakes", "goes on first", "woken"));
}

TEST_F(LoopTest, AFiberThatYieldsGoesOnAfterEverythingElse) {
  start();
  on_loop([&] {
    loop->spawn([&] {
      note("yields");
      loop->yield();
      note("again");
      loop->yield();
      note("over");
    });
    loop->spawn([&] { note("other"); });
    loop->post([&] { note("work"); });
  });
  settle();
  EXPECT_THAT(trace, ElementsAre("yields", "other", "work", "again", "over"));
}

TEST_F(LoopTest, APermitOfAFiberIsNotLostAndDoesNotAddUp) {
  start();
  Gate gate;
  spawn([&] {
    Parker& own = Parker::current();
    own.unpark();
    own.unpark();
    own.park();
    own.unpark();
    own.park_until(far_away());
    note("goes on");
    gate.pass();
  });
  settle();
  EXPECT_THAT(trace, ElementsAre("goes on"));
  EXPECT_EQ(gate.returns(), 0);
  gate.open();
  finish();
}

TEST_F(LoopTest, AStaleUnparkDoesNotBreakTheNextUserOfTheFiber) {
  start({.tasks_max = 1});
  Gate first;
  Gate second;
  spawn([&] { first.pass(); });
  settle();
  first.open();
  settle();
  first.waiter().unpark();  // nobody has the fiber
  spawn([&] { second.pass(); });
  settle();
  ASSERT_EQ(&second.waiter(), &first.waiter());
  EXPECT_EQ(second.returns(), 0);
  first.waiter().unpark();
  settle();
  EXPECT_EQ(second.returns(), 1);  // without reason, and it went on waiting
  second.open();
  settle();
  EXPECT_EQ(second.returns(), 2);
}

TEST_F(LoopTest, ADeadlineEndsTheWaitOfAFiberThatNobodyWakes) {
  start();
  std::latch passed(1);
  spawn([&] {
    Parker::current().park_until(past());
    const Time deadline = soon();
    while (Loop::Clock::now() < deadline) {
      Parker::current().park_until(deadline);
    }
    passed.count_down();
  });
  passed.wait();
}

// ---- Sockets

TEST_F(LoopTest, AFiberWaitsForDataOfItsSocket) {
  start_with_pipe();
  std::latch one(1);
  std::latch two(1);
  spawn([&] {
    note("waits");
    EXPECT_TRUE(loop->wait_readable(*pipe, far_away()));
    note(pipe->receive());
    one.count_down();
    EXPECT_TRUE(loop->wait_readable(*pipe, far_away()));
    note(pipe->receive());
    two.count_down();
  });
  settle();
  EXPECT_THAT(trace, ElementsAre("waits"));
  pipe->send("one");
  one.wait();
  settle();
  EXPECT_THAT(trace, ElementsAre("waits", "one"));
  pipe->send("two");
  two.wait();
  EXPECT_THAT(trace, ElementsAre("waits", "one", "two"));
}

TEST_F(LoopTest, WithoutDataADeadlineEndsTheWait) {
  start_with_pipe();
  std::latch passed(1);
  spawn([&] {
    EXPECT_FALSE(loop->wait_readable(*pipe, past()));
    const Time deadline = soon();
    EXPECT_FALSE(loop->wait_readable(*pipe, deadline));
    EXPECT_GE(Loop::Clock::now(), deadline);
    passed.count_down();
  });
  passed.wait();
}

TEST_F(LoopTest, ASocketThatNoFiberWaitsForTellsThatItIsReadyAndStaysSo) {
  start_with_pipe();
  std::latch told(1);
  on_loop([&] { pipe->when_ready = [&] { told.count_down(); }; });
  settle();
  EXPECT_FALSE(told.try_wait());  // there is room, but nothing to read
  pipe->send("data");
  told.wait();
  spawn([&] {
    EXPECT_TRUE(loop->wait_readable(*pipe, past()));
    note(pipe->receive());
    EXPECT_FALSE(loop->wait_readable(*pipe, past()));
  });
  settle();
  EXPECT_THAT(trace, ElementsAre("data"));
}

TEST_F(LoopTest, AFiberWaitsForRoomInItsSocket) {
  start_with_pipe();
  std::size_t filled = 0;
  std::latch passed(1);
  spawn([&] {
    EXPECT_TRUE(loop->wait_writable(*pipe, far_away()));
    filled = pipe->fill();
    EXPECT_FALSE(loop->wait_writable(*pipe, past()));
    EXPECT_TRUE(loop->wait_writable(*pipe, far_away()));
    passed.count_down();
  });
  settle();
  EXPECT_FALSE(passed.try_wait());
  ASSERT_GT(filled, 0U);
  pipe->drain(filled);
  passed.wait();
}

TEST_F(LoopTest, AHangUpIsSeenAsReadable) {
  start_with_pipe();
  std::latch passed(1);
  spawn([&] {
    EXPECT_TRUE(loop->wait_readable(*pipe, far_away()));
    EXPECT_EQ(pipe->receive(), "");
    EXPECT_TRUE(loop->wait_readable(*pipe, far_away()));  // for good
    passed.count_down();
  });
  settle();
  EXPECT_FALSE(passed.try_wait());
  pipe->hang_up();
  passed.wait();
}

// ---- Chores

TEST_F(LoopTest, AChoreOfManyFibersIsWorkedOnceForAllOfThem) {
  start();
  Rounds chore;
  int ran = 0;
  chore.each = [&] { EXPECT_EQ(ran, 10 * chore.worked); };
  for (int turn = 1; turn <= 2; ++turn) {
    on_loop([&] {
      for (int i = 0; i < 10; ++i) {
        loop->spawn([&] {
          EXPECT_TRUE(Parker::current().put_off(chore));
          ++ran;
        });
      }
    });
    settle();
    EXPECT_EQ(chore.worked, turn);
  }
}

TEST_F(LoopTest, AChoreIsWorkedAgainWhileThereIsMoreAndWakesItsWaiters) {
  start();
  Rounds chore;
  Gate gate;
  chore.left = 5;
  chore.each = [&] { chore.left == 1 ? gate.open() : void(); };
  std::latch passed(1);
  spawn([&] {
    EXPECT_TRUE(Parker::current().put_off(chore));
    gate.pass();
    passed.count_down();
  });
  passed.wait();
  settle();
  EXPECT_EQ(chore.worked, 5);
}

TEST_F(LoopTest, TheCommandsOfOneTurnAreOneCommit) {
  testing_support::EngineWorld world;
  world.prepare();
  ASSERT_TRUE(world.engine->recover());
  start();
  const std::size_t before = world.log.appends().size();
  on_loop([&] {
    for (int i = 0; i < 10; ++i) {
      loop->spawn([&, i] {
        EXPECT_EQ(world.execute(world.open_account(std::to_string(i))), engine::Verdict::kDone);
      });
    }
  });
  finish();  // all have their answers then
  ASSERT_EQ(world.log.appends().size(), before + 1);
  EXPECT_EQ(world.log.appends().back().entries, 10U);
}

// ---- The end

TEST_F(LoopTest, StopEndsTheLoopOnlyAfterTheLastTaskAndSocket) {
  start_with_pipe();
  std::array<Gate, 2> gates;
  spawn([&] { gates[0].pass(); });
  settle();
  loop->stop();
  settle();  // it goes on for the task and the socket,
  gates[0].open();
  settle();  // for the socket,
  EXPECT_EQ(gates[0].returns(), 1);
  spawn([&] { gates[1].pass(); });
  settle();
  on_loop([&] { loop->remove(*pipe); });
  pipe.reset();
  settle();  // for the task alone
  gates[1].open();
  thread.join();
  EXPECT_EQ(gates[1].returns(), 1);
}

TEST_F(LoopTest, StopLetsTheWorkRunThatWaitsForAFiber) {
  start({.tasks_max = 1});
  Gate gate;
  on_loop([&] {
    loop->spawn([&] { gate.pass(); });
    loop->spawn([&] { note("second"); });
    loop->spawn([&] { note("third"); });
  });
  loop->stop();
  settle();
  EXPECT_THAT(trace, IsEmpty());
  gate.open();
  thread.join();
  EXPECT_THAT(trace, ElementsAre("second", "third"));
}

}  // namespace
}  // namespace payonce::http
