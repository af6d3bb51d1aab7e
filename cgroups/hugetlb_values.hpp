// Page sizes as the hugetlb controller spells them in its file names: "64KB", "2MB", "1GB". All but the last are pure.
#pragma once

#include "base/error.hpp"
#include "base/units.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace keelson::cgroups {

// A power of two with the largest unit that divides it; invalid_argument otherwise.
Result<std::string> huge_page_name(Bytes size);
Result<Bytes> huge_page_size(std::string_view name);

// The names of the sizes that this machine has: of /sys/kernel/mm/hugepages/hugepages-2048kB and so on.
std::vector<std::string> machine_huge_page_sizes();

} // namespace keelson::cgroups
