#include "base/file.hpp"
#include "netns/address_pool.hpp"
#include "tests/support/temp_dir.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

namespace keelson::netns {
namespace {

std::vector<IpPrefix> ranges(std::initializer_list<const char*> texts) {
  std::vector<IpPrefix> list;
  for (const char* text : texts) list.push_back(*IpPrefix::parse(text));
  return list;
}

std::string first(const Result<std::vector<IpAddress>>& addresses) {
  return addresses ? addresses->front().text() : addresses.error().message;
}

class AddressPoolTest : public testing::Test {
 protected:
  AddressPool open(std::initializer_list<const char*> texts) {
    auto pool = AddressPool::open(dir_ / "ipam", ranges(texts));
    EXPECT_TRUE(pool) << (pool ? "" : pool.error().message);
    return std::move(*pool);
  }
  test::TempDir dir_;
};

TEST_F(AddressPoolTest, WritesTheOwnerIntoAFilePerAddress) {
  AddressPool pool = open({"10.88.0.0/24", "fd00::/64"});
  const auto addresses = pool.reserve("sandbox-a");
  ASSERT_TRUE(addresses);
  ASSERT_EQ(addresses->size(), 2U);
  EXPECT_EQ((*addresses)[0].text(), "10.88.0.2");
  EXPECT_EQ((*addresses)[1].text(), "fd00::2");
  EXPECT_EQ(*read_file(dir_ / "ipam/10.88.0.2"), "sandbox-a");
  EXPECT_EQ(*read_file(dir_ / "ipam/fd00::2"), "sandbox-a");
  EXPECT_EQ(pool.gateway_of((*addresses)[1]).text(), "fd00::1");
  ASSERT_TRUE(pool.release("sandbox-a"));
  EXPECT_FALSE(exists(dir_ / "ipam/10.88.0.2"));
  EXPECT_TRUE(pool.release("sandbox-a"));
}

TEST_F(AddressPoolTest, KeepsTheOrderOfFamilies) {
  EXPECT_EQ(first(open({"fd00::/64", "10.88.0.0/24"}).reserve("a")), "fd00::2");
}

TEST_F(AddressPoolTest, GivesTheSameSandboxTheSameAddresses) {
  AddressPool pool = open({"10.88.0.0/24"});
  EXPECT_EQ(first(pool.reserve("a")), first(pool.reserve("a")));
  EXPECT_EQ(pool.size(), 1U);
}

TEST_F(AddressPoolTest, GoesThroughTheRangeBeforeItGivesAnAddressAgain) {
  {
    AddressPool pool = open({"10.88.0.0/29"}); // .2 to .6
    EXPECT_EQ(first(pool.reserve("a")), "10.88.0.2");
    ASSERT_TRUE(pool.release("a"));
    EXPECT_EQ(first(pool.reserve("b")), "10.88.0.3");
    ASSERT_TRUE(pool.release("b"));
  }
  AddressPool again = open({"10.88.0.0/29"}); // remembered across a restart
  EXPECT_EQ(first(again.reserve("c")), "10.88.0.4");
  EXPECT_EQ(first(again.reserve("d")), "10.88.0.5");
  EXPECT_EQ(first(again.reserve("e")), "10.88.0.6");
  EXPECT_EQ(first(again.reserve("f")), "10.88.0.2");
}

TEST_F(AddressPoolTest, NeverGivesAnAddressTwiceAfterACrash) {
  { ASSERT_TRUE(open({"10.88.0.0/29"}).reserve("a")); }
  ASSERT_TRUE(write_file_atomic(dir_ / "ipam/10.88.0.3", "")); // its maker died before it wrote the owner
  ASSERT_TRUE(remove_file_at(AT_FDCWD, dir_ / "ipam/next.10.88.0.0-29"));
  AddressPool pool = open({"10.88.0.0/29"});
  EXPECT_EQ(first(pool.reserve("b")), "10.88.0.4");
  EXPECT_EQ(*pool.release_others({"a"}), 2U);
  EXPECT_TRUE(exists(dir_ / "ipam/10.88.0.2"));
  EXPECT_FALSE(exists(dir_ / "ipam/10.88.0.3"));
  EXPECT_FALSE(exists(dir_ / "ipam/10.88.0.4"));
}

TEST_F(AddressPoolTest, RespectsFilesThatAnotherProcessMade) {
  AddressPool pool = open({"10.88.0.0/29"});
  ASSERT_TRUE(write_file_atomic(dir_ / "ipam/10.88.0.2", "other"));
  EXPECT_EQ(first(pool.reserve("a")), "10.88.0.3");
  EXPECT_EQ(*read_file(dir_ / "ipam/10.88.0.2"), "other");
}

TEST_F(AddressPoolTest, UsesTheNextRangeOfAFamilyAndNamesThemWhenFull) {
  AddressPool pool = open({"10.88.0.0/30", "10.99.0.0/30", "fd00::/64"});
  EXPECT_EQ(first(pool.reserve("a")), "10.88.0.2");
  EXPECT_EQ(first(pool.reserve("b")), "10.99.0.2");
  const auto full = pool.reserve("c");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Code::resource_exhausted);
  EXPECT_NE(full.error().message.find("10.88.0.0/30, 10.99.0.0/30"), std::string::npos) << full.error().message;
  EXPECT_EQ(pool.size(), 4U); // nothing stays reserved for c, in no family
  EXPECT_EQ(pool.gateway_of(*IpAddress::parse("10.99.0.2")).text(), "10.99.0.1");
}

TEST_F(AddressPoolTest, HoldsAThousandSandboxesThenSaysNo) {
  AddressPool pool = open({"10.88.0.0/22"});
  std::set<IpAddress> seen;
  for (int i = 0; i < 1021; ++i) {
    const auto addresses = pool.reserve("sandbox-" + std::to_string(i));
    ASSERT_TRUE(addresses) << i;
    EXPECT_TRUE(seen.insert(addresses->front()).second);
  }
  EXPECT_FALSE(pool.reserve("one-more"));
  EXPECT_FALSE(seen.contains(*IpAddress::parse("10.88.0.0")));
  EXPECT_FALSE(seen.contains(*IpAddress::parse("10.88.0.1")));
  EXPECT_FALSE(seen.contains(*IpAddress::parse("10.88.3.255")));
}

TEST_F(AddressPoolTest, GivesManyThreadsDifferentAddresses) {
  AddressPool pool = open({"10.88.0.0/22", "fd00::/64"});
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&pool, t] {
      for (int i = 0; i < 50; ++i) EXPECT_TRUE(pool.reserve(fmt::format("{}-{}", t, i)));
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool.size(), 800U);
}

TEST_F(AddressPoolTest, RefusesRangesThatDoNotWork) {
  for (const auto& list : {ranges({}), ranges({"10.0.0.0/31"}), ranges({"10.0.0.0/32"}), ranges({"0.0.0.0/0"}),
                           ranges({"10.0.0.0/8", "10.1.0.0/16"})})
    EXPECT_FALSE(AddressPool::open(dir_ / "ipam", list));
}

TEST_F(AddressPoolTest, IgnoresForeignFilesAndBadHints) {
  ASSERT_TRUE(make_dirs(dir_ / "ipam", 0700));
  ASSERT_TRUE(write_file_atomic(dir_ / "ipam/README", "x"));
  ASSERT_TRUE(write_file_atomic(dir_ / "ipam/next.10.88.0.0-29", "192.0.2.77"));
  AddressPool pool = open({"10.88.0.0/29"});
  EXPECT_EQ(first(pool.reserve("a")), "10.88.0.2");
  EXPECT_TRUE(exists(dir_ / "ipam/README"));
}

TEST_F(AddressPoolTest, AdoptsWhatARecordSays) {
  AddressPool pool = open({"10.88.0.0/29"});
  ASSERT_TRUE(pool.adopt(*IpAddress::parse("10.88.0.2"), "a"));
  EXPECT_TRUE(pool.adopt(*IpAddress::parse("10.88.0.2"), "a"));
  EXPECT_FALSE(pool.adopt(*IpAddress::parse("10.88.0.2"), "b"));
  EXPECT_EQ(first(pool.reserve("b")), "10.88.0.3");
}

} // namespace
} // namespace keelson::netns
