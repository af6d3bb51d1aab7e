#include "tests/tree/source_rules.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace keelson::tree {

namespace {

using Lines = std::vector<std::string_view>;

// What each folder may include besides itself. tests/ may include everything; a folder that is not here, nothing.
const std::map<std::string, std::set<std::string>, std::less<>> kArrows = {
    {"base", {}},
    {"api", {"base"}},
    {"cgroups", {"base"}},
    {"netns", {"base"}},
    {"qos", {"base", "api", "cgroups"}},
    {"cri", {"base", "cgroups", "netns"}},
    {"health", {"base", "api"}},
    {"proxy", {"base", "api"}},
    {"control-stub", {"base", "api"}},
    {"daemon", {"base", "api", "cgroups", "netns", "qos", "cri", "health", "proxy"}},
};

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::string at(const SourceFile& file, std::size_t index, const std::string& what) {
  return file.path + ":" + std::to_string(index + 1) + ": " + what;
}

std::string_view top_folder(std::string_view path) {
  return path.substr(0, path.find('/'));
}

bool ends_with_one_of(std::string_view text, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(), [&](auto ending) { return text.ends_with(ending); });
}

std::optional<std::string_view> quoted_include(std::string_view line) {
  constexpr std::string_view kInclude = "#include \"";
  if (!line.starts_with(kInclude)) return std::nullopt;
  line.remove_prefix(kInclude.size());
  return line.substr(0, line.find('"'));
}

bool is_word_character(char c) {
  return (std::isalnum(static_cast<unsigned char>(c)) != 0) || c == '_';
}

bool contains_word(std::string_view line, std::string_view word) {
  for (auto found = line.find(word); found != std::string_view::npos; found = line.find(word, found + 1))
    if (found == 0 || !is_word_character(line[found - 1])) return true;
  return false;
}

std::size_t indent_of(std::string_view line) {
  const auto indent = line.find_first_not_of(' ');
  return indent == std::string_view::npos ? line.size() : indent;
}

// What ends the raw string literal that the line opens and leaves open; empty if it opens none.
std::string open_raw_string(std::string_view line) {
  const auto raw = line.find("R\"");
  if (raw == std::string_view::npos || (raw > 0 && is_word_character(line[raw - 1]))) return {};
  const auto open = line.find('(', raw);
  if (open == std::string_view::npos) return {};
  auto end = ")" + std::string(line.substr(raw + 2, open - raw - 2)) + "\"";
  return line.find(end, open) == std::string_view::npos ? end : std::string();
}

// The lines of raw string literals count, but are not code: they are replaced by deeply indented nothing.
Lines without_raw_strings(const Lines& lines) {
  static constexpr std::string_view kHidden = "                ;";
  Lines code;
  std::string closing;
  for (const auto line : lines) {
    code.push_back(closing.empty() ? line : kHidden);
    if (closing.empty())
      closing = open_raw_string(line);
    else if (line.find(closing) != std::string_view::npos)
      closing.clear();
  }
  return code;
}

enum class Block { none, scope, table, function };

Block kind_of(std::string_view head, std::string_view last) {
  if (!last.ends_with('{')) return Block::none;
  for (const std::string_view word : {"namespace", "extern \"C\"", "class ", "struct ", "union ", "enum "})
    if (head.starts_with(word) && head.find('(') == std::string_view::npos) return Block::scope;
  for (const std::string_view statement : {"for (", "if (", "while (", "switch (", "return {", "do {", "try {"})
    if (head.starts_with(statement)) return Block::scope;
  if (head.starts_with("template") && last.find('(') == std::string_view::npos) return Block::scope;
  if (head.find("[] = {") != std::string_view::npos) return Block::table;
  if (last.ends_with("= {") || last.ends_with("{{")) return Block::table;
  return Block::function;
}

bool begins_something(std::string_view line, std::size_t indent) {
  const auto word = line.substr(std::min(indent, line.size()));
  return indent_of(line) == indent && !word.empty() && word[0] != '#' && word[0] != '}' && !word.starts_with("//") &&
         !word.ends_with(':');
}

// The functions whose first line has this indent: 0, or 2 inside classes.
void find_long_functions(const SourceFile& file, const Lines& lines, std::size_t indent, Breaches& breaches) {
  const std::string close = std::string(indent, ' ') + "}";
  for (std::size_t begin = 0; begin < lines.size(); ++begin) {
    if (!begins_something(lines[begin], indent)) continue;
    std::size_t head = begin;
    while (head < lines.size() && !ends_with_one_of(lines[head], {"{", ";", "}"})) ++head;
    if (head == lines.size()) return;
    if (kind_of(lines[begin].substr(indent), lines[head]) != Block::function) {
      if (kind_of(lines[begin].substr(indent), lines[head]) == Block::none) begin = head;
      continue;
    }
    std::size_t end = head + 1;
    while (end < lines.size() && !lines[end].starts_with(close)) ++end;
    if (const auto length = end - begin + 1; length > kMaxFunctionLines)
      breaches.push_back(at(file, begin, "a function of " + std::to_string(length) + " lines"));
    begin = end;
  }
}

} // namespace

Breaches bad_includes(const SourceFile& file) {
  const auto from = top_folder(file.path);
  if (from == "tests") return {};
  Breaches breaches;
  const auto lines = lines_of(file.text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto included = quoted_include(lines[i]);
    if (!included || *included == "config.h") continue;
    const auto to = top_folder(*included);
    if (to == *included) {
      breaches.push_back(at(file, i, "\"" + std::string(to) + "\" is not written from the top of the tree"));
    } else if (to != from) {
      const auto arrows = kArrows.find(from);
      if (arrows == kArrows.end() || !arrows->second.contains(std::string(to)))
        breaches.push_back(at(file, i, std::string(from) + "/ may not include " + std::string(to) + "/"));
    }
  }
  return breaches;
}

Breaches bad_header(const SourceFile& file) {
  if (!file.path.ends_with(".hpp")) return {};
  Breaches breaches;
  const auto lines = lines_of(file.text);
  if (lines.empty() || !lines[0].starts_with("// "))
    breaches.push_back(at(file, 0, "a header begins with a comment that says what it is"));
  const bool compiled = file.path.ends_with("/precompiled.hpp"); // as a main file: gcc warns of #pragma once in one
  if (!compiled && std::find(lines.begin(), lines.end(), "#pragma once") == lines.end())
    breaches.push_back(at(file, 0, "no #pragma once"));
  return breaches;
}

Breaches machine_paths(const SourceFile& file) {
  // Written in two parts, so that this file keeps its own rule.
  static const std::string kPaths[] = {std::string("/wo") + "rk/main", std::string("/wo") + "rk/shared",
                                       std::string("/wo") + "rk/b/", std::string("/Us") + "ers/",
                                       std::string("/root") + "/src"};
  Breaches breaches;
  const auto lines = lines_of(file.text);
  for (std::size_t i = 0; i < lines.size(); ++i)
    for (const auto& path : kPaths)
      if (const auto found = lines[i].find(path);
          found != std::string_view::npos && (found == 0 || !is_word_character(lines[i][found - 1])))
        breaches.push_back(at(file, i, "names the machine's " + path));
  return breaches;
}

Breaches long_file(const SourceFile& file) {
  // One table each, which would not read better in parts.
  static const std::set<std::string, std::less<>> kAllowed = {"cri/proto/runtime_v1.proto",
                                                              "tests/support/facts/cri-v1.tsv"};
  if (kAllowed.contains(file.path)) return {};
  const auto count = lines_of(file.text).size();
  if (count <= kMaxFileLines) return {};
  return {at(file, kMaxFileLines, std::to_string(count) + " lines, more than " + std::to_string(kMaxFileLines))};
}

Breaches long_functions(const SourceFile& file) {
  if (!ends_with_one_of(file.path, {".cpp", ".hpp"})) return {};
  Breaches breaches;
  const auto lines = without_raw_strings(lines_of(file.text));
  find_long_functions(file, lines, 0, breaches);
  if (file.text.find("class ") != std::string::npos || file.text.find("struct ") != std::string::npos)
    find_long_functions(file, lines, 2, breaches);
  return breaches;
}

Breaches sleeps(const SourceFile& file) {
  static const std::string kCalls[] = {std::string("sleep") + "_for", std::string("sleep") + "_until",
                                       std::string("usleep") + "(", std::string("sleep") + "(",
                                       std::string("nanosleep") + "("};
  if (!file.path.starts_with("tests/") || !ends_with_one_of(file.path, {".cpp", ".hpp"})) return {};
  Breaches breaches;
  const auto lines = lines_of(file.text);
  for (std::size_t i = 0; i < lines.size(); ++i)
    for (const auto& call : kCalls)
      if (contains_word(lines[i], call)) breaches.push_back(at(file, i, "tests poll with a deadline: " + call));
  return breaches;
}

Breaches bad_name(const SourceFile& file) {
  const auto slash = file.path.rfind('/');
  const auto name = file.path.substr(slash == std::string::npos ? 0 : slash + 1);
  const auto stem = name.substr(0, name.find('.'));
  for (const std::string_view word : {"util", "utils", "helper", "helpers", "common", "misc"})
    if (stem == word || stem.ends_with("_" + std::string(word)))
      return {at(file, 0, "\"" + stem + "\" says nothing about what is in the file")};
  if (!ends_with_one_of(name, {".cpp", ".hpp"})) return {};
  if (std::any_of(name.begin(), name.end(), [](char c) { return c == '-' || (c >= 'A' && c <= 'Z'); }))
    return {at(file, 0, "file names are snake_case")};
  return {};
}

} // namespace keelson::tree
