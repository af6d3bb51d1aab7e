#include "base/file.hpp"
#include "cri/images/registry_hosts.hpp"
#include "cri/images/toml_subset.hpp"
#include "tests/support/temp_dir.hpp"

#include <gtest/gtest.h>

namespace keelson::cri {
namespace {

std::vector<RegistryHost> hosts(const std::string& text, const std::string& registry = "example.com") {
  const auto parsed = parse_registry_hosts(text, registry, "/conf/example.com");
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return parsed.value_or(std::vector<RegistryHost>());
}
std::string base(const RegistryHost& host) {
  return host.base.text();
}

TEST(RegistryHosts, DefaultsFollowTheName) {
  EXPECT_EQ("https://example.com/v2", base(*default_registry_host("example.com")));
  EXPECT_EQ("https://example.com:5000/v2", base(*default_registry_host("example.com:5000")));
  EXPECT_EQ("https://registry-1.docker.io/v2", base(*default_registry_host("docker.io")));
  for (const std::string host : {"localhost:5000", "127.0.0.1:5000", "127.9.9.9:1", "[::1]:5000"})
    EXPECT_EQ("http://" + host + "/v2", base(*default_registry_host(host)));
  EXPECT_EQ("https://127.evil.com/v2", base(*default_registry_host("127.evil.com")));
  EXPECT_EQ("https://127.0.0.evil/v2", base(*default_registry_host("127.0.0.evil")));
}

TEST(RegistryHosts, ReadsContainerdsForm) {
  const auto list = hosts(R"(
server = "https://registry.example.com" # the real one

[host."http://127.0.0.1:5000"]
  capabilities = ["pull",
                  "resolve",]
  skip_verify = true
  [host."http://127.0.0.1:5000".header]
    x-token = "secret"
    x-list = ["a", "b"]

[host."https://mirror.example/path/v2"]
  capabilities = ['pull']
  ca = ["ca.pem", "/abs/ca2.pem"]
  client = [["c.pem", "k.pem"]]
  override_path = true
  dial_timeout = "1s"
)");
  ASSERT_EQ(3U, list.size());
  EXPECT_EQ("http://127.0.0.1:5000/v2", base(list[0]));
  EXPECT_TRUE(list[0].mirror && list[0].resolve && list[0].pull && list[0].tls.skip_verify);
  ASSERT_EQ(3U, list[0].headers.size());
  EXPECT_EQ("secret", list[0].headers[0].second);
  EXPECT_EQ("https://mirror.example/path/v2", base(list[1]));
  EXPECT_FALSE(list[1].resolve);
  EXPECT_EQ((std::vector<std::string>{"/conf/example.com/ca.pem", "/abs/ca2.pem"}), list[1].tls.ca_files);
  EXPECT_EQ("/conf/example.com/c.pem", list[1].tls.client_cert);
  EXPECT_EQ("/conf/example.com/k.pem", list[1].tls.client_key);
  EXPECT_EQ("https://registry.example.com/v2", base(list[2]));
  EXPECT_FALSE(list[2].mirror);
}

TEST(RegistryHosts, PathsGetTheApiVersionUnlessOverridden) {
  EXPECT_EQ("https://m/proxy/v2", base(hosts("[host.\"https://m/proxy\"]\n")[0]));
  EXPECT_EQ("https://m/proxy", base(hosts("[host.\"https://m/proxy/\"]\noverride_path = true\n")[0]));
  EXPECT_EQ("https://m/v2", base(hosts("[host.m]\n")[0]));
}

TEST(RegistryHosts, TheRegistryItselfIsNotAskedTwice) {
  const auto list = hosts("server = \"http://a:1\"\n[host.\"http://a:1\"]\n");
  ASSERT_EQ(1U, list.size());
  EXPECT_FALSE(list[0].mirror);
}

TEST(RegistryHosts, RefusesWhatItCannotMean) {
  for (const std::string text :
       {"server = 5", "server = \"ftp://x\"", "[host.\"http://u:p@h\"]", "[host.\"http://h?x=y\"]",
        "[host.\"http://h\"]\ncapabilities = 5", "[host.\"http://h\"]\nskip_verify = \"yes\"",
        "[host.\"http://h\"]\nclient = [[\"a\",\"b\",\"c\"]]", "[host.\"http://h\".header]\nx = \"a\\r\\nb: c\"",
        "[host.\"http://h\".header]\n\"x: y\" = \"a\"", "host = 5", "[host.\"\"]"})
    EXPECT_FALSE(parse_registry_hosts(text, "example.com", "/d")) << text;
}

TEST(RegistryHosts, FindsTheDirectoryOfARegistry) {
  const test::TempDir dir("hosts");
  const auto put = [&](const std::string& name, const std::string& server) {
    ASSERT_TRUE(make_dirs(dir / name, 0755));
    ASSERT_TRUE(write_file_atomic(dir / (name + "/hosts.toml"), "server = \"http://" + server + "\"\n"));
  };
  const auto first = [&](const std::string& registry) {
    const auto list = load_registry_hosts(dir.path(), registry);
    return list ? list->front().base.host : list.error().message;
  };
  EXPECT_EQ("example.com", first("example.com"));
  put("_default", "fallback");
  put("a.com", "plain");
  put("b.com_5000_", "escaped");
  put("c.com:5000", "ported");
  EXPECT_EQ("fallback", first("example.com"));
  EXPECT_EQ("plain", first("a.com"));
  EXPECT_EQ("fallback", first("a.com:77")); // another port is another registry
  EXPECT_EQ("escaped", first("b.com:5000"));
  EXPECT_EQ("ported", first("c.com:5000"));
  ASSERT_TRUE(write_file_atomic(dir / "a.com/hosts.toml", "server = \n"));
  EXPECT_NE(std::string::npos, first("a.com").find("a.com/hosts.toml: line 1"));
}

TEST(RegistryHosts, CertificateFilesWithoutHostsToml) {
  const test::TempDir dir("hosts");
  ASSERT_TRUE(make_dirs(dir / "a.com", 0755));
  for (const std::string name : {"ca.crt", "me.cert", "me.key"})
    ASSERT_TRUE(write_file_atomic(dir / ("a.com/" + name), ""));
  const auto list = load_registry_hosts(dir.path(), "a.com");
  ASSERT_TRUE(list);
  EXPECT_EQ(std::vector<std::string>{dir / "a.com/ca.crt"}, list->front().tls.ca_files);
  EXPECT_EQ(dir / "a.com/me.key", list->front().tls.client_key);
}

TEST(Toml, ReadsItsSubset) {
  const auto parsed = parse_toml("a = 'x' # c\r\n\n[t.\"u.v\"]\nb.c = -5\nd = [1, [\"\\u00e9\\t\"], true,\n]\n[e]");
  ASSERT_TRUE(parsed) << parsed.error().message;
  ASSERT_EQ(3U, parsed->entries.size());
  EXPECT_EQ((std::vector<std::string>{"t", "u.v", "b", "c"}), parsed->entries[1].path);
  EXPECT_EQ(-5, std::get<std::int64_t>(parsed->entries[1].value.value));
  const auto& list = std::get<std::vector<TomlValue>>(parsed->entries[2].value.value);
  ASSERT_EQ(3U, list.size());
  EXPECT_EQ("\xc3\xa9\t", std::get<std::string>(std::get<std::vector<TomlValue>>(list[1].value)[0].value));
  EXPECT_EQ((std::vector<std::string>{"e"}), parsed->tables[1]);
}

TEST(Toml, RefusesTheRestWithItsLine) {
  for (const std::string& text : {std::string("a"),
                                  std::string("a ="),
                                  std::string("= 5"),
                                  std::string("a = 5 6"),
                                  std::string("a = 5\na = 6"),
                                  std::string("[t]\n[t]"),
                                  std::string("[[t]]"),
                                  std::string("a = {b=1}"),
                                  std::string("a = \"\"\"x\"\"\""),
                                  std::string("a = '''x'''"),
                                  std::string("a = 1.5"),
                                  std::string("a = 1979-05-27"),
                                  std::string("a = \"x"),
                                  std::string("a = \"\\q\""),
                                  std::string("a = \"\\ud800\""),
                                  std::string("a = \"\\u12"),
                                  std::string("a = [1"),
                                  std::string("a = [1 2]"),
                                  std::string("[t"),
                                  std::string("a = \"x\ny\""),
                                  std::string("a..b = 1"),
                                  "a = " + std::string(100000, '['),
                                  std::string(std::size_t{2} << 20, ' '),
                                  std::string("a = \"\x01\"")})
    EXPECT_FALSE(parse_toml(text)) << text.substr(0, 40);
  EXPECT_EQ("line 3: a key is missing", parse_toml("\n\n!").error().message);
}

} // namespace
} // namespace keelson::cri
