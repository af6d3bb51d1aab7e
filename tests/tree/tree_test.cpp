// The rules of the house, on every file of the source tree.
#include "base/file.hpp"
#include "base/process.hpp"
#include "tests/support/requirements.hpp"
#include "tests/tree/source_rules.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

namespace keelson::tree {

namespace {

namespace fs = std::filesystem;

const std::string kTop = KEELSON_SOURCE_ROOT;

bool is_ours(const fs::path& path) {
  const std::string name = path.filename();
  return name != ".git" && name != ".cache" && !name.starts_with("build") && !path.string().ends_with("/corpus");
}

bool is_code(const SourceFile& file) {
  const auto extension = fs::path(file.path).extension();
  return extension == ".cpp" || extension == ".hpp";
}

// Every text file below the top; build directories and fuzz corpora are not ours to judge.
const std::vector<SourceFile>& all_files() {
  static const auto files = [] {
    std::vector<SourceFile> found;
    for (auto it = fs::recursive_directory_iterator(kTop); it != fs::recursive_directory_iterator(); ++it) {
      if (it->is_directory() && !is_ours(it->path())) it.disable_recursion_pending();
      if (!it->is_regular_file() || it->is_symlink()) continue;
      auto text = read_file(it->path(), std::size_t{4} << 20);
      if (text && text->find('\0') == std::string::npos)
        found.push_back({fs::relative(it->path(), kTop), std::move(*text)});
    }
    return found;
  }();
  return files;
}

std::string breaches(Breaches (*rule)(const SourceFile&)) {
  std::string all;
  for (const auto& file : all_files())
    for (const auto& breach : rule(file)) all += "\n  " + breach;
  return all;
}

void expect_none(const std::string& found) {
  EXPECT_TRUE(found.empty()) << found;
}

TEST(Tree, IsReadAtAll) {
  EXPECT_GT(std::count_if(all_files().begin(), all_files().end(), is_code), 40);
}

TEST(Tree, IncludesFollowTheArrows) {
  EXPECT_EQ(breaches(bad_includes), "");
}
TEST(Tree, HeadersBeginWithACommentAndAGuard) {
  EXPECT_EQ(breaches(bad_header), "");
}
TEST(Tree, NamesNoMachinePaths) {
  EXPECT_EQ(breaches(machine_paths), "");
}
TEST(Tree, FilesAreShort) {
  EXPECT_EQ(breaches(long_file), "");
}
TEST(Tree, FunctionsAreShort) {
  EXPECT_EQ(breaches(long_functions), "");
}
TEST(Tree, TestsDoNotSleep) {
  EXPECT_EQ(breaches(sleeps), "");
}
TEST(Tree, FileNamesSaySomething) {
  EXPECT_EQ(breaches(bad_name), "");
}

// A source that no meson.build names is dead, and its tests never run.
TEST(Tree, EverySourceIsBuilt) {
  std::string dead;
  for (const auto& file : all_files()) {
    const auto path = fs::path(file.path);
    if (path.extension() != ".cpp") continue;
    bool named =
        path.stem().string().ends_with("_fuzz") && file.path.starts_with("tests/fuzz/"); // without their ending
    for (auto folder = path.parent_path(); !named && !folder.empty(); folder = folder.parent_path()) {
      const auto build = read_file((kTop / folder / "meson.build").string()).value_or("");
      const auto relative = fs::relative(path, folder).string();
      named = build.find("'" + relative + "'") != std::string::npos;
    }
    if (!named) dead += "\n  " + file.path;
  }
  expect_none(dead);
}

TEST(Tree, IsFormatted) {
  KEELSON_REQUIRE(test::has_program("clang-format"), "clang-format is not installed");
  SpawnOptions options;
  options.argv = {"clang-format", "--dry-run", "--Werror"};
  options.cwd = kTop;
  for (const auto& file : all_files())
    if (is_code(file)) options.argv.push_back(file.path);
  const auto run = run_command(options);
  ASSERT_TRUE(run.has_value()) << run.error().message;
  EXPECT_TRUE(run->status.success()) << run->err.substr(0, 4000) << "\nclang-format -i FILE mends it";
}

} // namespace

} // namespace keelson::tree
