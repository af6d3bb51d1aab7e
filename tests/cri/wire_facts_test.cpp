// cri/proto/runtime_v1.proto is written by hand: here it is compared with the table of wire facts, in both directions.
#include "cri/proto/runtime_v1.pb.h"
#include "tests/support/wire_facts.hpp"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>

namespace keelson::cri {

namespace {

namespace pb = google::protobuf;
using Lines = std::set<std::string>;

std::string type_of(const pb::FieldDescriptor& field) {
  if (field.is_map()) {
    const auto& entry = *field.message_type();
    return "map<" + type_of(*entry.map_key()) + "," + type_of(*entry.map_value()) + ">";
  }
  if (field.message_type() != nullptr) return field.message_type()->name();
  if (field.enum_type() != nullptr) return field.enum_type()->name();
  return field.type_name();
}

void add_values(const pb::EnumDescriptor& enumeration, const std::string& name, Lines& lines) {
  for (int i = 0; i < enumeration.value_count(); ++i) {
    const auto& value = *enumeration.value(i);
    lines.insert("value " + name + " " + value.name() + " " + std::to_string(value.number()));
  }
}

void add_message(const pb::Descriptor& message, Lines& lines) {
  for (int i = 0; i < message.field_count(); ++i) {
    const auto& field = *message.field(i);
    const std::string label = field.is_repeated() && !field.is_map() ? "repeated " : "";
    lines.insert("field " + message.name() + " " + field.name() + " " + std::to_string(field.number()) + " " + label +
                 type_of(field));
  }
  for (int i = 0; i < message.enum_type_count(); ++i)
    add_values(*message.enum_type(i), message.name() + "." + message.enum_type(i)->name(), lines);
}

void add_service(const pb::ServiceDescriptor& service, Lines& lines) {
  for (int i = 0; i < service.method_count(); ++i) {
    const auto& method = *service.method(i);
    lines.insert("rpc " + service.name() + " " + method.name() + " " + (method.client_streaming() ? "stream " : "") +
                 method.input_type()->name() + " " + (method.server_streaming() ? "stream " : "") +
                 method.output_type()->name());
  }
}

Lines lines_of_the_code() {
  const auto& file = *runtime::v1::VersionRequest::descriptor()->file();
  Lines lines;
  for (int i = 0; i < file.service_count(); ++i) add_service(*file.service(i), lines);
  for (int i = 0; i < file.message_type_count(); ++i) add_message(*file.message_type(i), lines);
  for (int i = 0; i < file.enum_type_count(); ++i) add_values(*file.enum_type(i), file.enum_type(i)->name(), lines);
  return lines;
}

Lines lines_of_the_facts(const test::WireFacts& facts) {
  Lines lines;
  for (const auto& rpc : facts.rpcs)
    lines.insert("rpc " + rpc.service + " " + rpc.name + " " + rpc.request + " " +
                 (rpc.server_streams ? "stream " : "") + rpc.response);
  for (const auto& field : facts.fields)
    lines.insert("field " + field.message + " " + field.name + " " + std::to_string(field.number) + " " +
                 (field.repeated ? "repeated " : "") + field.type);
  for (const auto& value : facts.values)
    lines.insert("value " + value.enumeration + " " + value.name + " " + std::to_string(value.number));
  return lines;
}

TEST(WireFacts, AreWhatTheProtocolFileSays) {
  const auto facts = test::read_wire_facts(KEELSON_CRI_FACTS);
  ASSERT_TRUE(facts.has_value()) << facts.error().message;
  EXPECT_EQ(facts->rpcs.size(), 43U);
  EXPECT_EQ(runtime::v1::VersionRequest::descriptor()->file()->package(), facts->package);
  const auto code = lines_of_the_code();
  const auto table = lines_of_the_facts(*facts);
  EXPECT_GT(table.size(), 600U);
  for (const auto& line : table) EXPECT_TRUE(code.contains(line)) << "not in the .proto: " << line;
  for (const auto& line : code) EXPECT_TRUE(table.contains(line)) << "not in the facts: " << line;
}

} // namespace

} // namespace keelson::cri
