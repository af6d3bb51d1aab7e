#include "daemon/ctl/explain_view.hpp"

#include "daemon/ctl/fields.hpp"
#include "daemon/ctl/tier_view.hpp"

#include <fmt/format.h>

namespace keelson::daemon::ctl {

namespace {

Tone class_tone(const std::string& name) {
  if (name == "Guaranteed") return Tone::good;
  return name == "Burstable" ? Tone::warn : Tone::plain;
}

std::string version_text(const json::value& explanation, const TableOptions& options) {
  std::string version = text_at(explanation, {"version"});
  if (version.starts_with("v")) version.erase(0, 1);
  std::string out = "\n" + paint("cgroup v" + version, Tone::strong, options.colour) + "\n";
  Table table({{"GROUP / FILE"}, {"VALUE", true}, {"FROM"}});
  for (const json::value& group : list_at(explanation, {"groups"})) {
    table.add({{text_at(group, {"title"}), Tone::accent}, "", {text_at(group, {"path"}), Tone::dim}});
    for (const json::value& write : list_at(group, {"writes"})) {
      const std::string file = text_at(write, {"file"});
      table.add(
          {"  " + file, explained_value(file, text_at(write, {"value"})), {text_at(write, {"source"}), Tone::dim}});
    }
    for (const json::value& reason : list_at(group, {"dropped"}))
      if (reason.is_string()) table.add({{"  not set", Tone::dim}, "", {std::string(reason.get_string()), Tone::dim}});
  }
  return out + table.render(options);
}

} // namespace

std::string explanation_text(const json::array& explanations, const TableOptions& options) {
  if (explanations.empty()) return {};
  const json::value& first = explanations.front();
  const std::string qos_class = text_at(first, {"qosClass"});
  std::string out = paint(text_at(first, {"pod"}), Tone::strong, options.colour) + " is " +
                    paint(qos_class, class_tone(qos_class), options.colour) + "\n";
  const std::string field = text_at(first, {"field"});
  out += "because " + (field.empty() ? "" : field + ": ") + text_at(first, {"reason"}) + "\n";
  for (const json::value& explanation : explanations) out += version_text(explanation, options);
  const json::array& scores = list_at(first, {"oomScores"});
  if (scores.empty()) return out;
  out += "\n" + paint("oom_score_adj", Tone::strong, options.colour) + "\n";
  Table table({{"CONTAINER"}, {"VALUE", true}, {"FROM"}});
  for (const json::value& score : scores)
    table.add({{text_at(score, {"container"}), Tone::accent},
               fmt::format("{}", number_at(score, {"oomScoreAdj"})),
               {text_at(score, {"source"}), Tone::dim}});
  return out + table.render(options);
}

} // namespace keelson::daemon::ctl
