// What a test needs from its machine, probed in the fixture. KEELSON_TEST_REQUIRE_ALL=1 (CI sets it) turns a skip that
// this kind of machine can run into a failure, so that a broken set-up never passes as "skipped".
#pragma once

#include <gtest/gtest.h>

#include <string>

namespace keelson::test {

bool require_all();
bool is_root();
bool has_program(const std::string& name); // in PATH or the administrator's directories
bool has_unified_cgroups();                // /sys/fs/cgroup is a cgroup2 mount with controllers
bool in_virtual_machine();                 // started by the runner of tests/vm/

} // namespace keelson::test

// For a test body or SetUp(): without the condition the test is skipped, or fails under KEELSON_TEST_REQUIRE_ALL=1.
#define KEELSON_REQUIRE(condition, reason)                                                                             \
  do {                                                                                                                 \
    if (condition) break;                                                                                              \
    if (::keelson::test::require_all()) FAIL() << "KEELSON_TEST_REQUIRE_ALL is set, but: " << (reason);                \
    GTEST_SKIP() << (reason);                                                                                          \
  } while (false)

// The same for what only a virtual machine has (unified cgroups, systemd): always a skip, because the vm tier runs the
// same program there.
#define KEELSON_NEEDS_VM(condition, reason)                                                                            \
  do {                                                                                                                 \
    if (!(condition)) GTEST_SKIP() << (reason);                                                                        \
  } while (false)
