// The pods of a set of manifest files. No system calls; one thread at a time.
#pragma once

#include "api/pod.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::daemon {

struct Manifest {
  api::Pod pod; // with a static pod's identity and all defaults
  std::string file;
  std::string hash; // changes when the manifest does
};

struct ManifestProblem {
  std::string file;
  std::string pod; // "namespace/name" as written; empty: the file as a whole
  std::string message;
};

class ManifestSet {
 public:
  explicit ManifestSet(std::string node_name)
      : node_name_(std::move(node_name)) {}

  // The file's text as it is now. A text that does not parse leaves the file's pods as they were, and so does an
  // invalid pod in it (a file may be seen while it is being written). The same text again changes nothing.
  std::vector<ManifestProblem> put(const std::string& file, std::string_view text);
  void remove(const std::string& file);
  std::vector<std::string> files() const;

  // The pods that should run. Of two with the same name or uid, the one that was first stays; `problems` names both
  // files, once.
  std::vector<Manifest> pods(std::vector<ManifestProblem>& problems);

 private:
  struct File {
    std::string text_hash;
    std::vector<Manifest> pods;
  };

  Result<Manifest> accept(api::Pod pod, const std::string& file) const;

  std::string node_name_;
  std::map<std::string, File> files_;
  std::map<std::string, std::string> owners_;    // file by pod name, of the pods that run
  std::map<std::string, std::string> conflicts_; // already reported: refused file and pod, to the owner
};

} // namespace keelson::daemon
