#include "base/file.hpp"
#include "netns/cni_config.hpp"
#include "tests/support/temp_dir.hpp"

#include <gtest/gtest.h>

namespace keelson::netns {
namespace {

constexpr const char* kList = R"({"cniVersion":"1.0.0","name":"pods","plugins":[
  {"type":"bridge","bridge":"b0","capabilities":{"dns":true,"ips":false}},
  {"type":"portmap","capabilities":{"portMappings":true,"bandwidth":false}}]})";

TEST(CniList, ParsesListsAndSingleConfigurations) {
  const auto list = parse_cni_list(kList);
  ASSERT_TRUE(list);
  EXPECT_EQ(list->name, "pods");
  EXPECT_EQ(list->plugins.size(), 2U);
  const auto single = parse_cni_list(R"({"cniVersion":"0.3.1","name":"p","type":"ptp"})");
  ASSERT_TRUE(single);
  EXPECT_EQ(single->plugins.size(), 1U);
  const auto again = parse_cni_list(json::to_text(format_cni_list(*list)));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->plugins, list->plugins);
}

TEST(CniList, ChoosesTheHighestOfferedVersion) {
  const auto list = parse_cni_list(
      R"({"cniVersion":"0.4.0","cniVersions":["0.4.0","1.1.0","9.0.0","1.0.0"],"name":"p","type":"ptp"})");
  ASSERT_TRUE(list);
  EXPECT_EQ(list->version, "1.1.0");
}

TEST(CniList, SaysWhatIsWrong) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"{", "not JSON"},
      {"[]", "not a JSON object"},
      {R"({"cniVersion":"1.0.0","plugins":[]})", "name"},
      {R"({"cniVersion":"1.0.0","name":"../x","type":"t"})", "name"},
      {R"({"name":"n","type":"t"})", "cniVersion"},
      {R"({"cniVersion":"2.0.0","name":"n","type":"t"})", "2.0.0"},
      {R"({"cniVersion":"1.0.0","name":"n","plugins":[]})", "0 entries"},
      {R"({"cniVersion":"1.0.0","name":"n","plugins":{}})", "plugins is not a list"},
      {R"({"cniVersion":"1.0.0","name":"n","plugins":[1]})", "plugins[0]"},
      {R"({"cniVersion":"1.0.0","name":"n","plugins":[{"type":"a"},{"type":"../sh"}]})", "plugins[1]"},
      {R"({"cniVersion":"1.0.0","name":"n","plugins":[{}]})", "type"}};
  for (const auto& [text, words] : cases) {
    const auto list = parse_cni_list(text);
    ASSERT_FALSE(list) << text;
    EXPECT_NE(list.error().message.find(words), std::string::npos) << text << ": " << list.error().message;
  }
}

TEST(CniDirectory, TakesTheFirstFileAndNeverSkipsABadOne) {
  const test::TempDir dir;
  EXPECT_EQ(load_cni_config(dir / "absent").error().code, Code::not_found);
  EXPECT_EQ(load_cni_config(dir.path()).error().code, Code::not_found);
  ASSERT_TRUE(write_file_atomic(dir / "00-ignored.txt", "{"));
  ASSERT_TRUE(write_file_atomic(dir / "20-b.conf", R"({"cniVersion":"0.3.1","name":"b","type":"ptp"})"));
  EXPECT_EQ(load_cni_config(dir.path())->name, "b");
  ASSERT_TRUE(write_file_atomic(dir / "10-a.conflist", kList));
  EXPECT_EQ(load_cni_config(dir.path())->name, "pods");
  ASSERT_TRUE(write_file_atomic(dir / "05-broken.json", "{\"cniVersion\":"));
  const auto broken = load_cni_config(dir.path());
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().message.find("05-broken.json"), std::string::npos);
}

TEST(CniInput, HasOnlyDeclaredCapabilities) {
  AttachRequest request;
  request.ports = {{Protocol::udp, 53, 5353, *IpAddress::parse("192.0.2.1")}, {Protocol::tcp, 80, 0, {}}};
  request.dns.servers = {"10.0.0.10"};
  request.annotations = {{"kubernetes.io/ingress-bandwidth", "10M"}};
  const auto list = parse_cni_list(kList);
  const json::object arguments = capability_arguments(request);
  EXPECT_EQ(json::get_int(*json::find_object(arguments, "bandwidth"), "ingressRate").value_or(0), 10000000);
  EXPECT_EQ(*json::parse(plugin_input(*list, list->plugins[0], arguments, std::nullopt)),
            *json::parse(R"({"type":"bridge","bridge":"b0","name":"pods","cniVersion":"1.0.0",)"
                         R"("runtimeConfig":{"dns":{"servers":["10.0.0.10"],"searches":[],"options":[]}}})"));
  EXPECT_EQ(
      *json::parse(plugin_input(*list, list->plugins[1], arguments, *json::parse(R"({"ips":[]})"))),
      *json::parse(
          R"({"type":"portmap","name":"pods","cniVersion":"1.0.0","runtimeConfig":{"portMappings":)"
          R"([{"hostPort":5353,"containerPort":53,"protocol":"udp","hostIP":"192.0.2.1"}]},"prevResult":{"ips":[]}})"));
}

TEST(CniArgs, CannotBeExtended) {
  EXPECT_EQ(*format_cni_args({"web", "default", "u1"}, "s1"),
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;"
            "K8S_POD_INFRA_CONTAINER_ID=s1;K8S_POD_UID=u1");
  EXPECT_FALSE(format_cni_args({"web;K8S_POD_NAMESPACE=kube-system", "default", "u1"}, "s1"));
  EXPECT_FALSE(format_cni_args({"web\n", "default", "u1"}, "s1"));
}

TEST(CniResult, TakesThePodsInterfaceOnly) {
  const auto result = json::parse(R"({"cniVersion":"1.0.0","interfaces":[
    {"name":"br0","mac":"00:00:00:00:00:01"},{"name":"eth0","mac":"00:00:00:00:00:02","sandbox":"/ns"}],
    "ips":[{"interface":0,"address":"10.0.0.1/24"},{"interface":1,"address":"10.0.0.5/24","gateway":"10.0.0.1"},
           {"interface":1,"address":"10.0.0.6/24"},{"interface":1,"address":"fd00::5/64"}]})");
  const auto addresses = parse_cni_result(*result, "eth0");
  ASSERT_TRUE(addresses);
  ASSERT_EQ(addresses->ips.size(), 2U);
  EXPECT_EQ(addresses->ips[0].text(), "10.0.0.5");
  EXPECT_EQ(addresses->ips[1].text(), "fd00::5");
  EXPECT_EQ(addresses->gateways[0].text(), "10.0.0.1");
  EXPECT_EQ(addresses->mac, "00:00:00:00:00:02");
}

TEST(CniResult, TakesAnInterfaceWithoutASandboxWhereThereIsNoOther) {
  const auto result = json::parse(R"({"cniVersion":"1.0.0","interfaces":[{"name":"eth0","mac":"00:00:00:00:00:02"}],
    "ips":[{"interface":0,"address":"10.0.0.5/24"}]})");
  const auto addresses = parse_cni_result(*result, "eth0");
  ASSERT_TRUE(addresses);
  ASSERT_EQ(addresses->ips.size(), 1U);
  EXPECT_EQ(addresses->mac, "00:00:00:00:00:02");
}

TEST(CniResult, RefusesNonsense) {
  for (const char* text : {"[]", R"({"ips":[1]})", R"({"ips":[{"address":"x"}]})", R"({"ips":[{}]})",
                           R"({"interfaces":[],"ips":[{"interface":4,"address":"10.0.0.5/24"}]})",
                           R"({"interfaces":[],"ips":[{"interface":-1,"address":"10.0.0.5/24"}]})"})
    EXPECT_FALSE(parse_cni_result(*json::parse(text), "eth0")) << text;
}

TEST(CniError, ShowsWhatThePluginSaid) {
  const Error error = cni_error("bridge", "ADD", R"({"code":11,"msg":"no room","details":"range x"})", "noise");
  EXPECT_EQ(error.code, Code::unavailable);
  EXPECT_EQ(error.message, "CNI plug-in bridge failed to ADD: no room; range x");
  EXPECT_EQ(cni_error("bridge", "ADD", "", "panic\n").message, "CNI plug-in bridge failed to ADD: panic");
  EXPECT_EQ(cni_error("bridge", "ADD", "\x01{", "").message, "CNI plug-in bridge failed to ADD: \\x01{");
}

TEST(Bandwidth, ReadsQuantities) {
  EXPECT_EQ(parse_bandwidth("1500"), 1500);
  EXPECT_EQ(parse_bandwidth("10M"), 10000000);
  EXPECT_EQ(parse_bandwidth("1Gi"), 1073741824);
  for (const char* text : {"", "M", "-1", "1.5M", "10X", "99999999999999999999", "9223372036854775807G"})
    EXPECT_FALSE(parse_bandwidth(text)) << text;
}

} // namespace
} // namespace keelson::netns
