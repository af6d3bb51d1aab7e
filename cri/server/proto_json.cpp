#include "cri/server/proto_json.hpp"

#include <google/protobuf/util/json_util.h>

namespace keelson::cri {

Result<std::string> to_json_text(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  if (!status.ok()) return fail(Code::invalid_argument, "{} as JSON: {}", message.GetTypeName(), status.ToString());
  return text;
}

Result<> from_json_text(std::string_view text, google::protobuf::Message& message) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto status = google::protobuf::util::JsonStringToMessage({text.data(), text.size()}, &message, options);
  if (!status.ok()) return fail(Code::data_loss, "{} from JSON: {}", message.GetTypeName(), status.ToString());
  return {};
}

} // namespace keelson::cri
