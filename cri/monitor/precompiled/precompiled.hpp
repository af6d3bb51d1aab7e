// What most of the monitor's sources parse anyway. It has flags of its own, so no other target's header fits it.
#ifndef KEELSON_MONITOR_PRECOMPILED_HPP
#define KEELSON_MONITOR_PRECOMPILED_HPP

#include <fmt/format.h>
#include <tl/expected.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#endif
