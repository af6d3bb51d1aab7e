#include "tests/system/requests.hpp"

#include "base/json.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "tests/system/images.hpp"

namespace keelson::test {

namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

} // namespace

json::object pod_config(const std::string& name, const std::string& uid) {
  return {{"metadata",
           {{"name", name},
            {"uid", uid.empty() ? "uid-" + name + "-" + random_hex(6) : uid},
            {"namespace", "default"},
            {"attempt", 0}}},
          {"hostname", name},
          {"linux", json::object{}}};
}

json::object container_config(const std::string& name, const std::string& script) {
  return {{"metadata", {{"name", name}, {"attempt", 0}}},
          {"image", {{"image", kBusybox}}},
          {"command", {"/bin/sh", "-c", script}},
          {"log_path", name + ".log"},
          {"linux", json::object{}}};
}

json::array texts(const std::vector<std::string>& words) {
  json::array array;
  for (const std::string& word : words) array.emplace_back(word);
  return array;
}

json::object& at(json::object& object, const std::string& path) {
  json::object* place = &object;
  for (const auto part : split(path, '.')) {
    json::value& next = (*place)[part];
    if (!next.is_object()) next = json::object{};
    place = &next.as_object();
  }
  return *place;
}

std::string text(const json::value& value, const std::string& pointer) {
  boost::system::error_code error;
  const json::value* found = value.find_pointer(pointer, error);
  if (found == nullptr) return "<absent>";
  return found->is_string() ? std::string(found->as_string()) : json::to_text(*found);
}

std::int64_t number(const json::value& value, const std::string& pointer) {
  return parse_int<std::int64_t>(text(value, pointer)).value_or(-1000000);
}

std::string base64_decode(const std::string& encoded) {
  std::string plain;
  unsigned bits = 0;
  int count = 0;
  for (const char digit : encoded) {
    const std::size_t value = kDigits.find(digit);
    if (value == std::string_view::npos) break;
    bits = (bits << 6) | static_cast<unsigned>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    plain += static_cast<char>((bits >> count) & 0xff);
  }
  return plain;
}

std::string base64_encode(const std::string& plain) {
  std::string encoded;
  for (std::size_t i = 0; i < plain.size(); i += 3) {
    unsigned bits = 0;
    for (std::size_t j = 0; j < 3; ++j)
      bits = (bits << 8) | (i + j < plain.size() ? static_cast<unsigned char>(plain[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j) encoded += i + j > plain.size() ? '=' : kDigits[(bits >> (18 - 6 * j)) & 63];
  }
  return encoded;
}

} // namespace keelson::test
