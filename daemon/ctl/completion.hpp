// Completion for shells. Pure.
#pragma once

#include <string>
#include <vector>

namespace keelson::daemon::ctl {

struct CompletionWords {
  std::string path;               // "keelsonctl image"
  std::vector<std::string> words; // that may follow
};

std::string bash_completion(const std::vector<CompletionWords>& words);

} // namespace keelson::daemon::ctl
