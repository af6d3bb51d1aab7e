#include "daemon/ctl/table.hpp"

#include <gtest/gtest.h>

namespace keelson::daemon::ctl {
namespace {

TEST(Table, AlignsColumnsAndLeavesNoTrailingSpaces) {
  Table table({{"NAME"}, {"SIZE", true}, {"NOTE"}});
  table.add({"a", "5", ""});
  table.add({"longer", "1234", "x"});
  EXPECT_EQ(table.render({}), "NAME     SIZE   NOTE\n"
                              "a           5\n"
                              "longer   1234   x\n");
}

TEST(Table, ColoursDoNotMoveColumns) {
  Table table({{"A"}, {"B"}});
  table.add({{"ok", Tone::good}, "1"});
  EXPECT_EQ(table.render({true, 0, false}), "\x1b[32mok\x1b[0m   1\n");
  EXPECT_EQ(table.render({false, 0, false}), "ok   1\n");
}

TEST(Table, ShrinksOnlyColumnsThatMay) {
  Table table({{"ID"}, {"IMAGE", false, true}, {"AGE"}});
  table.add({"0123456789abc", "registry.example/a/very/long/name/of/an/image:latest", "5m"});
  const std::string text = table.render({false, 50, false});
  EXPECT_EQ(text, "0123456789abc   registry.example/a/very/long…   5m\n");
}

TEST(Table, ShowsControlCharactersHarmlessly) {
  Table table({{"A"}});
  table.add({"x\x1b[31my\n"});
  EXPECT_EQ(table.render({true, 0, false}), "x\\x1b[31my\\x0a\n");
}

TEST(Table, AnEmptyCellInTheMiddleKeepsItsWidth) {
  Table table({{"A"}, {"B"}, {"C"}});
  table.add({"1", "", "3"});
  table.add({"1", "22", "3"});
  EXPECT_EQ(table.render({false, 0, false}), "1        3\n1   22   3\n");
}

} // namespace
} // namespace keelson::daemon::ctl
