#include "daemon/ctl/completion.hpp"

namespace keelson::daemon::ctl {

namespace {

// Follows the words that are commands, as far as they go, and offers what may come next.
constexpr const char* kFunction = R"(
_keelsonctl() {
  local current=${COMP_WORDS[COMP_CWORD]} at=keelsonctl word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    [[ -n ${_keelsonctl_words["$at $word"]+x} ]] && at="$at $word"
  done
  local offers=${_keelsonctl_words["$at"]}
  case $at in
  "keelsonctl logs" | "keelsonctl exec" | "keelsonctl inspect" | "keelsonctl pod stop" | "keelsonctl pod rm")
    [[ $current == -* ]] || offers=$(keelsonctl pods 2>/dev/null | awk 'NR > 1 { print $1 "/" $2 }')
    ;;
  esac
  COMPREPLY=($(compgen -W "$offers" -- "$current"))
}
complete -o default -F _keelsonctl keelsonctl
)";

} // namespace

std::string bash_completion(const std::vector<CompletionWords>& words) {
  std::string out = "# bash completion of keelsonctl\ndeclare -A _keelsonctl_words\n";
  for (const CompletionWords& entry : words) {
    out += "_keelsonctl_words[\"" + entry.path + "\"]=\"";
    for (std::size_t i = 0; i < entry.words.size(); ++i) out += (i > 0 ? " " : "") + entry.words[i];
    out += "\"\n";
  }
  return out + kFunction;
}

} // namespace keelson::daemon::ctl
