#include "cri/oci/capabilities.hpp"

#include <gmock/gmock.h>

namespace keelson::cri {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint64_t kEverything = ~std::uint64_t{0};
constexpr std::uint64_t kAll = (std::uint64_t{1} << 41) - 1;
constexpr std::uint64_t kNetAdmin = std::uint64_t{1} << 12;
constexpr std::uint64_t kSysAdmin = std::uint64_t{1} << 21;
constexpr std::uint64_t kChown = 1;

TEST(Capabilities, NamesAreTheKernelsNumbers) {
  EXPECT_EQ(capability_number("CAP_CHOWN"), 0U);
  EXPECT_EQ(capability_number("net_admin"), 12U);
  EXPECT_EQ(capability_number("Cap_Checkpoint_Restore"), 40U);
  EXPECT_EQ(capability_number("SYS_RESOURCE"), 24U);
  EXPECT_EQ(capability_name(21), "CAP_SYS_ADMIN");
  EXPECT_FALSE(capability_number("CAP_"));
  EXPECT_FALSE(capability_number(""));
  EXPECT_FALSE(capability_number("CHOWN "));
}

TEST(Capabilities, DefaultSetIsFourteen) {
  EXPECT_EQ(default_capabilities(), 0x00000000a80425fbU); // CapEff of a container of containerd or Docker
}

struct Case {
  const char* name;
  CapabilityRequest request;
  std::uint64_t expected;
};

TEST(Capabilities, AddAndDropFollowCri) {
  const std::uint64_t defaults = default_capabilities();
  const std::vector<Case> cases = {
      {"nothing", {}, defaults},
      {"add", {{"NET_ADMIN"}, {}, {}, false}, defaults | kNetAdmin},
      {"add with prefix", {{"CAP_NET_ADMIN"}, {}, {}, false}, defaults | kNetAdmin},
      {"drop", {{}, {"chown"}, {}, false}, defaults & ~kChown},
      {"drop all", {{}, {"ALL"}, {}, false}, 0},
      {"drop all, add one", {{"NET_ADMIN"}, {"all"}, {}, false}, kNetAdmin},
      {"add all", {{"ALL"}, {}, {}, false}, kAll},
      {"add all, drop one", {{"ALL"}, {"SYS_ADMIN"}, {}, false}, kAll & ~kSysAdmin},
      {"add and drop the same", {{"NET_ADMIN"}, {"NET_ADMIN"}, {}, false}, defaults},
      {"privileged", {{}, {"ALL"}, {}, true}, kAll},
  };
  for (const Case& c : cases) {
    const auto grant = grant_capabilities(c.request, kEverything);
    ASSERT_TRUE(grant) << c.name;
    EXPECT_EQ(grant->sets.bounding, c.expected) << c.name;
    EXPECT_EQ(grant->sets.permitted, c.expected) << c.name;
    EXPECT_EQ(grant->sets.effective, c.expected) << c.name;
    EXPECT_EQ(grant->sets.inheritable, 0U) << c.name;
    EXPECT_EQ(grant->sets.ambient, 0U) << c.name;
  }
}

TEST(Capabilities, AmbientOnesAreInheritableAndMustBePermitted) {
  const auto grant = grant_capabilities({{"NET_ADMIN"}, {}, {"NET_ADMIN"}, false}, kEverything);
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->sets.ambient, kNetAdmin);
  EXPECT_EQ(grant->sets.inheritable, kNetAdmin);

  const auto refused = grant_capabilities({{}, {}, {"NET_ADMIN"}, false}, kEverything);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  EXPECT_THAT(refused.error().message, HasSubstr("CAP_NET_ADMIN"));
}

TEST(Capabilities, UnknownNamesAreRefusedByName) {
  for (const char* name : {"NET_ADMINS", "CAP_", "", "NET ADMIN", "CAP_CAP_CHOWN"}) {
    const auto refused = grant_capabilities({{name}, {}, {}, false}, kEverything);
    ASSERT_FALSE(refused) << name;
    EXPECT_THAT(refused.error().message, HasSubstr(name));
    EXPECT_FALSE(grant_capabilities({{}, {name}, {}, false}, kEverything)) << name;
    EXPECT_FALSE(grant_capabilities({{}, {}, {name}, false}, kEverything)) << name;
  }
}

TEST(Capabilities, NodeWithoutOneGrantsTheRestAndSaysSo) {
  const auto grant = grant_capabilities({{"SYS_ADMIN", "NET_ADMIN"}, {}, {}, false}, ~kSysAdmin);
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->sets.bounding & kSysAdmin, 0U);
  EXPECT_EQ(grant->sets.bounding & kNetAdmin, kNetAdmin);
  EXPECT_THAT(grant->missing, ElementsAre("CAP_SYS_ADMIN"));
  const auto privileged = grant_capabilities({{}, {}, {}, true}, ~kSysAdmin);
  ASSERT_TRUE(privileged);
  EXPECT_TRUE(privileged->missing.empty());
}

} // namespace
} // namespace keelson::cri
