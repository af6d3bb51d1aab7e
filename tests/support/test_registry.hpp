// A real image registry (docker-registry) on a loopback port of its own, with a storage directory of its own.
#pragma once

#include "base/error.hpp"
#include "base/process.hpp"
#include "tests/support/temp_dir.hpp"

#include <memory>
#include <optional>
#include <string>

namespace keelson::test {

struct TestRegistryOptions {
  std::string user; // with a password: basic authentication (htpasswd)
  std::string password;
  std::string address = "127.0.0.1";
  int net_namespace = -1; // run the registry in there
};

// The destructor kills the registry, and so does the end of the thread that started it: a test that crashes leaves none
// behind. Blocks; one thread at a time.
class TestRegistry {
 public:
  static Result<std::unique_ptr<TestRegistry>> start(TestRegistryOptions options = {});
  ~TestRegistry();

  int port() const { return port_; }
  std::string host() const;                               // "127.0.0.1:5000", as image references want it
  std::string url() const;                                // "http://127.0.0.1:5000"
  std::string log() const;                                // what it printed so far
  std::string blob_path(const std::string& digest) const; // its file of a "sha256:..." blob, to damage it
  const TestRegistryOptions& options() const { return options_; }

  Result<> stop();    // then connections are refused
  Result<> restart(); // on the same port, with the same storage

 private:
  explicit TestRegistry(TestRegistryOptions options);
  Result<> write_config();
  Result<> launch();

  TestRegistryOptions options_;
  TempDir dir_{"registry"};
  int port_ = 0;
  std::optional<Child> child_;
};

} // namespace keelson::test
