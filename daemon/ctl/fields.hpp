// Reading of the daemon's JSON where an absent field is simply empty. Pure.
#pragma once

#include "base/json.hpp"

#include <initializer_list>
#include <string>
#include <string_view>

namespace keelson::daemon::ctl {

// The value below a chain of object keys; null if any of them is missing.
const json::value& dig(const json::value& from, std::initializer_list<std::string_view> keys);

std::string text_at(const json::value& from, std::initializer_list<std::string_view> keys);    // "" if absent
std::int64_t number_at(const json::value& from, std::initializer_list<std::string_view> keys); // 0 if absent; text too
bool flag_at(const json::value& from, std::initializer_list<std::string_view> keys);           // false if absent
const json::array& list_at(const json::value& from, std::initializer_list<std::string_view> keys); // empty if absent

} // namespace keelson::daemon::ctl
