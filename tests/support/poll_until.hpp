// Waiting in tests: for a condition, up to a deadline, never for a fixed time.
#pragma once

#include "base/time.hpp"

#include <functional>

namespace keelson::test {

// Asks until the predicate holds or the deadline passes; the last answer. The pause between questions grows from 1 to
// 20 milliseconds, so a fast event is seen fast and a slow one costs little.
bool poll_until(Deadline deadline, const std::function<bool()>& predicate);

} // namespace keelson::test
