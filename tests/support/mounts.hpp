// The mount points of the calling thread's mount namespace, for tests.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keelson::test {

std::vector<std::string> mount_points(); // in mount order; the same path as often as it is mounted on
bool is_below(std::string_view path, std::string_view directory); // or is it

} // namespace keelson::test
