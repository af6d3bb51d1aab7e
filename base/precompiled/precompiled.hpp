// What most sources parse anyway, compiled once (base/meson.build). No source may count on it: every file includes what
// it uses, and a build with -Db_pch=false proves it.
#ifndef KEELSON_BASE_PRECOMPILED_HPP
#define KEELSON_BASE_PRECOMPILED_HPP

#include <boost/json.hpp>
#include <fmt/format.h>
#include <tl/expected.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#endif
