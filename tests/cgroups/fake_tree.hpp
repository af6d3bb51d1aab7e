// A made-up machine in a temporary directory: mountinfo, mounts and files, for Hierarchy::detect with an injected root.
#pragma once

#include "base/file.hpp"
#include "tests/support/temp_dir.hpp"

#include <gtest/gtest.h>

#include <string>

namespace keelson::test {

class FakeTree {
 public:
  FakeTree()
      : dir_("fake-cgroups") {
    write("/proc/self/mountinfo", "");
  }

  std::string root() const { return dir_.path(); }

  void write(const std::string& path, const std::string& text) {
    ASSERT_TRUE(make_dirs(dir_.path() + path.substr(0, path.rfind('/')), 0755));
    ASSERT_TRUE(write_file_atomic(dir_.path() + path, text));
  }

  void mount_v1(const std::string& point, const std::string& options, const std::string& shown_root = "/") {
    add_mount(shown_root, point, "cgroup", "rw," + options);
  }

  void mount_v2(const std::string& point, const std::string& controllers, const std::string& shown_root = "/") {
    add_mount(shown_root, point, "cgroup2", "rw");
    write(point + "/cgroup.controllers", controllers + "\n");
    write(point + "/cgroup.subtree_control", controllers + "\n");
  }

 private:
  void add_mount(const std::string& shown_root, const std::string& point, const char* type,
                 const std::string& options) {
    ASSERT_TRUE(make_dirs(dir_.path() + point, 0755));
    mountinfo_ +=
        "31 23 0:28 " + shown_root + " " + point + " rw,relatime - " + type + " " + type + " " + options + "\n";
    write("/proc/self/mountinfo", mountinfo_);
  }

  TempDir dir_;
  std::string mountinfo_ = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n";
};

} // namespace keelson::test
