// Runs the unit tests with the mutant whose number stands in PAYONCE_MUTANT. With
// PAYONCE_MUTANT_TRACE=FILE it writes a line for each test: its name, the microseconds that it took
// and the mutants that it came by.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace {

using payonce::mutation::reached;

class Trace final : public testing::EmptyTestEventListener {
 public:
  explicit Trace(const char* path) : file_(path) {}

  void OnTestStart(const testing::TestInfo& /*test*/) override {
    std::fill(std::begin(reached), std::end(reached), 0);
    started_ = std::chrono::steady_clock::now();
  }
  void OnTestEnd(const testing::TestInfo& test) override {
    const auto took = std::chrono::steady_clock::now() - started_;
    file_ << test.test_suite_name() << '.' << test.name() << '\t'
          << std::chrono::duration_cast<std::chrono::microseconds>(took).count() << '\t';
    for (unsigned id = 0; id < std::size(reached); ++id) {
      if (reached[id] != 0) {
        file_ << id << ' ';
      }
    }
    file_ << '\n';
  }

 private:
  std::ofstream file_;
  std::chrono::steady_clock::time_point started_;
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (const char* id = std::getenv("PAYONCE_MUTANT")) {
    payonce::mutation::active = static_cast<unsigned>(std::strtoul(id, nullptr, 10));
  }
  if (const char* path = std::getenv("PAYONCE_MUTANT_TRACE")) {
    testing::UnitTest::GetInstance()->listeners().Append(new Trace(path));
  }
  return RUN_ALL_TESTS();
}
