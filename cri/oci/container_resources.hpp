// The linux.resources object of config.json from CRI's resources and devices. Pure; internal to cri/oci/.
#pragma once

#include "cri/oci/spec_builder.hpp"

#include <boost/json/object.hpp>

namespace keelson::cri {

Result<boost::json::object> build_resources(const SpecInput& input, std::vector<std::string>& warnings);

} // namespace keelson::cri
