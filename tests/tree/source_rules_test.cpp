// The rules themselves, on made-up files: each must find what it is for.
#include "tests/tree/source_rules.hpp"

#include <gmock/gmock.h>

namespace keelson::tree {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string repeat(const std::string& line, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += line;
  return text;
}

TEST(Includes, FollowTheArrowsOfTheDesign) {
  EXPECT_THAT(bad_includes({"api/pod.hpp", "#include \"base/error.hpp\"\n#include \"api/meta.hpp\"\n"}), IsEmpty());
  EXPECT_THAT(bad_includes({"api/pod.hpp", "\n#include \"cgroups/group.hpp\"\n"}),
              ElementsAre("api/pod.hpp:2: api/ may not include cgroups/"));
  EXPECT_THAT(bad_includes({"base/file.cpp", "#include \"api/pod.hpp\"\n"}), ElementsAre(HasSubstr("base/")));
  EXPECT_THAT(bad_includes({"cri/a.cpp", "#include \"qos/class.hpp\"\n"}), ElementsAre(HasSubstr("may not")));
  EXPECT_THAT(bad_includes({"qos/a.cpp", "#include \"cri/a.hpp\"\n"}), ElementsAre(HasSubstr("may not")));
  EXPECT_THAT(bad_includes({"daemon/a.cpp", "#include \"control-stub/a.hpp\"\n"}), ElementsAre(HasSubstr("may not")));
  EXPECT_THAT(bad_includes({"cgroups/a.cpp", "#include \"tests/support/a.hpp\"\n"}), ElementsAre(HasSubstr("may not")));
  EXPECT_THAT(bad_includes({"new/a.cpp", "#include \"base/error.hpp\"\n"}), ElementsAre(HasSubstr("may not")));
}

TEST(Includes, AreWrittenFromTheTop) {
  EXPECT_THAT(bad_includes({"api/pod.cpp", "#include \"pod.hpp\"\n"}), ElementsAre(HasSubstr("from the top")));
  EXPECT_THAT(bad_includes({"api/pod.cpp", "#include \"config.h\"\n#include <vector>\n"}), IsEmpty());
}

TEST(Headers, BeginWithACommentAndAGuard) {
  EXPECT_THAT(bad_header({"api/pod.hpp", "// What it is.\n#pragma once\n"}), IsEmpty());
  EXPECT_THAT(bad_header({"api/pod.hpp", "#pragma once\n"}), ElementsAre(HasSubstr("comment")));
  EXPECT_THAT(bad_header({"api/pod.hpp", "// What it is.\n"}), ElementsAre(HasSubstr("#pragma once")));
}

TEST(MachinePaths, AreFoundInAnyFile) {
  EXPECT_THAT(machine_paths({"x", "cd /wo"
                                  "rk/main\n"}),
              ElementsAre(HasSubstr("x:1:")));
  EXPECT_THAT(machine_paths({"x", "mount -o workdir=/mnt/wo"
                                  "rk/a\n"}),
              IsEmpty());
}

TEST(Sizes, OfFilesAreLimited) {
  EXPECT_THAT(long_file({"a.cpp", repeat("x\n", 600)}), IsEmpty());
  EXPECT_THAT(long_file({"a.cpp", repeat("x\n", 601)}), ElementsAre(HasSubstr("601 lines")));
}

TEST(Sizes, OfFunctionsAreLimited) {
  const auto body = [](int lines) { return repeat("  work();\n", lines); };
  EXPECT_THAT(long_functions({"a.cpp", "namespace a {\n\nint f() {\n" + body(68) + "}\n\n} // namespace a\n"}),
              IsEmpty());
  EXPECT_THAT(long_functions({"a.cpp", "namespace a {\n\nint f() {\n" + body(69) + "}\n\n} // namespace a\n"}),
              ElementsAre("a.cpp:3: a function of 71 lines"));
  EXPECT_THAT(long_functions({"a.cpp", "int f(int a,\n      int b) {\n" + body(69) + "}\n"}),
              ElementsAre(HasSubstr("72 lines")));
  EXPECT_THAT(long_functions({"a.cpp", "TEST(A, B) {\n  f(R\"(\n}\n" + body(69) + ")\");\n}\n"}),
              ElementsAre(HasSubstr("74 lines")));
}

TEST(Sizes, OfFunctionsAreNotConfusedByWordsThatLookLikeRawStrings) {
  EXPECT_THAT(long_functions({"a.cpp", "int f() {\n  g(\"MINOR\", (1));\n}\n" + repeat("\nint g() {\n}\n", 40)}),
              IsEmpty());
}

TEST(Sizes, OfFunctionsInClassesAreLimited) {
  const auto body = repeat("    work();\n", 70);
  EXPECT_THAT(long_functions({"a.hpp", "class A {\npublic:\n  int f() {\n" + body + "  }\n};\n"}),
              ElementsAre("a.hpp:3: a function of 72 lines"));
}

TEST(Sizes, OfTablesAndClassesAreNot) {
  EXPECT_THAT(long_functions({"a.cpp", "const int k[] = {\n" + repeat("    1,\n", 90) + "};\n"}), IsEmpty());
  EXPECT_THAT(long_functions({"a.hpp", "class A {\n" + repeat("  int f();\n", 90) + "};\n"}), IsEmpty());
}

TEST(Sleeps, AreNotForTests) {
  EXPECT_THAT(sleeps({"tests/a.cpp", "std::this_thread::sleep"
                                     "_for(1s);\n"}),
              ElementsAre(HasSubstr("poll")));
  EXPECT_THAT(sleeps({"tests/a.cpp", "  us"
                                     "leep(5);\n"}),
              ElementsAre(HasSubstr("poll")));
  EXPECT_THAT(sleeps({"tests/a.cpp", "run({\"sh\", \"-c\", \"sleep 1000\"});\n"}), IsEmpty());
  EXPECT_THAT(sleeps({"daemon/a.cpp", "sleep"
                                      "_for(1s);\n"}),
              IsEmpty());
}

TEST(Names, SayWhatIsInside) {
  EXPECT_THAT(bad_name({"api/string_utils.hpp", ""}), ElementsAre(HasSubstr("says nothing")));
  EXPECT_THAT(bad_name({"api/common.hpp", ""}), ElementsAre(HasSubstr("says nothing")));
  EXPECT_THAT(bad_name({"api/PodSpec.hpp", ""}), ElementsAre(HasSubstr("snake_case")));
  EXPECT_THAT(bad_name({"api/pod_spec.hpp", ""}), IsEmpty());
}

} // namespace

} // namespace keelson::tree
