// The command lines of an external OCI runtime (runc, crun and look-alikes) and what its answers mean.
#pragma once

#include "base/error.hpp"
#include "base/time.hpp"
#include "cri/oci/runtime_version.hpp"

#include <string>
#include <vector>

namespace keelson::cri {

struct RuntimeHandlerOptions {
  std::string name;                    // what RunPodSandboxRequest.runtime_handler selects: "runc"
  std::string path;                    // of the program, or its name to be looked up in PATH
  std::vector<std::string> extra_args; // put before the command: "--systemd-cgroup"
  // The container's processes live in plain Linux namespaces that setns(2) enters (runc, crun; not kata or gvisor).
  // Then the monitor runs execs itself, and a stopped container needs no call to the runtime to be forgotten.
  bool plain_namespaces = true;
};

// Immutable; any thread. Calls block for as long as the runtime takes.
class OciRuntime {
 public:
  // Asks the program for its version and features. The error says how to install it.
  static Result<OciRuntime> probe(RuntimeHandlerOptions options, std::string state_dir);

  const RuntimeHandlerOptions& options() const { return options_; }
  const RuntimeInfo& info() const { return info_; }

  struct CreateFiles {
    std::string bundle;
    std::string pid_file;
    std::string log;            // the runtime's own log, JSON
    std::string console_socket; // empty: no terminal
  };
  std::vector<std::string> create_args(const std::string& id, const CreateFiles& files) const;

  std::vector<std::string> exec_args(const std::string& id, const std::vector<std::string>& argv) const;

  Result<> start(const std::string& id, const std::string& log, Deadline deadline) const;

  enum class State { absent, creating, created, running, stopped };
  Result<State> state(const std::string& id, Deadline deadline) const;

  // Forgets a container whose processes have all ended; kills those that have not. Succeeds if it is unknown.
  Result<> remove(const std::string& id, Deadline deadline) const;

  // Ids that the runtime has a state for.
  std::vector<std::string> list() const;

 private:
  OciRuntime(RuntimeHandlerOptions options, std::string state_dir, RuntimeInfo info)
      : options_(std::move(options))
      , state_dir_(std::move(state_dir))
      , info_(std::move(info)) {}
  std::vector<std::string> command(std::vector<std::string> arguments) const;

  RuntimeHandlerOptions options_;
  std::string state_dir_;
  RuntimeInfo info_;
};

// The reason in a runtime's failure: the last "msg" of error level in its JSON log, else the last line of its standard
// error. Untrusted text, made printable.
std::string runtime_failure(std::string_view json_log, std::string_view standard_error);

} // namespace keelson::cri
