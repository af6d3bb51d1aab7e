#include "base/json.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace keelson::json {

namespace {

std::string indented(const value& v, std::size_t level);

std::string indented_object(const object& o, std::size_t level) {
  if (o.empty()) return "{}";
  std::string out = "{\n";
  std::size_t left = o.size();
  for (const auto& member : o) {
    out.append((level + 1) * 2, ' ');
    out += boost::json::serialize(member.key());
    out += ": " + indented(member.value(), level + 1);
    out += --left > 0 ? ",\n" : "\n";
  }
  return out.append(level * 2, ' ') + "}";
}

std::string indented_array(const array& a, std::size_t level) {
  if (a.empty()) return "[]";
  std::string out = "[\n";
  std::size_t left = a.size();
  for (const value& element : a) {
    out.append((level + 1) * 2, ' ');
    out += indented(element, level + 1);
    out += --left > 0 ? ",\n" : "\n";
  }
  return out.append(level * 2, ' ') + "]";
}

std::string indented(const value& v, std::size_t level) {
  if (const object* o = v.if_object()) return indented_object(*o, level);
  if (const array* a = v.if_array()) return indented_array(*a, level);
  return boost::json::serialize(v);
}

Result<const value*> find(const object& o, std::string_view key) {
  const value* v = o.if_contains(key);
  if (v == nullptr || v->is_null()) return fail(Code::not_found, "no member \"{}\"", key);
  return v;
}

} // namespace

Result<value> parse(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = 64;
  boost::system::error_code error;
  value v = boost::json::parse(boost::json::string_view(text.data(), text.size()), error, {}, options);
  if (error) return fail(Code::invalid_argument, "not JSON: {}", error.message());
  return v;
}

std::string to_text(const value& v) {
  return boost::json::serialize(v);
}
std::string to_pretty_text(const value& v) {
  return indented(v, 0) + "\n";
}

Result<std::string> get_string(const object& o, std::string_view key) {
  TRY_ASSIGN(const value* v, find(o, key));
  if (!v->is_string()) return fail(Code::invalid_argument, "member \"{}\" is not a string", key);
  return std::string(v->get_string());
}

Result<std::int64_t> get_int(const object& o, std::string_view key) {
  TRY_ASSIGN(const value* v, find(o, key));
  boost::system::error_code error;
  const auto number = v->to_number<std::int64_t>(error);
  if (error) return fail(Code::invalid_argument, "member \"{}\" is not a whole number", key);
  return number;
}

Result<bool> get_bool(const object& o, std::string_view key) {
  TRY_ASSIGN(const value* v, find(o, key));
  if (!v->is_bool()) return fail(Code::invalid_argument, "member \"{}\" is not true or false", key);
  return v->get_bool();
}

const object* find_object(const object& o, std::string_view key) {
  const value* v = o.if_contains(key);
  return v != nullptr ? v->if_object() : nullptr;
}

const array* find_array(const object& o, std::string_view key) {
  const value* v = o.if_contains(key);
  return v != nullptr ? v->if_array() : nullptr;
}

} // namespace keelson::json
