#include "cri/images/toml_subset.hpp"

#include "base/text.hpp"

#include <set>

namespace keelson::cri {

namespace {

constexpr std::size_t kMaxText = std::size_t{1} << 20;
constexpr std::size_t kMaxDepth = 8;
constexpr std::size_t kMaxKeyParts = 16;

void append_utf8(std::string& out, std::uint32_t c) {
  const auto byte = [&](std::uint32_t value) { out += static_cast<char>(value); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xc0 | (c >> 6));
    byte(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    byte(0xe0 | (c >> 12));
    byte(0x80 | ((c >> 6) & 0x3f));
    byte(0x80 | (c & 0x3f));
  } else {
    byte(0xf0 | (c >> 18));
    byte(0x80 | ((c >> 12) & 0x3f));
    byte(0x80 | ((c >> 6) & 0x3f));
    byte(0x80 | (c & 0x3f));
  }
}

bool is_bare_key(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

class TomlParser {
 public:
  explicit TomlParser(std::string_view text)
      : text_(text) {}

  Result<TomlDocument> run() {
    for (skip_blank_lines(); !at_end(); skip_blank_lines()) {
      if (peek() == '[') {
        TRY(table_header());
      } else {
        TRY(entry());
      }
      TRY(end_of_line());
    }
    return std::move(document_);
  }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  bool take(char c) {
    if (at_end() || text_[at_] != c) return false;
    if (c == '\n') ++line_;
    ++at_;
    return true;
  }
  Fail bad(std::string_view reason) const { return fail(Code::invalid_argument, "line {}: {}", line_, reason); }

  void skip_spaces() {
    while (peek() == ' ' || peek() == '\t') ++at_;
  }
  void skip_comment() {
    if (peek() != '#') return;
    while (!at_end() && peek() != '\n') ++at_;
  }
  void skip_blank_lines() {
    for (;;) {
      skip_spaces();
      skip_comment();
      if (take('\n')) continue;
      if (peek() == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') {
        ++at_;
        continue;
      }
      return;
    }
  }
  Result<> end_of_line() {
    skip_spaces();
    skip_comment();
    if (peek() == '\r') ++at_;
    if (at_end() || take('\n')) return {};
    return bad("something follows that does not belong here");
  }

  Result<> table_header() {
    ++at_;
    if (peek() == '[') return bad("arrays of tables are not supported");
    TRY_ASSIGN(table_, key());
    if (!take(']')) return bad("the table header does not end with ]");
    if (!tables_.insert(table_).second) return bad("the table is there twice");
    document_.tables.push_back(table_);
    return {};
  }

  Result<> entry() {
    const std::size_t line = line_;
    TRY_ASSIGN(auto own_path, key());
    if (!take('=')) return bad("a key without =");
    skip_spaces();
    TRY_ASSIGN(auto parsed, value(0));
    std::vector<std::string> path = table_;
    path.insert(path.end(), own_path.begin(), own_path.end());
    if (!keys_.insert(path).second) return bad("the key is there twice");
    document_.entries.push_back(TomlEntry{std::move(path), std::move(parsed), line});
    return {};
  }

  Result<std::vector<std::string>> key() {
    std::vector<std::string> parts;
    do {
      skip_spaces();
      if (peek() == '"' || peek() == '\'') {
        TRY_ASSIGN(auto part, string());
        parts.push_back(std::move(part));
      } else {
        const auto start = at_;
        while (is_bare_key(peek())) ++at_;
        if (at_ == start) return bad("a key is missing");
        parts.emplace_back(text_.substr(start, at_ - start));
      }
      skip_spaces();
      if (parts.size() > kMaxKeyParts) return bad("a key has too many parts");
    } while (take('.'));
    return parts;
  }

  Result<TomlValue> value(std::size_t depth) {
    if (peek() == '[') return array(depth);
    if (peek() == '{') return bad("inline tables are not supported; use a [table]");
    if (peek() == '"' || peek() == '\'') {
      TRY_ASSIGN(auto text, string());
      return TomlValue{std::move(text)};
    }
    const auto start = at_;
    while (is_bare_key(peek()) || peek() == '+' || peek() == '.' || peek() == ':') ++at_;
    std::string word(text_.substr(start, at_ - start));
    if (word == "true" || word == "false") return TomlValue{word == "true"};
    if (!word.empty() && word.front() == '+') word.erase(0, 1);
    const auto number = parse_int<std::int64_t>(word);
    if (!number) return bad("the value is neither a string, a whole number, true, false nor a list");
    return TomlValue{*number};
  }

  Result<TomlValue> array(std::size_t depth) {
    if (depth >= kMaxDepth) return bad("lists are nested too deeply");
    ++at_;
    std::vector<TomlValue> items;
    for (;;) {
      skip_blank_lines();
      if (take(']')) return TomlValue{std::move(items)};
      TRY_ASSIGN(auto item, value(depth + 1));
      items.push_back(std::move(item));
      skip_blank_lines();
      if (take(']')) return TomlValue{std::move(items)};
      if (!take(',')) return bad("a list is not closed");
    }
  }

  Result<std::string> string() {
    const char quote = text_[at_++];
    std::string out;
    for (;;) {
      if (at_end() || peek() == '\n') return bad("a string is not closed");
      const char c = text_[at_++];
      if (c == quote) {
        if (out.empty() && peek() == quote) return bad("strings over several lines are not supported");
        return out;
      }
      if (static_cast<unsigned char>(c) < 0x20 && c != '\t') return bad("a string has a control character");
      if (c == '\\' && quote == '"') {
        TRY(escape(out));
      } else {
        out += c;
      }
    }
  }

  Result<> escape(std::string& out) {
    const char c = peek();
    ++at_;
    switch (c) {
    case 'b':
      out += '\b';
      return {};
    case 't':
      out += '\t';
      return {};
    case 'n':
      out += '\n';
      return {};
    case 'f':
      out += '\f';
      return {};
    case 'r':
      out += '\r';
      return {};
    case '"':
      out += '"';
      return {};
    case '\\':
      out += '\\';
      return {};
    case 'u':
      return unicode(out, 4);
    case 'U':
      return unicode(out, 8);
    default:
      return bad("an escape that TOML does not have");
    }
  }

  Result<> unicode(std::string& out, std::size_t digits) {
    const auto code = parse_int<std::uint32_t>(text_.substr(std::min(at_, text_.size()), digits), 16);
    const bool whole = at_ + digits <= text_.size();
    if (!whole || !code || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000)) return bad("not a code point");
    at_ += digits;
    append_utf8(out, *code);
    return {};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::vector<std::string> table_;
  std::set<std::vector<std::string>> tables_;
  std::set<std::vector<std::string>> keys_;
  TomlDocument document_;
};

} // namespace

Result<TomlDocument> parse_toml(std::string_view text) {
  if (text.size() > kMaxText) return fail(Code::resource_exhausted, "longer than {} bytes", kMaxText);
  return TomlParser(text).run();
}

} // namespace keelson::cri
