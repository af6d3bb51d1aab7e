#include "tests/support/wire_descriptors.hpp"

#include "tests/support/wire_facts.hpp"

#include <google/protobuf/descriptor.pb.h>

#include <cctype>
#include <map>

namespace keelson::test {

namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptorProto;

const std::map<std::string, Field::Type> kScalars = {
    {"string", Field::TYPE_STRING}, {"bytes", Field::TYPE_BYTES},   {"bool", Field::TYPE_BOOL},
    {"int32", Field::TYPE_INT32},   {"int64", Field::TYPE_INT64},   {"uint32", Field::TYPE_UINT32},
    {"uint64", Field::TYPE_UINT64}, {"double", Field::TYPE_DOUBLE}, {"float", Field::TYPE_FLOAT}};

// Builds messages by name as their first fact appears.
class FileBuilder {
 public:
  explicit FileBuilder(pb::FileDescriptorProto& file)
      : file_(file) {}

  pb::DescriptorProto& message(const std::string& name) {
    const auto [at, is_new] = indexes_.try_emplace(name, file_.message_type_size());
    if (is_new) file_.add_message_type()->set_name(name);
    return *file_.mutable_message_type(at->second);
  }

  void add_field(const WireField& fact) {
    auto& owner = message(fact.message);
    auto& field = *owner.add_field();
    field.set_name(fact.name);
    field.set_number(fact.number);
    field.set_label(fact.repeated ? Field::LABEL_REPEATED : Field::LABEL_OPTIONAL);
    constexpr std::string_view kMap = "map<";
    if (fact.type.starts_with(kMap)) {
      field.set_label(Field::LABEL_REPEATED);
      field.set_type(Field::TYPE_MESSAGE);
      field.set_type_name(add_map_entry(owner, fact, fact.type.substr(kMap.size())));
    } else {
      set_type(field, fact.type);
    }
  }

  void add_value(const WireEnumValue& fact) {
    const auto dot = fact.enumeration.find('.');
    const auto name = dot == std::string::npos ? fact.enumeration : fact.enumeration.substr(dot + 1);
    auto& enums = dot == std::string::npos ? *file_.mutable_enum_type()
                                           : *message(fact.enumeration.substr(0, dot)).mutable_enum_type();
    if (enums.empty() || enums.rbegin()->name() != name) enums.Add()->set_name(name);
    auto& value = *enums.rbegin()->add_value();
    value.set_name(fact.name);
    value.set_number(fact.number);
  }

 private:
  // A type that is no scalar stays untyped: the pool finds out whether the name is a message or an enumeration.
  static void set_type(Field& field, const std::string& type) {
    if (const auto scalar = kScalars.find(type); scalar != kScalars.end())
      field.set_type(scalar->second);
    else
      field.set_type_name(type);
  }

  // A map is a repeated message "<FieldName>Entry" of key and value
  // (https://protobuf.dev/programming-guides/proto3/#maps).
  static std::string add_map_entry(pb::DescriptorProto& owner, const WireField& fact, const std::string& types) {
    std::string name;
    bool upper = true;
    for (const char c : fact.name) {
      if (c != '_') name += upper ? static_cast<char>(std::toupper(c)) : c;
      upper = c == '_';
    }
    name += "Entry";
    const auto comma = types.find(',');
    auto& entry = *owner.add_nested_type();
    entry.set_name(name);
    entry.mutable_options()->set_map_entry(true);
    const std::string parts[] = {types.substr(0, comma), types.substr(comma + 1, types.size() - comma - 2)};
    for (int i = 0; i < 2; ++i) {
      auto& field = *entry.add_field();
      field.set_name(i == 0 ? "key" : "value");
      field.set_number(i + 1);
      field.set_label(Field::LABEL_OPTIONAL);
      set_type(field, parts[i]);
    }
    return name;
  }

  pb::FileDescriptorProto& file_;
  std::map<std::string, int> indexes_;
};

} // namespace

void describe(const WireFacts& facts, pb::FileDescriptorProto& file) {
  file.set_name(facts.package + ".facts");
  file.set_package(facts.package);
  file.set_syntax("proto3");
  FileBuilder builder(file);
  for (const auto& fact : facts.fields) builder.add_field(fact);
  for (const auto& fact : facts.values) builder.add_value(fact);
  for (const auto& fact : facts.rpcs) {
    builder.message(fact.request);
    builder.message(fact.response);
    auto& services = *file.mutable_service();
    if (services.empty() || services.rbegin()->name() != fact.service) services.Add()->set_name(fact.service);
    auto& method = *services.rbegin()->add_method();
    method.set_name(fact.name);
    method.set_input_type(fact.request);
    method.set_output_type(fact.response);
    method.set_server_streaming(fact.server_streams);
  }
}

} // namespace keelson::test
