#include "tests/support/requirements.hpp"

#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string_view>

namespace keelson::test {

namespace {

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && std::string_view(value) == "1";
}

} // namespace

bool require_all() {
  return is_set("KEELSON_TEST_REQUIRE_ALL");
}

bool in_virtual_machine() {
  return is_set("KEELSON_TEST_IN_VM");
}

bool is_root() {
  return ::geteuid() == 0;
}

bool has_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "";
  const std::string all = std::string(rest) + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin";
  rest = all;
  while (!rest.empty()) {
    const auto colon = rest.find(':');
    const std::string file = std::string(rest.substr(0, colon)) + "/" + name;
    if (::access(file.c_str(), X_OK) == 0) return true;
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  return false;
}

bool has_unified_cgroups() {
  struct statfs info {};
  if (::statfs("/sys/fs/cgroup", &info) != 0 || info.f_type != CGROUP2_SUPER_MAGIC) return false;
  std::ifstream controllers("/sys/fs/cgroup/cgroup.controllers");
  std::string first;
  return static_cast<bool>(controllers >> first);
}

} // namespace keelson::test
