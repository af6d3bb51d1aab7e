// Tables of fields that describe a type to the codec: name in JSON, member, and how the member's type is read and
// written. A new object needs its struct, a table (see pod_schema.cpp) and its schema_of() declared in schemas.hpp;
// nothing else.
//
//   const Schema& schema_of(Type<Sysctl>) {
//     static const Field kFields[] = {field<&Sysctl::name>("name"), field<&Sysctl::value>("value")};
//     static const Schema kSchema = make_schema<Sysctl>(kFields);
//     return kSchema;
//   }
//
// Only the codec's own files include this header.
#pragma once

#include "api/meta.hpp"
#include "api/quantity.hpp"
#include "base/json.hpp"

#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace keelson::api {

// Where the decoder is in the document, and what it has found wrong or unknown so far.
class DecodeContext {
 public:
  // One step into the document, for the life of the object.
  class Step {
   public:
    Step(DecodeContext& context, std::string_view member);
    Step(DecodeContext& context, std::size_t index);
    ~Step() { context_.path_.resize(old_size_); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    DecodeContext& context_;
    std::size_t old_size_;
  };

  void error(std::string_view message); // at the current path
  void unknown_field();
  const std::vector<std::string>& errors() const { return errors_; }
  std::vector<std::string>& warnings() { return warnings_; }

 private:
  std::string path_;
  std::vector<std::string> errors_;
  std::vector<std::string> warnings_;
};

// How one type of member is read and written. `target` and `source` point to an object of that type.
struct Codec {
  void (*decode)(DecodeContext& context, const json::value& v, void* target);
  json::value (*encode)(const void* source);
  bool (*is_empty)(const void* source); // left out when written
};

enum class Presence { if_set, always };

struct Field {
  std::string_view name;
  const Codec* (*codec)();
  void* (*member)(void* object);
  Presence presence;
};

struct Schema {
  std::span<const Field> fields;
  std::span<const std::string_view> kept; // names that are known but have no member: kept without a warning
  Extra* (*extra)(void* object);
};

template <class T>
struct Type {};

void decode_object(DecodeContext& context, const Schema& schema, const json::value& v, void* target);
json::value encode_object(const Schema& schema, const void* source);

std::string_view kind_of(const json::value& v);       // "a string", "a list"
std::string shown(const json::value& v);              // a value for a message, cut and printable
json::value parse_kept(const std::string& json_text); // an Extra member

const Codec* codec_of(Type<std::string>);
const Codec* codec_of(Type<bool>);
const Codec* codec_of(Type<std::int32_t>);
const Codec* codec_of(Type<std::int64_t>);
const Codec* codec_of(Type<Quantity>);
const Codec* codec_of(Type<IntOrString>);
const Codec* codec_of(Type<Time>);

// A type that has a schema is an object; a type that has enum names is one of those words.
template <class T>
concept HasSchema = requires {
  schema_of(Type<T>{});
};
template <class T>
concept HasNames = std::is_enum_v<T>;

template <HasSchema T>
const Codec* codec_of(Type<T>) {
  static constexpr Codec kCodec = {
      [](DecodeContext& context, const json::value& v, void* target) {
        decode_object(context, schema_of(Type<T>{}), v, target);
      },
      [](const void* source) { return encode_object(schema_of(Type<T>{}), source); },
      [](const void* source) { return *static_cast<const T*>(source) == T{}; },
  };
  return &kCodec;
}

// Words of an enumeration, shared by all of them: the index of a word is the value.
std::optional<int> decode_word(DecodeContext& context, std::span<const std::string_view> words, const json::value& v);

template <HasNames E>
const Codec* codec_of(Type<E>) {
  static constexpr Codec kCodec = {
      [](DecodeContext& context, const json::value& v, void* target) {
        if (const auto index = decode_word(context, words_of(Type<E>{}), v)) {
          *static_cast<E*>(target) = static_cast<E>(*index);
        }
      },
      [](const void* source) {
        return json::value(words_of(Type<E>{})[static_cast<std::size_t>(*static_cast<const E*>(source))]);
      },
      [](const void* source) { return *static_cast<const E*>(source) == E{}; },
  };
  return &kCodec;
}

template <class T>
const Codec* codec_of(Type<std::optional<T>>);
template <class T>
const Codec* codec_of(Type<std::map<std::string, T>>);

const json::array* expect_array(DecodeContext& context, const json::value& v);
const json::object* expect_object(DecodeContext& context, const json::value& v);

template <class T>
const Codec* codec_of(Type<std::vector<T>>) {
  static constexpr Codec kCodec = {
      [](DecodeContext& context, const json::value& v, void* target) {
        const json::array* list = expect_array(context, v);
        if (list == nullptr) return;
        auto& out = *static_cast<std::vector<T>*>(target);
        out.clear();
        out.reserve(list->size());
        for (const json::value& element : *list) {
          const DecodeContext::Step step(context, out.size());
          T& value = out.emplace_back();
          if (!element.is_null()) codec_of(Type<T>{})->decode(context, element, &value);
        }
      },
      [](const void* source) {
        json::array list;
        for (const T& element : *static_cast<const std::vector<T>*>(source)) {
          list.push_back(codec_of(Type<T>{})->encode(&element));
        }
        return json::value(std::move(list));
      },
      [](const void* source) { return static_cast<const std::vector<T>*>(source)->empty(); },
  };
  return &kCodec;
}

template <class T>
const Codec* codec_of(Type<std::map<std::string, T>>) {
  static constexpr Codec kCodec = {
      [](DecodeContext& context, const json::value& v, void* target) {
        const json::object* object = expect_object(context, v);
        if (object == nullptr) return;
        auto& out = *static_cast<std::map<std::string, T>*>(target);
        out.clear();
        for (const auto& member : *object) {
          const DecodeContext::Step step(context, std::string_view(member.key()));
          T& value = out[std::string(member.key())];
          if (!member.value().is_null()) codec_of(Type<T>{})->decode(context, member.value(), &value);
        }
      },
      [](const void* source) {
        json::object object;
        for (const auto& [key, value] : *static_cast<const std::map<std::string, T>*>(source)) {
          object[key] = codec_of(Type<T>{})->encode(&value);
        }
        return json::value(std::move(object));
      },
      [](const void* source) { return static_cast<const std::map<std::string, T>*>(source)->empty(); },
  };
  return &kCodec;
}

template <class T>
const Codec* codec_of(Type<std::optional<T>>) {
  static constexpr Codec kCodec = {
      [](DecodeContext& context, const json::value& v, void* target) {
        auto& out = *static_cast<std::optional<T>*>(target);
        codec_of(Type<T>{})->decode(context, v, &out.emplace());
      },
      [](const void* source) { return codec_of(Type<T>{})->encode(&**static_cast<const std::optional<T>*>(source)); },
      [](const void* source) { return !static_cast<const std::optional<T>*>(source)->has_value(); },
  };
  return &kCodec;
}

template <class Member>
struct MemberOf;
template <class Object, class Value>
struct MemberOf<Value Object::*> {
  using ObjectType = Object;
  using ValueType = Value;
};

template <auto Member>
Field field(std::string_view name, Presence presence = Presence::if_set) {
  using Object = typename MemberOf<decltype(Member)>::ObjectType;
  using Value = typename MemberOf<decltype(Member)>::ValueType;
  return {name, [] { return codec_of(Type<Value>{}); },
          [](void* object) -> void* { return &(static_cast<Object*>(object)->*Member); }, presence};
}

template <class T>
Schema make_schema(std::span<const Field> fields, std::span<const std::string_view> kept = {}) {
  return {fields, kept, [](void* object) { return &static_cast<T*>(object)->extra; }};
}

} // namespace keelson::api
