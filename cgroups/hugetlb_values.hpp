// Page sizes as the hugetlb controller spells them in its file names: "64KB", "2MB", "1GB". Pure: no system calls.
#pragma once

#include "base/error.hpp"
#include "base/units.hpp"

#include <string>
#include <string_view>

namespace keelson::cgroups {

// A power of two with the largest unit that divides it; invalid_argument otherwise.
Result<std::string> huge_page_name(Bytes size);
Result<Bytes> huge_page_size(std::string_view name);

} // namespace keelson::cgroups
