#include "base/json.hpp"
#include "base/random.hpp"
#include "base/text.hpp"

#include <gmock/gmock.h>

#include <set>

namespace keelson {

namespace {

using testing::ElementsAre;

TEST(ParseInt, WantsTheWholeText) {
  EXPECT_EQ(*parse_int<int>("-42"), -42);
  EXPECT_EQ(*parse_int<unsigned>("755", 8), 0755U);
  for (const char* bad : {"", " 1", "1 ", "1x", "x", "+1", "1.0", "0x10", "--1"})
    EXPECT_EQ(parse_int<int>(bad).error().code, Code::invalid_argument) << '"' << bad << '"';
  EXPECT_FALSE(parse_int<unsigned>("-1").has_value());
}

TEST(ParseInt, TellsOverflowFromNonsense) {
  EXPECT_EQ(*parse_int<std::int64_t>("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(parse_int<std::int64_t>("9223372036854775808").error().code, Code::out_of_range);
  EXPECT_EQ(parse_int<std::uint8_t>("256").error().code, Code::out_of_range);
}

TEST(Split, KeepsEmptyParts) {
  EXPECT_THAT(split("a,,b", ','), ElementsAre("a", "", "b"));
  EXPECT_THAT(split("", ','), ElementsAre(""));
  EXPECT_THAT(split(",", ','), ElementsAre("", ""));
}

TEST(SplitWords, NeverGivesEmptyOnes) {
  EXPECT_THAT(split_words("  a\t b\n\nc "), ElementsAre("a", "b", "c"));
  EXPECT_TRUE(split_words(" \n").empty());
}

TEST(Text, TrimsAndJoins) {
  EXPECT_EQ(trim("\t a b \n"), "a b");
  EXPECT_EQ(trim(" \n "), "");
  EXPECT_EQ(join({"a", "", "b"}, "/"), "a//b");
  EXPECT_EQ(join({}, "/"), "");
  EXPECT_EQ(to_lower("LoCation-Ä"), "location-Ä");
}

TEST(Printable, ShowsNothingThatATerminalObeys) {
  EXPECT_EQ(printable("plain ü"), "plain ü");
  EXPECT_EQ(printable("\x1b[2J\n"), "\\x1b[2J\\x0a");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\xff\xc3("), "\\xff\\xc3(");
  EXPECT_LE(printable(std::string(1 << 20, 'x'), 100).size(), 110U);
}

TEST(Utf8, IsCheckedStrictly) {
  EXPECT_TRUE(is_valid_utf8("aü€😀"));
  for (const char* bad : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xf8\x88\x80\x80\x80"})
    EXPECT_FALSE(is_valid_utf8(bad));
}

TEST(RandomId, HasTheFormOfCriIds) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(random_id());
  EXPECT_EQ(seen.size(), 100U);
  for (const auto& id : seen) {
    EXPECT_EQ(id.size(), 64U);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
  }
  EXPECT_EQ(random_uuid()[14], '4');
  EXPECT_EQ(random_uuid().size(), 36U);
}

TEST(Json, ParsesWholeTextsOnly) {
  EXPECT_TRUE(json::parse(R"({"a":[1,2.5,"x",null,true]})").has_value());
  for (const char* bad : {"", "{", "{} x", "{'a':1}", "[1,]", "nul", "\xff"})
    EXPECT_EQ(json::parse(bad).error().code, Code::invalid_argument) << bad;
}

TEST(Json, RefusesDeepNesting) {
  EXPECT_TRUE(json::parse(std::string(60, '[') + std::string(60, ']')).has_value());
  EXPECT_FALSE(json::parse(std::string(100000, '[') + std::string(100000, ']')).has_value());
}

TEST(Json, TellsAbsentFromWrong) {
  const auto parsed = json::parse(R"({"s":"x","n":3,"z":null,"f":1.5,"o":{},"a":[]})");
  ASSERT_TRUE(parsed.has_value());
  const auto& o = parsed->as_object();
  EXPECT_EQ(*json::get_string(o, "s"), "x");
  EXPECT_EQ(*json::get_int(o, "n"), 3);
  EXPECT_EQ(json::get_string(o, "missing").error().code, Code::not_found);
  EXPECT_EQ(json::get_string(o, "z").error().code, Code::not_found);
  EXPECT_EQ(json::get_string(o, "n").error().code, Code::invalid_argument);
  EXPECT_EQ(json::get_int(o, "f").error().code, Code::invalid_argument);
  EXPECT_EQ(json::get_bool(o, "n").error().code, Code::invalid_argument);
  EXPECT_NE(json::find_object(o, "o"), nullptr);
  EXPECT_EQ(json::find_object(o, "a"), nullptr);
  EXPECT_NE(json::find_array(o, "a"), nullptr);
}

TEST(Json, PrintsWhatItParsesAgain) {
  const auto v = json::parse(R"({"b":[],"a":{"x":[1,{"y":"\u0000\n"}]},"c":{}})");
  ASSERT_TRUE(v.has_value());
  EXPECT_EQ(*json::parse(json::to_pretty_text(*v)), *v);
  EXPECT_EQ(*json::parse(json::to_text(*v)), *v);
}

} // namespace

} // namespace keelson
