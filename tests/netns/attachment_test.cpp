#include "base/file.hpp"
#include "netns/attachment.hpp"
#include "netns/bridge_network.hpp"
#include "netns/udp_flows.hpp"
#include "tests/support/temp_dir.hpp"

#include <gtest/gtest.h>

namespace keelson::netns {
namespace {

Attachment sample() {
  Attachment attachment;
  attachment.sandbox_id = "abc";
  attachment.pod = {"web", "default", "uid-1"};
  attachment.ips = {*IpAddress::parse("10.0.0.2"), *IpAddress::parse("fd00::2")};
  attachment.ports = {{Protocol::udp, 53, 5353, *IpAddress::parse("192.0.2.1")}, {Protocol::sctp, 9, 10, {}}};
  return attachment;
}

TEST(Attachment, SurvivesItsText) {
  const auto parsed = parse_attachment(format_attachment(sample()));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->sandbox_id, "abc");
  EXPECT_EQ(parsed->pod.name_space, "default");
  EXPECT_EQ(parsed->ips, sample().ips);
  EXPECT_EQ(parsed->ports, sample().ports);
}

TEST(Attachment, RefusesGarbage) {
  for (const char* text : {"", "{", "[]", "{}", R"({"sandboxId":"a","ips":["x"]})", R"({"sandboxId":"a","ips":[1]})",
                           R"({"sandboxId":"a","ports":[{"protocol":"tcp","containerPort":1,"hostPort":65536}]})",
                           R"({"sandboxId":"a","ports":[{"protocol":"icmp","containerPort":1,"hostPort":1}]})",
                           R"({"sandboxId":"a","ports":[7]})"})
    EXPECT_FALSE(parse_attachment(text)) << text;
}

TEST(AttachmentStore, LoadsWhatItSavedAndLeavesOutWhatIsBroken) {
  const test::TempDir dir;
  const auto store = AttachmentStore::open(dir / "attachments");
  ASSERT_TRUE(store);
  ASSERT_TRUE(store->save(sample()));
  ASSERT_TRUE(write_file_atomic(dir / "attachments/broken", "{"));
  ASSERT_TRUE(write_file_atomic(dir / "attachments/other", format_attachment(sample())));
  const auto loaded = store->load();
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->size(), 1U);
  ASSERT_TRUE(store->remove("abc"));
  EXPECT_TRUE(store->remove("abc"));
  EXPECT_TRUE(store->load()->empty());
}

TEST(AttachmentStore, RefusesIdsThatAreNoFileNames) {
  const test::TempDir dir;
  const auto store = AttachmentStore::open(dir / "attachments");
  ASSERT_TRUE(store);
  Attachment attachment = sample();
  for (const char* id : {"", "..", "../x", "a/b", ".hidden"}) {
    attachment.sandbox_id = id;
    EXPECT_FALSE(store->save(attachment)) << id;
  }
}

TEST(HostInterfaceName, IsStableShortAndDistinct) {
  EXPECT_EQ(host_interface_name("abc"), host_interface_name("abc"));
  EXPECT_NE(host_interface_name("abc"), host_interface_name("abd"));
  EXPECT_EQ(host_interface_name(std::string(64, 'f')).size(), 15U);
}

TEST(UdpFlows, ArgumentsNameOnlyThePort) {
  const PortMapping port{Protocol::udp, 53, 5353, {}};
  EXPECT_EQ(flows_to_pod_arguments(port, *IpAddress::parse("10.0.0.2")),
            (std::vector<std::string>{"-D", "-f", "ipv4", "-p", "udp", "--orig-port-dst", "5353", "--reply-src",
                                      "10.0.0.2"}));
  EXPECT_EQ(
      flows_to_node_arguments(port, *IpAddress::parse("fd00::1")),
      (std::vector<std::string>{"-D", "-f", "ipv6", "-p", "udp", "--orig-port-dst", "5353", "--orig-dst", "fd00::1"}));
}

} // namespace
} // namespace keelson::netns
