#include "api/schema.hpp"

#include "base/text.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <limits>

namespace keelson::api {

namespace {

// A path part as it is written in messages: points and brackets in a key are set in brackets.
void append_member(std::string& path, std::string_view member) {
  const bool plain = member.find_first_of(".[]/'\"") == std::string_view::npos && !member.empty();
  if (plain) {
    if (!path.empty()) path += '.';
    path += printable(member, 80);
  } else {
    path += "['" + printable(member, 80) + "']";
  }
}

bool is_plain_scalar(const json::value& v) {
  return !v.is_object() && !v.is_array();
}

template <class T>
void decode_number(DecodeContext& context, const json::value& v, void* target) {
  if (v.is_double() || !v.is_number()) {
    context.error(fmt::format("{} is {}: use a whole number", shown(v), v.is_double() ? "not whole" : kind_of(v)));
    return;
  }
  const bool too_big = v.is_uint64(); // boost has an int64 whenever it fits
  if (too_big || v.get_int64() < std::numeric_limits<T>::min() || v.get_int64() > std::numeric_limits<T>::max()) {
    context.error(fmt::format("{} is out of range: use {} to {}", shown(v), std::numeric_limits<T>::min(),
                              std::numeric_limits<T>::max()));
    return;
  }
  *static_cast<T*>(target) = static_cast<T>(v.get_int64());
}

template <class T>
const Codec* number_codec() {
  static constexpr Codec kCodec = {
      decode_number<T>,
      [](const void* source) { return json::value(std::int64_t{*static_cast<const T*>(source)}); },
      [](const void* source) { return *static_cast<const T*>(source) == 0; },
  };
  return &kCodec;
}

const std::string* expect_string(DecodeContext& context, const json::value& v, std::string& buffer) {
  if (!v.is_string()) {
    context.error(
        fmt::format("{} is {}: use {}", shown(v), kind_of(v), is_plain_scalar(v) ? "a string, in quotes" : "a string"));
    return nullptr;
  }
  buffer.assign(v.get_string().data(), v.get_string().size());
  return &buffer;
}

void decode_string(DecodeContext& context, const json::value& v, void* target) {
  std::string text;
  if (expect_string(context, v, text) != nullptr) *static_cast<std::string*>(target) = std::move(text);
}

void decode_bool(DecodeContext& context, const json::value& v, void* target) {
  if (!v.is_bool()) {
    context.error(fmt::format("{} is {}: use true or false", shown(v), kind_of(v)));
    return;
  }
  *static_cast<bool*>(target) = v.get_bool();
}

std::string quantity_text(const json::value& v) {
  if (v.is_int64()) return fmt::format("{}", v.get_int64());
  if (v.is_uint64()) return fmt::format("{}", v.get_uint64());
  if (v.is_double()) return fmt::format("{}", v.get_double());
  return std::string(trim(std::string_view(v.get_string().data(), v.get_string().size())));
}

void decode_quantity(DecodeContext& context, const json::value& v, void* target) {
  if (!v.is_string() && !v.is_number()) {
    context.error(fmt::format("{} is {}: use a quantity such as 128Mi", shown(v), kind_of(v)));
    return;
  }
  auto quantity = Quantity::parse(quantity_text(v));
  if (quantity) {
    *static_cast<Quantity*>(target) = *quantity;
  } else {
    context.error(quantity.error().message);
  }
}

void decode_int_or_string(DecodeContext& context, const json::value& v, void* target) {
  auto& out = *static_cast<IntOrString*>(target);
  if (v.is_string()) {
    out.is_name = true;
    decode_string(context, v, &out.name);
  } else if (v.is_number()) {
    decode_number<std::int32_t>(context, v, &out.number);
  } else {
    context.error(fmt::format("{} is {}: use a number or a name", shown(v), kind_of(v)));
  }
}

void decode_time(DecodeContext& context, const json::value& v, void* target) {
  std::string text;
  if (expect_string(context, v, text) == nullptr) return;
  const auto time = parse_rfc3339(text);
  if (!time) {
    context.error(fmt::format("{} is not a time: use the form 2026-11-22T18:55:00Z", shown(v)));
    return;
  }
  static_cast<Time*>(target)->at = std::chrono::floor<std::chrono::seconds>(*time);
}

} // namespace

DecodeContext::Step::Step(DecodeContext& context, std::string_view member)
    : context_(context)
    , old_size_(context.path_.size()) {
  append_member(context_.path_, member);
}

DecodeContext::Step::Step(DecodeContext& context, std::size_t index)
    : context_(context)
    , old_size_(context.path_.size()) {
  context_.path_ += fmt::format("[{}]", index);
}

void DecodeContext::error(std::string_view message) {
  constexpr std::size_t kMaxErrors = 20;
  if (errors_.size() == kMaxErrors) return;
  errors_.push_back(path_.empty() ? std::string(message) : fmt::format("{}: {}", path_, message));
}

void DecodeContext::unknown_field() {
  constexpr std::size_t kMaxWarnings = 1000;
  std::string text = path_ + ": unknown field, kept but not acted on";
  if (warnings_.size() < kMaxWarnings) warnings_.push_back(std::move(text));
}

std::string_view kind_of(const json::value& v) {
  switch (v.kind()) {
  case boost::json::kind::null:
    return "null";
  case boost::json::kind::bool_:
    return "a boolean";
  case boost::json::kind::int64:
  case boost::json::kind::uint64:
  case boost::json::kind::double_:
    return "a number";
  case boost::json::kind::string:
    return "a string";
  case boost::json::kind::array:
    return "a list";
  case boost::json::kind::object:
    return "an object";
  }
  return "a value";
}

std::string shown(const json::value& v) {
  if (v.is_object() || v.is_array()) return "this";
  return printable(json::to_text(v), 100);
}

json::value parse_kept(const std::string& json_text) {
  auto v = json::parse(json_text);
  return v ? *v : json::value();
}

const json::array* expect_array(DecodeContext& context, const json::value& v) {
  if (v.is_array()) return &v.get_array();
  context.error(fmt::format("{} is {}: use a list", shown(v), kind_of(v)));
  return nullptr;
}

const json::object* expect_object(DecodeContext& context, const json::value& v) {
  if (v.is_object()) return &v.get_object();
  context.error(fmt::format("{} is {}: use an object", shown(v), kind_of(v)));
  return nullptr;
}

std::optional<int> decode_word(DecodeContext& context, std::span<const std::string_view> words, const json::value& v) {
  std::string text;
  if (expect_string(context, v, text) == nullptr) return {};
  const auto found = std::find(words.begin(), words.end(), text);
  if (found != words.end()) return static_cast<int>(found - words.begin());
  std::string list;
  for (const std::string_view word : words) {
    if (!word.empty()) list += (list.empty() ? "" : ", ") + std::string(word);
  }
  context.error(fmt::format("{} is not one of {}", shown(v), list));
  return {};
}

void decode_object(DecodeContext& context, const Schema& schema, const json::value& v, void* target) {
  const json::object* object = expect_object(context, v);
  if (object == nullptr) return;
  for (const auto& member : *object) {
    if (member.value().is_null()) continue;
    const std::string_view name(member.key());
    const DecodeContext::Step step(context, name);
    const auto field =
        std::find_if(schema.fields.begin(), schema.fields.end(), [&](const Field& f) { return f.name == name; });
    if (field != schema.fields.end()) {
      field->codec()->decode(context, member.value(), field->member(target));
      continue;
    }
    if (std::find(schema.kept.begin(), schema.kept.end(), name) == schema.kept.end()) context.unknown_field();
    schema.extra(target)->members.emplace_back(name, json::to_text(member.value()));
  }
}

json::value encode_object(const Schema& schema, const void* source) {
  json::object object;
  void* fields_of = const_cast<void*>(source); // the accessors serve both directions; nothing is written through it
  for (const Field& field : schema.fields) {
    const void* member = field.member(fields_of);
    const Codec* codec = field.codec();
    if (field.presence == Presence::if_set && codec->is_empty(member)) continue;
    object[field.name] = codec->encode(member);
  }
  for (const auto& [name, text] : schema.extra(fields_of)->members) object[name] = parse_kept(text);
  return object;
}

const Codec* codec_of(Type<std::string>) {
  static constexpr Codec kCodec = {
      decode_string,
      [](const void* source) { return json::value(*static_cast<const std::string*>(source)); },
      [](const void* source) { return static_cast<const std::string*>(source)->empty(); },
  };
  return &kCodec;
}

const Codec* codec_of(Type<bool>) {
  static constexpr Codec kCodec = {
      decode_bool,
      [](const void* source) { return json::value(*static_cast<const bool*>(source)); },
      [](const void* source) { return !*static_cast<const bool*>(source); },
  };
  return &kCodec;
}

const Codec* codec_of(Type<std::int32_t>) {
  return number_codec<std::int32_t>();
}
const Codec* codec_of(Type<std::int64_t>) {
  return number_codec<std::int64_t>();
}

const Codec* codec_of(Type<Quantity>) {
  static constexpr Codec kCodec = {
      decode_quantity,
      [](const void* source) { return json::value(static_cast<const Quantity*>(source)->to_string()); },
      [](const void*) { return false; },
  };
  return &kCodec;
}

const Codec* codec_of(Type<IntOrString>) {
  static constexpr Codec kCodec = {
      decode_int_or_string,
      [](const void* source) {
        const auto& v = *static_cast<const IntOrString*>(source);
        return v.is_name ? json::value(v.name) : json::value(std::int64_t{v.number});
      },
      [](const void* source) { return *static_cast<const IntOrString*>(source) == IntOrString{}; },
  };
  return &kCodec;
}

const Codec* codec_of(Type<Time>) {
  static constexpr Codec kCodec = {
      decode_time,
      [](const void* source) { return json::value(format_rfc3339(static_cast<const Time*>(source)->at)); },
      [](const void*) { return false; },
  };
  return &kCodec;
}

} // namespace keelson::api
