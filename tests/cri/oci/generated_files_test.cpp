#include "cri/oci/generated_files.hpp"
#include "cri/proto/runtime_v1.pb.h"

#include <gmock/gmock.h>

namespace keelson::cri {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Hostname, IsADnsName) {
  for (const char* good : {"web", "web-0", "web-0.svc.cluster.local", "a", "Node_1"})
    EXPECT_TRUE(check_hostname(good)) << good;
  for (const char* bad : {"", "-web", "web-", "a..b", ".", "we b", "web\n", "web\t",
                          "w\xc3\xa9"
                          "b",
                          "a/b", "a#b"})
    EXPECT_FALSE(check_hostname(bad)) << bad;
  EXPECT_TRUE(check_hostname(std::string(64, 'a')));
  EXPECT_FALSE(check_hostname(std::string(65, 'a')));
  EXPECT_EQ(*hostname_text("web"), "web\n");
}

TEST(Hosts, HasLoopbackAndThePod) {
  const auto text = hosts_text("web", {"10.1.2.3", "fd00::5"});
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, HasSubstr("127.0.0.1\tlocalhost\n"));
  EXPECT_THAT(*text, HasSubstr("10.1.2.3\tweb\n"));
  EXPECT_THAT(*text, HasSubstr("fd00::5\tweb\n"));
  EXPECT_FALSE(hosts_text("web", {"10.1.2.3\n1.1.1.1 bank.example"}));
  EXPECT_FALSE(hosts_text("web\n6.6.6.6 bank", {}));
}

TEST(ResolvConf, WritesServersSearchesAndOptions) {
  runtime::v1::DNSConfig dns;
  dns.add_servers("10.96.0.10");
  dns.add_servers("fe80::1%eth0");
  dns.add_searches("default.svc.cluster.local");
  dns.add_searches("svc.cluster.local");
  dns.add_options("ndots:5");
  dns.add_options("edns0");
  EXPECT_EQ(*resolv_conf_text(dns), "search default.svc.cluster.local svc.cluster.local\n"
                                    "nameserver 10.96.0.10\nnameserver fe80::1%eth0\noptions ndots:5 edns0\n");
  EXPECT_EQ(*resolv_conf_text({}), "");
}

// CVE-2022-4318, CVE-2026-15809: real control characters never make a line.
TEST(ResolvConf, NoValueAddsALine) {
  const std::vector<std::string> bad = {
      "1.1.1.1\nnameserver 6.6.6.6", "1.1.1.1\r",    "1.1.1.1 ", "dns.example", "",
      std::string("1.1.1.1\0x", 9),  "1.1.1.1%eth0", "::1%",     "::1%a\nb",    "1.1.1"};
  for (const std::string& server : bad) {
    runtime::v1::DNSConfig dns;
    dns.add_servers(server);
    EXPECT_FALSE(resolv_conf_text(dns)) << server;
  }
  for (const char* word : {"a\nnameserver 6.6.6.6", "a b", "a\r", "a\t", "", "a;b", "a#b", "a\\nb"}) {
    runtime::v1::DNSConfig searches;
    searches.add_searches(word);
    EXPECT_FALSE(resolv_conf_text(searches)) << word;
    runtime::v1::DNSConfig options;
    options.add_options(word);
    EXPECT_FALSE(resolv_conf_text(options)) << word;
  }
}

} // namespace
} // namespace keelson::cri
