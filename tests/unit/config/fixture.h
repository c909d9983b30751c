// What the tests of src/config share: configuration files on disk and errors as text.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "config/load.h"

namespace payonce::config {

// A folder of its own for each test, removed with it.
class ConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(testing::TempDir()) /
              ("payonce_config_" + std::string(info->name()) + "_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // Writes config.toml and answers its path.
  std::string write(std::string_view text) const {
    const std::string path = folder_ / "config.toml";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  std::string folder() const { return folder_; }

  std::expected<Loaded, std::vector<Error>> load_text(std::string_view text) const {
    return load({.file = write(text)});
  }

  // The messages of a load that must fail, one a line, with the folder cut off the paths.
  std::string errors_of(const Sources& sources) const {
    const auto loaded = load(sources);
    if (loaded) return "";
    std::string all;
    for (const Error& error : loaded.error()) {
      std::string message = error.message;
      const std::string prefix = folder() + "/";
      const std::size_t at = message.find(prefix);
      if (at != std::string::npos) message.erase(at, prefix.size());
      all += message + '\n';
    }
    return all;
  }
  std::string errors_in(std::string_view text) const { return errors_of({.file = write(text)}); }

 private:
  std::filesystem::path folder_;
};

// The value that a source must have given.
inline Options options_of(const Sources& sources) {
  const auto loaded = load(sources);
  if (loaded) return loaded->options;
  for (const Error& error : loaded.error()) ADD_FAILURE() << error.message;
  return {};
}

}  // namespace payonce::config
