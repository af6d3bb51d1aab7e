// The house rules that a program can check, as pure functions on a file's path (from the top of the tree) and text.
// Each returns one line per breach, "path:line: what is wrong".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keelson::tree {

using Breaches = std::vector<std::string>;

struct SourceFile {
  std::string path;
  std::string text;
};

inline constexpr std::size_t kMaxFileLines = 600;
inline constexpr std::size_t kMaxFunctionLines = 70;

// An #include that leads from the file's folder to one that it may not know, or that is not written from the top.
Breaches bad_includes(const SourceFile& file);
// A header without #pragma once (but a precompiled one), or that does not begin with a comment saying what it is.
Breaches bad_header(const SourceFile& file);
Breaches machine_paths(const SourceFile& file);
Breaches long_file(const SourceFile& file);
// Relies on the formatting that clang-format enforces: a function ends with a brace at the indent where it began.
Breaches long_functions(const SourceFile& file);
Breaches sleeps(const SourceFile& file);
Breaches bad_name(const SourceFile& file);

} // namespace keelson::tree
