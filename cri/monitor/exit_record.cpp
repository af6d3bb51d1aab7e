#include "base/text.hpp"
#include "cri/monitor/protocol.hpp"

namespace keelson::cri::monitor {
namespace {

// A cursor over one flat JSON object.
class FlatObject {
 public:
  explicit FlatObject(std::string_view text)
      : rest_(text) {}

  bool take(char wanted) {
    skip_space();
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // A string without escapes: the keys of a record have none.
  std::optional<std::string_view> take_key() {
    if (!take('"')) return std::nullopt;
    const std::size_t end = rest_.find_first_of("\"\\");
    if (end == std::string_view::npos || rest_[end] != '"') return std::nullopt;
    const std::string_view key = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return key;
  }
  std::string_view take_word() {
    skip_space();
    const std::size_t end = std::min(rest_.find_first_of(",} \t\n\r"), rest_.size());
    const std::string_view word = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return word;
  }
  bool at_end() {
    skip_space();
    return rest_.empty();
  }

 private:
  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n\r"), rest_.size())); }
  std::string_view rest_;
};

template <class T>
bool assign_number(std::string_view word, T& target) {
  const Result<T> number = parse_int<T>(word);
  if (number) target = *number;
  return number.has_value();
}

bool assign(ExitRecord& record, std::string_view key, std::string_view word) {
  if (key == "exit_code") return assign_number(word, record.exit_code);
  if (key == "signal") return assign_number(word, record.signal);
  if (key == "oom_kills") return assign_number(word, record.oom_kills);
  if (key == "finished_at") return assign_number(word, record.finished_at);
  if (key == "oom_killed") {
    record.oom_killed = word == "true";
    return word == "true" || word == "false";
  }
  std::int64_t ignored = 0;
  return word == "true" || word == "false" || assign_number(word, ignored);
}

} // namespace

std::string format_exit_record(const ExitRecord& record) {
  return fmt::format("{{\"exit_code\":{},\"signal\":{},\"oom_killed\":{},\"oom_kills\":{},\"finished_at\":{}}}\n",
                     record.exit_code, record.signal, record.oom_killed, record.oom_kills, record.finished_at);
}

Result<ExitRecord> parse_exit_record(std::string_view text) {
  ExitRecord record;
  FlatObject object(text);
  bool has_exit_code = false;
  bool well_formed = object.take('{');
  while (well_formed) {
    const auto key = object.take_key();
    if (!key || !object.take(':') || !assign(record, *key, object.take_word())) break;
    has_exit_code |= *key == "exit_code";
    if (object.take(',')) continue;
    if (object.take('}') && object.at_end() && has_exit_code) return record;
    well_formed = false;
  }
  return fail(Code::invalid_argument, "exit record \"{}\" is malformed", printable(text, 120));
}

} // namespace keelson::cri::monitor
