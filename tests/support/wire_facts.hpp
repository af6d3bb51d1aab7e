// The facts of a gRPC protocol as a table (kind, owner, name, number, type, label): what is on the wire, without a
// .proto file. Read from tests/support/facts/.
#pragma once

#include "base/error.hpp"

#include <string>
#include <vector>

namespace keelson::test {

struct WireRpc {
  std::string service;
  std::string name;
  std::string request;
  std::string response;
  bool server_streams = false;
};

struct WireField {
  std::string message;
  std::string name;
  int number = 0;
  std::string type; // "string", "Mount", "map<string,string>"
  bool repeated = false;
};

struct WireEnumValue {
  std::string enumeration; // "Signal", or "SecurityProfile.ProfileType" when it is nested
  std::string name;
  int number = 0;
};

struct WireFacts {
  std::string package;
  std::vector<WireRpc> rpcs;
  std::vector<WireField> fields;
  std::vector<WireEnumValue> values;
};

Result<WireFacts> read_wire_facts(const std::string& path);

} // namespace keelson::test
