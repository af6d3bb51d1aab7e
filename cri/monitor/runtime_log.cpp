#include "cri/monitor/runtime_log.hpp"

#include "base/text.hpp"

namespace keelson::cri::monitor {
namespace {

// The text of a JSON string that starts at the given quote, escapes undone; \u beyond ASCII becomes a question mark.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 1; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out.push_back(text[i]);
      continue;
    }
    const char kind = text[++i];
    if (kind == 'u') {
      const auto code = parse_int<unsigned>(text.substr(i + 1, 4), 16);
      out.push_back(code && *code < 0x80 ? static_cast<char>(*code) : '?');
      i += 4;
    } else {
      out.push_back(kind == 'n' || kind == 'r' || kind == 't' ? ' ' : kind);
    }
  }
  return out;
}

std::string string_member(std::string_view line, std::string_view key) {
  const std::string quoted = fmt::format("\"{}\":", key);
  std::size_t at = line.find(quoted);
  if (at == std::string_view::npos) return {};
  at = line.find_first_not_of(" \t", at + quoted.size());
  if (at == std::string_view::npos || line[at] != '"') return {};
  return unescape(line.substr(at));
}

} // namespace

std::string last_runtime_error(std::string_view log) {
  std::string found;
  for (const std::string_view line : split(log, '\n')) {
    const std::string level = string_member(line, "level");
    if (level != "error" && level != "fatal") continue;
    if (std::string message = string_member(line, "msg"); !message.empty()) found = std::move(message);
  }
  return printable(found, 2048);
}

} // namespace keelson::cri::monitor
