// Whole files.
#pragma once

#include <fstream>
#include <iterator>
#include <string>

namespace payonce::testing_support {

// Empty when there is no such file.
inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace payonce::testing_support
