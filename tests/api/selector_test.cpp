#include "api/selector.hpp"

#include <gtest/gtest.h>

namespace keelson::api {
namespace {

const StringMap kLabels{{"app", "web"}, {"tier", "front"}, {"weight", "5"}, {"example.com/x", ""}};

bool matches(const std::string& text) {
  const auto selector = Selector::parse(text);
  EXPECT_TRUE(selector.has_value()) << text << ": " << (selector ? "" : selector.error().message);
  return selector && selector->matches(kLabels);
}

TEST(Selector, StringForms) {
  for (const char* text : {"", "  ", "app", "app=web", "app==web", "app = web", "app!=db", "absent!=x", "!absent",
                           "app in (db, web)", "app notin (db)", "absent notin (a,b)", "app=web,tier=front", "weight>4",
                           "weight<6", "example.com/x", "example.com/x=", "app in (web),!absent , tier"}) {
    EXPECT_TRUE(matches(text)) << text;
  }
  for (const char* text : {"absent", "app=db", "!app", "app in (db)", "app notin (web,db)", "app!=web", "weight>5",
                           "weight<5", "absent>1", "app>1", "app=web,tier=back"}) {
    EXPECT_FALSE(matches(text)) << text;
  }
}

TEST(Selector, RefusesMalformedText) {
  for (const char* text : {",", "app,", "app=web,,tier", "app in web", "app in (web", "app in ()x", "a b", "app=web)",
                           "=web", "-a=b", "app=a b", "weight>x", "a in (b) c", "app ! web", "app<"}) {
    EXPECT_FALSE(Selector::parse(text).has_value()) << text;
  }
}

TEST(Selector, PrintsAndParsesAgain) {
  for (const char* text : {"a=b", "a!=b", "a in (b,c)", "a notin (b,c)", "a", "!a", "a>5", "a<5", "a=b,c=d"}) {
    const auto selector = Selector::parse(text);
    ASSERT_TRUE(selector.has_value());
    EXPECT_EQ(selector->to_string(), text);
  }
  EXPECT_EQ(Selector::parse("z=1,a in (c,b,b)")->to_string(), "a in (b,c),z=1");
}

TEST(Selector, StructuredForm) {
  const auto v = json::parse(R"({"matchLabels":{"app":"web"},"matchExpressions":[
    {"key":"tier","operator":"In","values":["front","back"]},{"key":"absent","operator":"DoesNotExist"}]})");
  const auto selector = Selector::from_json(*v);
  ASSERT_TRUE(selector.has_value()) << selector.error().message;
  EXPECT_TRUE(selector->matches(kLabels));
  EXPECT_FALSE(selector->matches({{"app", "web"}}));
  EXPECT_EQ(selector->to_string(), "!absent,app=web,tier in (back,front)");
  EXPECT_TRUE(Selector::from_json(*json::parse("{}"))->selects_everything());
  for (const char* text :
       {"[]", R"({"matchLabels":{"a":1}})", R"({"matchExpressions":[{"key":"a","operator":"Like","values":["b"]}]})",
        R"({"matchExpressions":[{"key":"a","operator":"In"}]})", R"({"matchExpressions":[{"operator":"Exists"}]})",
        R"({"matchExpressions":[{"key":"a","operator":"Exists","values":["b"]}]})"}) {
    EXPECT_FALSE(Selector::from_json(*json::parse(text)).has_value()) << text;
  }
}

} // namespace
} // namespace keelson::api
