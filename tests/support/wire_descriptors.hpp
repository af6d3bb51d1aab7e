// The wire facts as a protobuf file descriptor.
#pragma once

namespace google::protobuf {
class FileDescriptorProto;
} // namespace google::protobuf

namespace keelson::test {

struct WireFacts;

void describe(const WireFacts& facts, google::protobuf::FileDescriptorProto& file);

} // namespace keelson::test
