// CRI requests as JSON, and how to read replies: the shapes that kubelet and crictl send.
#pragma once

#include "tests/support/wire_client.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace keelson::test {

// A pod of the default namespace with a uid of its own; every call makes another identity unless the uid is given.
boost::json::object pod_config(const std::string& name, const std::string& uid = {});
// A container of the image that runs a shell script as its first process; the log is <name>.log.
boost::json::object container_config(const std::string& name, const std::string& script);

boost::json::array texts(const std::vector<std::string>& words);

// The object at a path such as "linux.security_context", made as it is needed.
boost::json::object& at(boost::json::object& object, const std::string& path);

// The value at a JSON pointer, "/status/state". Texts as they are, everything else as JSON; "<absent>" if it is not
// there.
std::string text(const boost::json::value& value, const std::string& pointer);
// A number in either of protobuf's JSON forms; -1000000 if there is none.
std::int64_t number(const boost::json::value& value, const std::string& pointer);

std::string base64_decode(const std::string& encoded);
std::string base64_encode(const std::string& plain);

} // namespace keelson::test
