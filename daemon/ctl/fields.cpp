#include "daemon/ctl/fields.hpp"

#include "base/text.hpp"

namespace keelson::daemon::ctl {

const json::value& dig(const json::value& from, std::initializer_list<std::string_view> keys) {
  static const json::value none;
  const json::value* at = &from;
  for (const std::string_view key : keys) {
    const json::object* object = at->if_object();
    at = object != nullptr ? object->if_contains(key) : nullptr;
    if (at == nullptr) return none;
  }
  return *at;
}

std::string text_at(const json::value& from, std::initializer_list<std::string_view> keys) {
  const json::value& found = dig(from, keys);
  return found.is_string() ? std::string(found.get_string()) : std::string();
}

std::int64_t number_at(const json::value& from, std::initializer_list<std::string_view> keys) {
  const json::value& found = dig(from, keys);
  // The JSON form of protobuf writes 64-bit numbers as text.
  if (found.is_string()) return parse_int<std::int64_t>(std::string_view(found.get_string())).value_or(0);
  boost::system::error_code error;
  const auto number = found.to_number<std::int64_t>(error);
  return error ? 0 : number;
}

bool flag_at(const json::value& from, std::initializer_list<std::string_view> keys) {
  const json::value& found = dig(from, keys);
  return found.is_bool() && found.get_bool();
}

const json::array& list_at(const json::value& from, std::initializer_list<std::string_view> keys) {
  static const json::array none;
  const json::array* found = dig(from, keys).if_array();
  return found != nullptr ? *found : none;
}

} // namespace keelson::daemon::ctl
