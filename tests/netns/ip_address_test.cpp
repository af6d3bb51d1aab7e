#include "netns/ip_address.hpp"

#include <gtest/gtest.h>

namespace keelson::netns {
namespace {

TEST(IpAddress, PrintsTheCanonicalForm) {
  EXPECT_EQ(IpAddress::parse("10.0.0.1")->text(), "10.0.0.1");
  EXPECT_EQ(IpAddress::parse("FD00:0:0:0:0:0:0:5")->text(), "fd00::5");
  EXPECT_EQ(IpAddress::parse("::")->text(), "::");
}

TEST(IpAddress, RefusesWhatIsNoAddress) {
  using namespace std::string_literals;
  for (const std::string& text :
       {""s, "10.0.0"s, "10.0.0.1.2"s, "010.0.0.1"s, "10.0.0.256"s, " 10.0.0.1"s, "10.0.0.1/8"s, "fe80::1%eth0"s,
        ":::"s, "1::2::3"s, "10.0.0.1\0x"s, "::ffff:10.0.0.1"s, std::string(4096, ':'), std::string(4096, '1')})
    EXPECT_FALSE(IpAddress::parse(text)) << text;
}

TEST(IpAddress, NextCarriesAndWraps) {
  EXPECT_EQ(IpAddress::parse("10.0.0.255")->next().text(), "10.0.1.0");
  EXPECT_EQ(IpAddress::parse("255.255.255.255")->next().text(), "0.0.0.0");
  EXPECT_EQ(IpAddress::parse("fd00::ffff:ffff")->next().text(), "fd00::1:0:0");
}

TEST(IpAddress, OrdersNumericallyWithinAFamily) {
  EXPECT_LT(*IpAddress::parse("9.255.0.0"), *IpAddress::parse("10.0.0.0"));
  EXPECT_LT(*IpAddress::parse("255.0.0.0"), *IpAddress::parse("::1"));
}

TEST(IpPrefix, KnowsItsEnds) {
  const auto range = IpPrefix::parse("10.88.4.0/22");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->first_host().text(), "10.88.4.1");
  EXPECT_EQ(range->last().text(), "10.88.7.255");
  EXPECT_TRUE(range->contains(*IpAddress::parse("10.88.7.9")));
  EXPECT_FALSE(range->contains(*IpAddress::parse("10.88.8.0")));
  EXPECT_FALSE(range->contains(*IpAddress::parse("fd00::1")));
  EXPECT_EQ(IpPrefix::parse("fd00:88::/64")->last().text(), "fd00:88::ffff:ffff:ffff:ffff");
  EXPECT_EQ(IpPrefix::parse("0.0.0.0/0")->last().text(), "255.255.255.255");
}

TEST(IpPrefix, RefusesHostBitsAndBadLengths) {
  for (const char* text : {"10.0.0.5/16", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/+8",
                           "10.0.0.0/8 ", "fd00::/129", "fd00::1/64", "/8", "10.0.0.0/8/8"})
    EXPECT_FALSE(IpPrefix::parse(text)) << text;
}

TEST(IpPrefix, OverlapsWhenOneHoldsTheOther) {
  EXPECT_TRUE(IpPrefix::parse("10.0.0.0/8")->overlaps(*IpPrefix::parse("10.1.0.0/16")));
  EXPECT_TRUE(IpPrefix::parse("10.1.0.0/16")->overlaps(*IpPrefix::parse("10.0.0.0/8")));
  EXPECT_FALSE(IpPrefix::parse("10.0.0.0/16")->overlaps(*IpPrefix::parse("10.1.0.0/16")));
}

} // namespace
} // namespace keelson::netns
