// The simulator alone, in a build with planted bugs: `payonce simulate` without the rest.
#include <exception>

#include "app/simulate_command.h"

int main(int argc, char** argv) {
  try {
    CLI::App cli("payonce simulate, with mistakes that can be turned on");
    payonce::app::SimulateCommand simulate;
    payonce::app::add_simulate_options(cli, simulate);
    CLI11_PARSE(cli, argc, argv);
    return payonce::app::run_simulate(simulate);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "payonce: %s\n", error.what());
    return 1;
  }
}
