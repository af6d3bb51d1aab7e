#include "tests/support/mounts.hpp"

#include <fstream>
#include <sstream>

namespace keelson::test {

namespace {

// proc(5): space, tab, newline and backslash are written as \ooo.
std::string unescape(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

} // namespace

std::vector<std::string> mount_points() {
  std::vector<std::string> points;
  std::ifstream table("/proc/thread-self/mountinfo");
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string id;
    std::string parent;
    std::string device;
    std::string root;
    std::string point;
    if (words >> id >> parent >> device >> root >> point) points.push_back(unescape(point));
  }
  return points;
}

bool is_below(std::string_view path, std::string_view directory) {
  if (!path.starts_with(directory)) return false;
  return path.size() == directory.size() || directory.ends_with('/') || path[directory.size()] == '/';
}

} // namespace keelson::test
