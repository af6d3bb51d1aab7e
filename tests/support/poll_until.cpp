#include "tests/support/poll_until.hpp"

#include <poll.h>

#include <algorithm>

namespace keelson::test {

bool poll_until(Deadline deadline, const std::function<bool()>& predicate) {
  for (int pause_ms = 1;; pause_ms = std::min(pause_ms * 2, 20)) {
    if (predicate()) return true;
    if (deadline.passed()) return false;
    ::poll(nullptr, 0, pause_ms);
  }
}

} // namespace keelson::test
