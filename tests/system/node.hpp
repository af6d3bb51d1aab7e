// One node of a test: a real keelsond with directories, a cgroup parent, a bridge and rule names of its own, in this
// process' network and mount namespaces.
#pragma once

#include "base/process.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/wire_client.hpp"

#include <boost/json/object.hpp>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace keelson::test {

struct NodeOptions {
  std::string root;  // empty: below the node's directory
  std::string state; // the same
  std::string yaml;  // what the configuration gets beside the paths, given with --set
  std::string path;  // the daemon's PATH; empty: this process'
  std::string parts = "cri";
};

// Set by main(): this process has namespaces of its own.
extern bool in_own_namespaces;

// The destructor ends the daemon, every pod and what they left; it does not complain, remains() does. One thread, but
// for call() and client().
class Node {
 public:
  explicit Node(NodeOptions options = {});
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Starts the daemon and waits until it answers Version. The error ends with the daemon's last words.
  Result<> start();
  Result<> launch();            // starts it and does not wait
  Result<> wait_ready();        // until Version is answered; an error as soon as the daemon has ended
  Result<ExitStatus> end();     // SIGTERM and wait
  Result<> kill9();             // SIGKILL and wait
  Result<> restart();           // end and start
  Result<RunOutput> clean_up(); // keelsond --clean-up, to its end
  Result<ExitStatus> wait_end(Deadline deadline = Deadline::after(std::chrono::seconds(20)));
  pid_t pid() const;

  WireReply call(const std::string& method, const boost::json::object& request = {},
                 std::chrono::milliseconds timeout = std::chrono::seconds(60));
  WireClient& client() { return *client_; }

  const std::string& dir() const { return dir_.path(); }
  const std::string& root() const { return options_.root; }
  const std::string& state() const { return options_.state; }
  std::string ctl() const; // keelsonctl, told where this node is
  std::string socket() const { return state() + "/cri.sock"; }
  std::string log() const; // everything that every daemon of this node printed
  const std::string& cgroup_parent() const { return cgroup_parent_; } // without a slash
  const std::string& bridge() const { return bridge_; }
  const std::string& chain_prefix() const { return chain_prefix_; }
  NodeOptions& options() { return options_; }

  void remove_all(); // stops and removes every sandbox, through the socket
  // What the node has on the machine: mounts, files of its directories (images aside), cgroups, processes, links,
  // rules, one line each.
  std::set<std::string> footprint() const;
  // What is there now and was not at the end of the first start(); waits for removals that the kernel finishes late.
  std::vector<std::string> remains() const;

 private:
  std::vector<std::string> arguments() const;

  TempDir dir_{"node"};
  NodeOptions options_;
  std::string cgroup_parent_;
  std::string bridge_;
  std::string chain_prefix_;
  std::string yaml_;
  std::unique_ptr<WireClient> client_;
  std::optional<Child> daemon_;
  std::optional<std::set<std::string>> baseline_;
};

// Processes that live in this process' network or mount namespace, or in a cgroup whose path holds the name; this
// process and its own children of other kinds (registries) are left out by their program's name.
struct NodeProcess {
  pid_t pid = 0;
  std::string program; // comm
  bool operator<(const NodeProcess& other) const { return pid < other.pid; }
};
std::set<NodeProcess> node_processes(const std::string& cgroup_name);

// The cgroup directories (every hierarchy) below the parent whose path holds `name`.
std::vector<std::string> cgroups_with(const std::string& parent, const std::string& name);
// Of a v1 controller, or of the unified hierarchy if the controller is there.
std::string cgroup_dir(const std::string& controller, const std::string& path);

void end_leftovers();                          // cgroups and processes of test programs that were killed
std::string shell(const std::string& command); // output and errors of a shell command

} // namespace keelson::test
