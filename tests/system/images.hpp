// The images of the node tests in a real registry, and where nodes find it.
#pragma once

#include "tests/support/test_image.hpp"
#include "tests/support/test_registry.hpp"
#include "tests/system/node.hpp"

#include <memory>
#include <string>

namespace keelson::test {

// Names that only hosts.toml leads anywhere.
inline constexpr const char* kBusybox = "registry.test/library/busybox:1"; // sh, and user app (1000) in group extra
// Entry point, command, environment, user, working directory, volume and stop signal, all set by the image.
inline constexpr const char* kConfigured = "registry.test/configured:1";
inline constexpr const char* kBadUser = "registry.test/bad-user:1"; // USER 4294967296, which its passwd maps to root

// Pushes every image on start.
class ImageWorld {
 public:
  static Result<std::unique_ptr<ImageWorld>> start();

  TestRegistry& registry() { return *registry_; }
  const BuiltImage& busybox() const { return busybox_; }
  Result<> introduce(const Node& node) const; // writes its hosts.toml

 private:
  std::unique_ptr<TestRegistry> registry_;
  BuiltImage busybox_;
};

} // namespace keelson::test
