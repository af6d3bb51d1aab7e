#include "daemon/ctl/tier_view.hpp"

#include "base/text.hpp"
#include "daemon/ctl/display.hpp"
#include "daemon/ctl/fields.hpp"

#include <algorithm>
#include <map>

namespace keelson::daemon::ctl {

namespace {

std::string path_of(const json::value& group) {
  return text_at(group, {"path"});
}

// Container ids in it cut, for the eye.
std::string shown_path(const json::value& group) {
  const std::string path = path_of(group);
  const std::size_t slash = path.rfind('/');
  const std::string last = path.substr(slash + 1);
  const bool is_id = last.size() == 64 && last.find_first_not_of("0123456789abcdef") == std::string::npos;
  return is_id ? path.substr(0, slash + 1) + short_id(last) + "…" : path;
}

// "missing: cannot read ..." tells its file once more; the first word is enough beside it.
std::string shown_actual(const std::string& file, const std::string& actual) {
  return actual.starts_with("missing:") ? "missing" : explained_value(file, actual);
}

bool is_below(const std::string& path, const std::string& parent) {
  return path.size() > parent.size() && path.starts_with(parent) &&
         (parent.ends_with('/') || path[parent.size()] == '/');
}

// The group whose path is the longest beginning of this one's; -1 for a root.
int parent_of(const json::array& groups, std::size_t index) {
  int best = -1;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::string path = path_of(groups[i]);
    if (i == index || !is_below(path_of(groups[index]), path)) continue;
    if (best < 0 || path.size() > path_of(groups[static_cast<std::size_t>(best)]).size()) best = static_cast<int>(i);
  }
  return best;
}

bool group_matches(const json::value& group) {
  if (!flag_at(group, {"exists"})) return false;
  const json::array& knobs = list_at(group, {"knobs"});
  return std::all_of(knobs.begin(), knobs.end(), [](const json::value& knob) { return flag_at(knob, {"matches"}); });
}

class Drawing {
 public:
  explicit Drawing(const json::array& groups)
      : groups_(groups)
      , table_({{"GROUP"}, {"INTENDED", true}, {""}, {"ACTUAL"}, {"FROM"}}) {
    for (std::size_t i = 0; i < groups.size(); ++i) children_[parent_of(groups, i)].push_back(i);
  }

  std::string text(const TableOptions& options) {
    for (const std::size_t root : children_[-1]) draw(root, "", "");
    return table_.render(options);
  }

 private:
  void draw(std::size_t index, const std::string& own_prefix, const std::string& inner_prefix) {
    const json::value& group = groups_[index];
    const std::vector<std::size_t> below = children_[static_cast<int>(index)];
    const bool exists = flag_at(group, {"exists"});
    table_.add({{own_prefix + text_at(group, {"title"}), Tone::strong},
                "",
                {group_matches(group) ? "✓" : "✗", group_matches(group) ? Tone::good : Tone::bad},
                exists ? Cell("") : Cell("missing", Tone::bad),
                {shown_path(group), Tone::dim}});
    const std::string knob_prefix = inner_prefix + (below.empty() ? "    " : "│   ");
    for (const json::value& knob : list_at(group, {"knobs"})) add_knob(knob, knob_prefix);
    for (const json::value& reason : list_at(group, {"dropped"}))
      if (reason.is_string())
        table_.add({{knob_prefix + "not set", Tone::dim}, "", "", "", {std::string(reason.get_string()), Tone::dim}});
    for (std::size_t i = 0; i < below.size(); ++i) {
      const bool last = i + 1 == below.size();
      draw(below[i], inner_prefix + (last ? "└─ " : "├─ "), inner_prefix + (last ? "   " : "│  "));
    }
  }

  void add_knob(const json::value& knob, const std::string& prefix) {
    const std::string file = text_at(knob, {"file"});
    const std::string intended = text_at(knob, {"intended"});
    const std::string actual = text_at(knob, {"actual"});
    const bool matches = flag_at(knob, {"matches"});
    // What reads back differently and still means the same (rounded to pages, clamped) is shown as it reads.
    table_.add({prefix + file,
                explained_value(file, intended),
                {matches ? "✓" : "✗", matches ? Tone::good : Tone::bad},
                {shown_actual(file, actual), matches ? Tone::plain : Tone::bad},
                {text_at(knob, {"source"}), Tone::dim}});
  }

  const json::array& groups_;
  std::map<int, std::vector<std::size_t>> children_;
  Table table_;
};

} // namespace

std::string explained_value(const std::string& file, const std::string& value) {
  if (file.find("memory") == std::string::npos && file.find("hugetlb") == std::string::npos) return value;
  const auto bytes = parse_int<std::uint64_t>(value);
  if (!bytes || *bytes < 1024) return value;
  // v1 shows "no limit" as the largest number of pages.
  if (*bytes >= (std::uint64_t{1} << 62)) return value + " (none)";
  return fmt::format("{} ({})", value, binary_bytes(*bytes));
}

json::array groups_of_pod(const json::array& groups, const std::string& pod) {
  if (pod.empty()) return groups;
  const std::size_t slash = pod.find('/');
  const json::value* wanted = nullptr;
  for (const json::value& group : groups) {
    const std::string title = text_at(group, {"title"});
    if (!title.starts_with("pod ")) continue;
    const std::string name = title.substr(4);
    const std::string short_name = name.substr(std::min(name.size(), name.find('/') + 1));
    if (name == pod || (slash == std::string::npos && short_name == pod) || path_of(group).ends_with("pod" + pod))
      wanted = &group;
  }
  json::array out;
  if (wanted == nullptr) return out;
  const std::string path = path_of(*wanted);
  for (const json::value& group : groups) {
    const std::string own = path_of(group);
    if (own == path || is_below(own, path) || is_below(path, own)) out.push_back(group);
  }
  return out;
}

std::string tier_tree_text(const json::array& groups, const TableOptions& options) {
  return Drawing(groups).text(options);
}

Table tier_differences(const json::array& groups) {
  Table table({{"GROUP"}, {"FILE"}, {"INTENDED", true}, {"ACTUAL"}, {"FROM"}});
  for (const json::value& group : groups) {
    if (!flag_at(group, {"exists"})) {
      table.add({text_at(group, {"title"}), "", "exists", {"missing", Tone::bad}, {shown_path(group), Tone::dim}});
      continue;
    }
    for (const json::value& knob : list_at(group, {"knobs"})) {
      if (flag_at(knob, {"matches"})) continue;
      const std::string file = text_at(knob, {"file"});
      table.add({text_at(group, {"title"}),
                 shown_path(group) + "/" + file,
                 explained_value(file, text_at(knob, {"intended"})),
                 {shown_actual(file, text_at(knob, {"actual"})), Tone::bad},
                 {text_at(knob, {"source"}), Tone::dim}});
    }
  }
  return table;
}

json::array tier_differences_json(const json::array& groups) {
  json::array out;
  for (const json::value& group : groups) {
    const json::object base{{"group", text_at(group, {"title"})}, {"path", path_of(group)}};
    if (!flag_at(group, {"exists"})) {
      json::object missing = base;
      missing["exists"] = false;
      out.emplace_back(std::move(missing));
      continue;
    }
    for (const json::value& knob : list_at(group, {"knobs"})) {
      if (flag_at(knob, {"matches"})) continue;
      json::object difference = base;
      for (const char* key : {"controller", "file", "intended", "actual", "source"}) difference[key] = dig(knob, {key});
      out.emplace_back(std::move(difference));
    }
  }
  return out;
}

} // namespace keelson::daemon::ctl
