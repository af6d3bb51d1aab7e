#include "api/selector.hpp"

#include "api/validation.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>

namespace keelson::api {

namespace {

struct OperatorWord {
  std::string_view word;
  SelectorOperator op;
};
constexpr std::array<OperatorWord, 6> kWords = {{
    {"In", SelectorOperator::in},
    {"NotIn", SelectorOperator::not_in},
    {"Exists", SelectorOperator::exists},
    {"DoesNotExist", SelectorOperator::does_not_exist},
    {"Gt", SelectorOperator::greater_than},
    {"Lt", SelectorOperator::less_than},
}};

bool compares_numbers(SelectorOperator op) {
  return op == SelectorOperator::greater_than || op == SelectorOperator::less_than;
}

bool takes_no_values(SelectorOperator op) {
  return op == SelectorOperator::exists || op == SelectorOperator::does_not_exist;
}

// Checks and orders a requirement.
Result<Requirement> checked(Requirement requirement) {
  auto& [key, op, values] = requirement;
  if (!is_qualified_name(key)) return fail(Code::invalid_argument, "\"{}\" is not a label key", printable(key));
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if (takes_no_values(op) != values.empty()) {
    return fail(Code::invalid_argument, "label {}: {}", key,
                values.empty() ? "the operator needs values" : "the operator takes no values");
  }
  if (compares_numbers(op)) {
    if (values.size() != 1) return fail(Code::invalid_argument, "label {}: a comparison needs one number", key);
    if (!parse_int<std::int64_t>(values[0])) {
      return fail(Code::invalid_argument, "label {}: \"{}\" is not a whole number", key, printable(values[0]));
    }
  }
  for (const std::string& value : values) {
    if (!is_label_value(value)) {
      return fail(Code::invalid_argument, "label {}: \"{}\" is not a label value", key, printable(value));
    }
  }
  return requirement;
}

// The grammar of kubectl -l: terms joined by commas, each one of: key, !key, key=v, key==v, key!=v, key>n, key<n,
// key in (v,...), key notin (v,...).
class Reader {
 public:
  explicit Reader(std::string_view text)
      : text_(text) {}

  Result<std::vector<Requirement>> read() {
    std::vector<Requirement> requirements;
    skip_spaces();
    while (at_ < text_.size()) {
      TRY_ASSIGN(Requirement term, read_term());
      TRY_ASSIGN(Requirement good, checked(std::move(term)));
      requirements.push_back(std::move(good));
      skip_spaces();
      if (at_ == text_.size()) break;
      if (!take(',')) return wrong("expected a comma");
      skip_spaces();
      if (at_ == text_.size()) return wrong("expected a key after the comma");
    }
    return requirements;
  }

 private:
  Result<Requirement> read_term() {
    Requirement term;
    if (take('!')) {
      skip_spaces();
      term.op = SelectorOperator::does_not_exist;
      term.key = word();
      return term;
    }
    term.key = word();
    skip_spaces();
    if (at_ == text_.size() || text_[at_] == ',') return term;
    TRY_ASSIGN(const bool is_set, read_operator(term));
    skip_spaces();
    if (!is_set) {
      term.values.emplace_back(word());
      return term;
    }
    return read_set(std::move(term));
  }

  // True if a set in parentheses follows.
  Result<bool> read_operator(Requirement& term) {
    if (take('=')) {
      take('=');
      term.op = SelectorOperator::in;
    } else if (text_.substr(at_, 2) == "!=") {
      at_ += 2;
      term.op = SelectorOperator::not_in;
    } else if (take('>')) {
      term.op = SelectorOperator::greater_than;
    } else if (take('<')) {
      term.op = SelectorOperator::less_than;
    } else {
      const std::string name = word();
      if (name != "in" && name != "notin") return wrong("expected an operator: =, ==, !=, in, notin, < or >");
      term.op = name == "in" ? SelectorOperator::in : SelectorOperator::not_in;
      return true;
    }
    return false;
  }

  Result<Requirement> read_set(Requirement term) {
    if (!take('(')) return wrong("expected \"(\"");
    while (true) {
      skip_spaces();
      term.values.emplace_back(word());
      skip_spaces();
      if (take(')')) return term;
      if (!take(',')) return wrong("expected \",\" or \")\"");
    }
  }

  std::string word() {
    const std::size_t start = at_;
    while (at_ < text_.size() && std::string_view("=!,()<> \t\n").find(text_[at_]) == std::string_view::npos) ++at_;
    return std::string(text_.substr(start, at_ - start));
  }

  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) ++at_;
  }

  Fail wrong(std::string_view what) const {
    return fail(Code::invalid_argument, "selector \"{}\", at {}: {}", printable(text_), at_ + 1, what);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

bool holds(const Requirement& requirement, const StringMap& labels) {
  const auto found = labels.find(requirement.key);
  const bool present = found != labels.end();
  const auto listed = [&] {
    return std::binary_search(requirement.values.begin(), requirement.values.end(), found->second);
  };
  switch (requirement.op) {
  case SelectorOperator::in:
    return present && listed();
  case SelectorOperator::not_in:
    return !present || !listed();
  case SelectorOperator::exists:
    return present;
  case SelectorOperator::does_not_exist:
    return !present;
  case SelectorOperator::greater_than:
  case SelectorOperator::less_than:
    break;
  }
  if (!present) return false;
  const auto have = parse_int<std::int64_t>(found->second);
  const auto bound = parse_int<std::int64_t>(requirement.values.front());
  if (!have || !bound) return false;
  return requirement.op == SelectorOperator::greater_than ? *have > *bound : *have < *bound;
}

std::string to_text(const Requirement& requirement) {
  const auto& [key, op, values] = requirement;
  switch (op) {
  case SelectorOperator::exists:
    return key;
  case SelectorOperator::does_not_exist:
    return "!" + key;
  case SelectorOperator::greater_than:
    return key + ">" + values.front();
  case SelectorOperator::less_than:
    return key + "<" + values.front();
  case SelectorOperator::in:
    if (values.size() == 1) return key + "=" + values.front();
    return key + " in (" + join(values, ",") + ")";
  case SelectorOperator::not_in:
    if (values.size() == 1) return key + "!=" + values.front();
    return key + " notin (" + join(values, ",") + ")";
  }
  return key;
}

Result<Requirement> expression_of(const json::value& v) {
  const json::object* object = v.if_object();
  if (object == nullptr) return fail(Code::invalid_argument, "matchExpressions: an entry is not an object");
  Requirement requirement;
  TRY_ASSIGN(requirement.key, json::get_string(*object, "key"));
  TRY_ASSIGN(const std::string word, json::get_string(*object, "operator"));
  const auto found = std::find_if(kWords.begin(), kWords.end(), [&](const auto& entry) { return entry.word == word; });
  if (found == kWords.end() || compares_numbers(found->op)) {
    return fail(Code::invalid_argument,
                "matchExpressions: operator \"{}\" is not one of In, NotIn, Exists, DoesNotExist", printable(word));
  }
  requirement.op = found->op;
  if (const json::array* values = json::find_array(*object, "values")) {
    for (const json::value& value : *values) {
      if (!value.is_string()) return fail(Code::invalid_argument, "matchExpressions: a value is not a string");
      requirement.values.emplace_back(value.get_string());
    }
  }
  return checked(std::move(requirement));
}

void sort_by_key(std::vector<Requirement>& requirements) {
  std::stable_sort(requirements.begin(), requirements.end(),
                   [](const Requirement& a, const Requirement& b) { return a.key < b.key; });
}

} // namespace

Result<Selector> Selector::parse(std::string_view text) {
  Selector selector;
  TRY_ASSIGN(selector.requirements_, Reader(text).read());
  sort_by_key(selector.requirements_);
  return selector;
}

Result<Selector> Selector::from_labels(const StringMap& labels) {
  Selector selector;
  for (const auto& [key, value] : labels) {
    TRY_ASSIGN(Requirement requirement, checked({key, SelectorOperator::in, {value}}));
    selector.requirements_.push_back(std::move(requirement));
  }
  return selector;
}

Result<Selector> Selector::from_json(const json::value& label_selector) {
  const json::object* object = label_selector.if_object();
  if (object == nullptr) return fail(Code::invalid_argument, "a label selector must be an object");
  StringMap labels;
  if (const json::object* match = json::find_object(*object, "matchLabels")) {
    for (const auto& member : *match) {
      if (!member.value().is_string()) {
        return fail(Code::invalid_argument, "matchLabels: the value of {} is not a string",
                    printable(std::string_view(member.key())));
      }
      labels[std::string(member.key())] = std::string(member.value().get_string());
    }
  }
  TRY_ASSIGN(Selector selector, from_labels(labels));
  if (const json::array* expressions = json::find_array(*object, "matchExpressions")) {
    for (const json::value& expression : *expressions) {
      TRY_ASSIGN(Requirement requirement, expression_of(expression));
      selector.requirements_.push_back(std::move(requirement));
    }
  }
  sort_by_key(selector.requirements_);
  return selector;
}

bool Selector::matches(const StringMap& labels) const {
  return std::all_of(requirements_.begin(), requirements_.end(),
                     [&](const Requirement& requirement) { return holds(requirement, labels); });
}

std::string Selector::to_string() const {
  std::vector<std::string> terms;
  for (const Requirement& requirement : requirements_) terms.push_back(to_text(requirement));
  return join(terms, ",");
}

} // namespace keelson::api
