#include "api/yaml.hpp"

#include <gtest/gtest.h>

#include <string>

namespace keelson::api {
namespace {

json::value yaml(const std::string& text) {
  auto parsed = parse_yaml(text);
  EXPECT_TRUE(parsed.has_value()) << (parsed ? "" : parsed.error().message);
  if (!parsed || parsed->documents.empty()) return "no document";
  return parsed->documents.front();
}

std::string as_json(const std::string& text) {
  return json::to_text(yaml(text));
}

struct ScalarCase {
  const char* text;
  const char* json;
};
class YamlScalar : public testing::TestWithParam<ScalarCase> {};

TEST_P(YamlScalar, IsTypedAsGoYamlDoes) {
  EXPECT_EQ(as_json(std::string("v: ") + GetParam().text), std::string("{\"v\":") + GetParam().json + "}");
}

INSTANTIATE_TEST_SUITE_P(
    Core, YamlScalar,
    testing::Values(
        ScalarCase{"true", "true"}, ScalarCase{"True", "true"}, ScalarCase{"TRUE", "true"}, ScalarCase{"yes", "true"},
        ScalarCase{"Yes", "true"}, ScalarCase{"on", "true"}, ScalarCase{"y", "true"}, ScalarCase{"Y", "true"},
        ScalarCase{"no", "false"}, ScalarCase{"off", "false"}, ScalarCase{"n", "false"}, ScalarCase{"FALSE", "false"},
        ScalarCase{"yES", "\"yES\""}, ScalarCase{"\"yes\"", "\"yes\""}, ScalarCase{"'on'", "\"on\""},
        ScalarCase{"!!str yes", "\"yes\""}, ScalarCase{"~", "null"}, ScalarCase{"null", "null"}, ScalarCase{"", "null"},
        ScalarCase{"\"\"", "\"\""}, ScalarCase{"nullx", "\"nullx\""}, ScalarCase{"1", "1"}, ScalarCase{"-7", "-7"},
        ScalarCase{"+5", "5"}, ScalarCase{"0644", "420"}, ScalarCase{"0o644", "420"}, ScalarCase{"0x1F", "31"},
        ScalarCase{"0b101", "5"}, ScalarCase{"-0b101", "-5"}, ScalarCase{"1_000", "1000"}, ScalarCase{"08", "8"},
        ScalarCase{"9223372036854775807", "9223372036854775807"},
        ScalarCase{"-9223372036854775808", "-9223372036854775808"},
        ScalarCase{"18446744073709551615", "18446744073709551615"}, ScalarCase{"8e1", "80"}, ScalarCase{"1.0", "1"},
        ScalarCase{"0.5", "5E-1"}, ScalarCase{".5", "5E-1"}, ScalarCase{"1.2.3", "\"1.2.3\""},
        ScalarCase{"1.2.3.4", "\"1.2.3.4\""}, ScalarCase{"2001-01-01", "\"2001-01-01\""},
        ScalarCase{"12:30:45", "\"12:30:45\""}, ScalarCase{"1Gi", "\"1Gi\""}, ScalarCase{"100m", "\"100m\""},
        ScalarCase{"\"123\"", "\"123\""}, ScalarCase{"!!int 5", "5"}, ScalarCase{"+-1", "\"+-1\""},
        ScalarCase{"_", "\"_\""}, ScalarCase{"0x", "\"0x\""}));

TEST(Yaml, RefusesNumbersThatJsonLacks) {
  for (const char* text : {".nan", ".inf", "-.Inf"}) EXPECT_FALSE(parse_yaml(std::string("a: ") + text).has_value());
  EXPECT_EQ(as_json("a: '.nan'"), "{\"a\":\".nan\"}");
}

TEST(Yaml, ReadsBlocksFlowsAndMultiLineText) {
  EXPECT_EQ(as_json("a:\n- b: 1\n  c: [x, {w: z}]\n- |\n  l1\n  l2\n- >-\n  f1\n  f2\n"),
            "{\"a\":[{\"b\":1,\"c\":[\"x\",{\"w\":\"z\"}]},\"l1\\nl2\\n\",\"f1 f2\"]}");
}

TEST(Yaml, KeysBecomeText) {
  EXPECT_EQ(as_json("1: a\nyes: b\n1.5: c\n"), "{\"1\":\"a\",\"true\":\"b\",\"1.5\":\"c\"}");
  EXPECT_FALSE(parse_yaml("~: a").has_value());
  EXPECT_FALSE(parse_yaml("? [a]\n: b").has_value());
}

TEST(Yaml, ReadsManyDocuments) {
  const auto parsed = parse_yaml("---\na: 1\n---\n---\nb: 2\n...\n");
  ASSERT_TRUE(parsed.has_value());
  ASSERT_EQ(parsed->documents.size(), 3U);
  EXPECT_TRUE(parsed->documents[1].is_null());
  EXPECT_TRUE(parse_yaml("")->documents.empty());
  EXPECT_TRUE(parse_yaml("# only a comment\n")->documents.empty());
}

TEST(Yaml, AliasesAndMergesAreCopied) {
  EXPECT_EQ(as_json("a: &x {k: 1, l: 2}\nb: *x\nc:\n  <<: *x\n  k: 9\n"),
            "{\"a\":{\"k\":1,\"l\":2},\"b\":{\"k\":1,\"l\":2},\"c\":{\"k\":9,\"l\":2}}");
  EXPECT_EQ(as_json("a: &x {k: 1}\nb: &y {k: 2, m: 3}\nc:\n  <<: [*x, *y]\n"),
            "{\"a\":{\"k\":1},\"b\":{\"k\":2,\"m\":3},\"c\":{\"k\":1,\"m\":3}}");
  EXPECT_FALSE(parse_yaml("a:\n  <<: 5\n").has_value());
  EXPECT_EQ(as_json("a: &s text\nb: *s"), "{\"a\":\"text\",\"b\":\"text\"}");
}

TEST(Yaml, RefusesAnAliasToItself) {
  EXPECT_FALSE(parse_yaml("a: &x [*x]").has_value());
  EXPECT_FALSE(parse_yaml("a: *nowhere").has_value());
}

TEST(Yaml, StopsABillionLaughs) {
  std::string text = "a: &a0 [x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string alias = "*a" + std::to_string(i - 1);
    text += "b" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + alias;
    for (int j = 0; j < 8; ++j) text += "," + alias;
    text += "]\n";
  }
  const auto parsed = parse_yaml(text);
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().code, Code::resource_exhausted);
}

TEST(Yaml, BoundsDepthSizeAndDocuments) {
  for (const std::size_t depth : {65UL, 1000UL, 100'000UL}) {
    const auto flow = parse_yaml(std::string(depth, '['));
    ASSERT_FALSE(flow.has_value());
    const auto block = parse_yaml([&] {
      std::string text;
      for (std::size_t i = 0; i < std::min<std::size_t>(depth, 1000); ++i) text += std::string(i, ' ') + "a:\n";
      return text;
    }());
    ASSERT_FALSE(block.has_value());
    EXPECT_EQ(block.error().code, Code::resource_exhausted);
  }
  EXPECT_EQ(parse_yaml(std::string((4 << 20) + 1, ' ')).error().code, Code::resource_exhausted);
  std::string documents;
  for (int i = 0; i < 1000; ++i) documents += "---\n1\n";
  EXPECT_EQ(parse_yaml(documents).error().code, Code::resource_exhausted);
}

TEST(Yaml, WarnsOfKeysGivenTwice) {
  const auto parsed = parse_yaml("a: 1\nb: 2\na: 3\n");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(json::to_text(parsed->documents[0]), "{\"a\":3,\"b\":2}");
  ASSERT_EQ(parsed->warnings.size(), 1U);
  EXPECT_EQ(parsed->warnings[0], "line 3: key \"a\" is given twice; the last one counts");
}

TEST(Yaml, ErrorsNameTheLine) {
  const auto parsed = parse_yaml("a: 1\nb: [1, 2\nc: 3\n");
  ASSERT_FALSE(parsed.has_value());
  EXPECT_NE(parsed.error().message.find("YAML line"), std::string::npos);
  EXPECT_FALSE(parse_yaml("a: \"\xff\xfe\"").has_value());
  EXPECT_FALSE(parse_yaml("a: b: c").has_value());
  EXPECT_FALSE(parse_yaml("\ta: b").has_value());
}

TEST(Yaml, WritesWhatItReads) {
  const std::string text = R"({"a":{"b":[1,"2",true,"yes",null,"","x: y"],"c":{},"d":[],"e":[[1,2],[{"k":"v"}]]},)"
                           R"("multi":"l1\nl2\n","n":-5,"f":5E-1,"weird key: ":"#no comment","t":"2001-01-01"})";
  const auto v = json::parse(text);
  ASSERT_TRUE(v.has_value());
  EXPECT_EQ(json::to_text(yaml(to_yaml(*v))), json::to_text(*v)) << to_yaml(*v);
}

TEST(Yaml, KeysTooLongForOneLineAreWrittenExplicitly) {
  const std::string key = std::string(500, '\x18') + std::string(2000, 'k');
  for (const char* value : {R"({"a": [1, {"b": "c"}]})", "[1, [2]]", R"("text")", "{}"}) {
    const auto inner = json::parse(value);
    ASSERT_TRUE(inner);
    const json::object object{
        {"first", 1}, {key, *inner}, {"list", json::array{json::object{{key, *inner}, {"z", 1}}}}};
    EXPECT_EQ(json::to_text(yaml(to_yaml(object))), json::to_text(object)) << value;
  }
}

} // namespace
} // namespace keelson::api
