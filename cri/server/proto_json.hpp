// Protobuf messages as JSON, with the field names of the .proto file: the form in which records keep what was asked.
#pragma once

#include "base/error.hpp"

#include <string>
#include <string_view>

namespace google::protobuf {
class Message;
} // namespace google::protobuf

namespace keelson::cri {

Result<std::string> to_json_text(const google::protobuf::Message& message);

// Fields that this build does not know are ignored: the record of a newer daemon stays readable.
Result<> from_json_text(std::string_view text, google::protobuf::Message& message);

} // namespace keelson::cri
