#include "daemon/pods/manifest_set.hpp"

#include <gtest/gtest.h>

namespace keelson::daemon {
namespace {

std::string yaml(const std::string& name, const std::string& image = "i:1") {
  return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + "}\nspec:\n  containers:\n  - {name: c, image: '" +
         image + "'}\n";
}

std::vector<std::string> names(ManifestSet& set, std::vector<ManifestProblem>* problems = nullptr) {
  std::vector<ManifestProblem> found;
  std::vector<std::string> out;
  for (const Manifest& manifest : set.pods(found)) out.push_back(api::full_name(manifest.pod));
  if (problems != nullptr) *problems = found;
  return out;
}

TEST(ManifestSet, GivesStaticPodsTheirIdentity) {
  ManifestSet set("n1");
  EXPECT_TRUE(set.put("/m/a.yaml", yaml("web")).empty());
  std::vector<ManifestProblem> problems;
  const auto pods = set.pods(problems);
  ASSERT_EQ(pods.size(), 1U);
  EXPECT_EQ(pods[0].pod.metadata.name, "web-n1");
  EXPECT_EQ(pods[0].pod.metadata.namespace_, "default");
  EXPECT_EQ(pods[0].pod.metadata.annotations.at("kubernetes.io/config.source"), "file");
  EXPECT_EQ(pods[0].pod.metadata.uid, pods[0].hash);
  EXPECT_EQ(pods[0].pod.spec.restart_policy, api::RestartPolicy::always);
}

TEST(ManifestSet, GivesOtherContentAnotherUid) {
  ManifestSet set("n1");
  std::vector<ManifestProblem> problems;
  set.put("/m/a.yaml", yaml("web"));
  const std::string before = set.pods(problems)[0].pod.metadata.uid;
  set.put("/m/a.yaml", yaml("web") + "# a comment\n");
  EXPECT_EQ(set.pods(problems)[0].pod.metadata.uid, before);
  set.put("/m/a.yaml", yaml("web", "i:2"));
  EXPECT_NE(set.pods(problems)[0].pod.metadata.uid, before);
}

TEST(ManifestSet, ReadsSeveralDocuments) {
  ManifestSet set("n1");
  EXPECT_TRUE(set.put("/m/a.yaml", yaml("one") + "---\n" + yaml("two")).empty());
  EXPECT_EQ(names(set), (std::vector<std::string>{"default/one-n1", "default/two-n1"}));
}

TEST(ManifestSet, KeepsPodsWhileAFileDoesNotParse) {
  ManifestSet set("n1");
  set.put("/m/a.yaml", yaml("web"));
  for (const std::string& broken : {std::string("apiVersion: v1\nkind: Pod\nmetadata: {na"), std::string(),
                                    std::string("\xff\xfe\x00garbage", 10)}) {
    const auto problems = set.put("/m/a.yaml", broken);
    ASSERT_EQ(problems.size(), 1U) << broken;
    EXPECT_EQ(problems[0].file, "/m/a.yaml");
    EXPECT_TRUE(set.put("/m/a.yaml", broken).empty()) << "reported once";
    EXPECT_EQ(names(set), std::vector<std::string>{"default/web-n1"});
  }
  set.remove("/m/a.yaml");
  EXPECT_TRUE(names(set).empty());
}

TEST(ManifestSet, NamesTheFieldOfAnInvalidPodAndTakesTheOthers) {
  ManifestSet set("n1");
  const auto problems = set.put("/m/a.yaml", yaml("web") + "---\n" + yaml("Bad_Name"));
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_NE(problems[0].message.find("metadata.name"), std::string::npos) << problems[0].message;
  EXPECT_EQ(names(set), std::vector<std::string>{"default/web-n1"});
}

TEST(ManifestSet, RefusesUidsThatArePaths) {
  ManifestSet set("n1");
  for (const char* uid : {"../../etc", "a/b", ".", "..", ".hidden"}) {
    const auto problems = set.put(std::string("/m/") + std::to_string(std::hash<std::string>{}(uid)),
                                  fmt::format("apiVersion: v1\nkind: Pod\nmetadata: {{name: a, uid: '{}'}}\nspec: "
                                              "{{containers: [{{name: c, image: i}}]}}\n",
                                              uid));
    ASSERT_EQ(problems.size(), 1U) << uid;
    EXPECT_NE(problems[0].message.find("metadata.uid"), std::string::npos) << problems[0].message;
  }
  EXPECT_TRUE(names(set).empty());
}

TEST(ManifestSet, RefusesTheSecondOfTwoPodsWithOneName) {
  ManifestSet set("n1");
  set.put("/m/b.yaml", yaml("web"));
  EXPECT_EQ(names(set).size(), 1U);
  set.put("/m/a.yaml", yaml("web", "i:2"));
  std::vector<ManifestProblem> problems;
  EXPECT_EQ(names(set, &problems).size(), 1U);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].file, "/m/a.yaml") << "the one that was first stays";
  EXPECT_NE(problems[0].message.find("/m/b.yaml"), std::string::npos);
  names(set, &problems);
  EXPECT_TRUE(problems.empty()) << "reported once";
  set.remove("/m/b.yaml");
  std::vector<ManifestProblem> none;
  const auto pods = set.pods(none);
  ASSERT_EQ(pods.size(), 1U);
  EXPECT_EQ(pods[0].file, "/m/a.yaml");
}

} // namespace
} // namespace keelson::daemon
