#include "tests/system/node.hpp"

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "base/unix_socket.hpp"
#include "tests/support/mounts.hpp"
#include "tests/support/poll_until.hpp"

#include <boost/json/serialize.hpp>
#include <net/if.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>

#ifndef KEELSON_TEST_DAEMON
#error "meson defines which keelsond is tested"
#endif

namespace keelson::test {

namespace fs = std::filesystem;

bool in_own_namespaces = false;

namespace {

constexpr const char* kCgroupRoot = "/sys/fs/cgroup";

std::string link_target(const std::string& path) {
  std::error_code error;
  return fs::read_symlink(path, error).string();
}

// Every directory below kCgroupRoot that is a mount of a hierarchy.
std::vector<std::string> hierarchies() {
  std::vector<std::string> found;
  for (const auto& point : mount_points())
    if (is_below(point, kCgroupRoot) && exists(point + "/cgroup.procs")) found.push_back(point);
  return found;
}

void add_files(std::set<std::string>& found, const std::string& top, const std::vector<std::string>& skipped) {
  std::error_code error;
  const auto options = fs::directory_options::skip_permission_denied;
  for (auto it = fs::recursive_directory_iterator(top, options, error); it != fs::recursive_directory_iterator();
       it.increment(error)) {
    if (error) break;
    const std::string path = it->path().string();
    const std::string name = it->path().filename().string();
    if (std::find(skipped.begin(), skipped.end(), path) != skipped.end()) {
      it.disable_recursion_pending();
      continue;
    }
    // Where the search for the next address begins, and the probes' file, are the daemon's own, as are its sockets.
    if (name.starts_with("next.") || name.ends_with(".sock") || name == "probes.json") continue;
    found.insert("file " + path);
  }
}

void add_links(std::set<std::string>& found) {
  struct if_nameindex* links = ::if_nameindex();
  for (const auto* link = links; link != nullptr && link->if_index != 0; ++link)
    found.insert(std::string("link ") + link->if_name);
  if (links != nullptr) ::if_freenameindex(links);
}

void add_rules(std::set<std::string>& found, const std::string& prefix) {
  for (const char* tool : {"iptables-save", "ip6tables-save"}) {
    std::map<std::string, int> times;
    const std::string text = shell(std::string(tool) + " 2>/dev/null");
    for (const auto line : split(text, '\n')) {
      if (line.find(prefix) == std::string_view::npos) continue;
      const std::string rule(line.substr(0, line.find(" [")));
      found.insert(fmt::format("{} {} #{}", tool, rule, ++times[rule]));
    }
  }
}

// Kills what is in the cgroup and in that of its monitors, and removes both.
void end_cgroup(const std::string& parent) {
  poll_until(Deadline::after(std::chrono::seconds(5)), [&] {
    bool gone = true;
    for (const std::string& top : hierarchies()) {
      for (const std::string& name : {parent, parent + "-monitors"}) {
        const std::string below = shell("find " + top + "/" + name + " -depth -type d 2>/dev/null");
        for (const auto dir : split(trim(below), '\n')) {
          const std::string members = read_file(std::string(dir) + "/cgroup.procs").value_or("");
          for (const auto pid : split_words(members)) ::kill(parse_int<pid_t>(pid).value_or(0x7fffffff), SIGKILL);
          ::rmdir(std::string(dir).c_str());
        }
        gone = gone && !exists(top + "/" + name);
      }
    }
    return gone;
  });
}

// The one of the build, or another build's for a run by hand.
std::string daemon_program() {
  const char* other = std::getenv("KEELSON_TEST_DAEMON");
  return other != nullptr ? other : KEELSON_TEST_DAEMON;
}

std::string last_lines(const std::string& text) {
  return text.size() < 4000 ? text : text.substr(text.size() - 4000);
}

} // namespace

std::string shell(const std::string& command) {
  SpawnOptions options;
  options.argv = {"sh", "-c", command};
  const auto output = run_command(std::move(options));
  return output ? output->out + output->err : output.error().message;
}

std::string cgroup_dir(const std::string& controller, const std::string& path) {
  const std::string v1 = std::string(kCgroupRoot) + "/" + controller;
  return (exists(v1 + "/cgroup.procs") ? v1 : std::string(kCgroupRoot)) + path;
}

std::vector<std::string> cgroups_with(const std::string& parent, const std::string& name) {
  std::vector<std::string> found;
  for (const std::string& hierarchy : hierarchies()) {
    std::error_code error;
    for (auto it = fs::recursive_directory_iterator(hierarchy + "/" + parent, error);
         !error && it != fs::recursive_directory_iterator(); it.increment(error))
      if (it->is_directory(error) && it->path().string().find(name) != std::string::npos)
        found.push_back(it->path().string());
  }
  return found;
}

void end_leftovers() {
  for (const std::string& name : list_dir(std::string(kCgroupRoot) + "/freezer").value_or(std::vector<std::string>{})) {
    const auto parts = split(name, '-'); // ke2e, pid, number, "monitors"
    if (parts.size() < 3 || parts[0] != "ke2e" || exists("/proc/" + std::string(parts[1]))) continue;
    end_cgroup(fmt::format("ke2e-{}-{}", parts[1], parts[2]));
  }
}

std::set<NodeProcess> node_processes(const std::string& cgroup_name) {
  const std::string net = link_target("/proc/self/ns/net");
  const std::string mnt = link_target("/proc/self/ns/mnt");
  std::set<NodeProcess> found;
  const auto pids = list_dir("/proc");
  for (const std::string& name : pids.value_or(std::vector<std::string>{})) {
    const auto pid = parse_int<pid_t>(name);
    if (!pid || *pid == ::getpid()) continue;
    const std::string dir = "/proc/" + name;
    const std::string program(trim(read_file(dir + "/comm").value_or("")));
    const std::string cgroups = read_file(dir + "/cgroup").value_or("");
    const bool inside = link_target(dir + "/ns/net") == net || link_target(dir + "/ns/mnt") == mnt;
    if (program == "docker-registry" || program == "iptables-save" || program.empty()) continue;
    // A zombie has no namespaces and waits for whoever adopted it.
    const std::string stat = read_file(dir + "/stat").value_or("");
    const std::size_t close = stat.rfind(')');
    if (close == std::string::npos || stat.substr(close, 3) == ") Z") continue;
    if (inside || cgroups.find("/" + cgroup_name) != std::string::npos) found.insert({*pid, program});
  }
  return found;
}

Node::Node(NodeOptions options)
    : options_(std::move(options)) {
  static std::atomic<int> counter = 0;
  const int number = ++counter;
  if (options_.root.empty()) options_.root = dir_ / "root";
  if (options_.state.empty()) options_.state = dir_ / "state";
  cgroup_parent_ = fmt::format("ke2e-{}-{}", ::getpid(), number);
  bridge_ = fmt::format("ke{}", number);
  chain_prefix_ = fmt::format("KE{}X", number);
  yaml_ = fmt::format("{{log: {{level: debug}}, network: {{mode: bridge, bridge: {{name: {}, ranges: [10.{}.0.0/16, "
                      "'fd00:e2e:{}::/64']}}, iptables: {{chainPrefix: {}}}}}, images: {{registryConfigDir: {}, "
                      "authFiles: [{}]}}, pods: {{manifestDir: {}, logDir: {}}}}}",
                      bridge_, 100 + number % 100, number, chain_prefix_, dir_ / "certs.d", dir_ / "auth.json",
                      dir_ / "manifests", dir_ / "logs");
}

Node::~Node() {
  if (client_ && daemon_) remove_all();
  if (daemon_) (void)kill9();
  end_cgroup(cgroup_parent_);
  shell("ip link del " + bridge_ + " 2>/dev/null");
}

std::vector<std::string> Node::arguments() const {
  std::vector<std::string> argv = {
      daemon_program(), "--only=" + options_.parts, "--root",      options_.root, "--state",
      options_.state,   "--cgroup-parent",          cgroup_parent_};
  argv.insert(argv.end(), {"--set", yaml_});
  if (!options_.yaml.empty()) argv.insert(argv.end(), {"--set", options_.yaml});
  return argv;
}

Result<> Node::launch() {
  TRY_ASSIGN(const auto log_file, open_at(AT_FDCWD, dir_ / "log", O_WRONLY | O_CREAT | O_APPEND, 0600));
  SpawnOptions options;
  options.argv = arguments();
  options.stdout_fd = options.stderr_fd = log_file.get();
  options.die_with_parent = true;
  if (!options_.path.empty()) options.env = std::vector<std::string>{"PATH=" + options_.path};
  TRY_ASSIGN(auto child, spawn(options));
  daemon_ = std::move(child);
  return {};
}

Result<> Node::wait_ready() {
  TRY_ASSIGN(client_, WireClient::connect(socket())); // the old one's connection is broken
  const Deadline deadline = Deadline::after(std::chrono::seconds(60));
  bool ended = false;
  const bool ready = poll_until(deadline, [&] {
    ended = daemon_->wait(Deadline::after(std::chrono::nanoseconds(0))).has_value();
    return ended || (connect_unix(socket(), 0) && client_->call("Version", "{}", std::chrono::seconds(5)).ok());
  });
  if (ended) daemon_.reset();
  if (ready && !ended) return {};
  return fail(Code::unavailable, "keelsond {}: {}", ended ? "ended" : "does not answer", last_lines(log()));
}

Result<> Node::start() {
  TRY(launch());
  TRY(wait_ready());
  if (!baseline_) baseline_ = footprint();
  return {};
}

Result<ExitStatus> Node::wait_end(Deadline deadline) {
  if (!daemon_) return fail(Code::failed_precondition, "no daemon runs");
  TRY_ASSIGN(const ExitStatus status, daemon_->wait(deadline));
  daemon_.reset();
  return status;
}

Result<ExitStatus> Node::end() {
  if (!daemon_) return fail(Code::failed_precondition, "no daemon runs");
  TRY(daemon_->kill(SIGTERM));
  return wait_end();
}

Result<> Node::kill9() {
  if (!daemon_) return fail(Code::failed_precondition, "no daemon runs");
  TRY(daemon_->kill(SIGKILL));
  TRY(wait_end());
  return {};
}

Result<> Node::restart() {
  TRY_ASSIGN(const ExitStatus status, end());
  if (!status.success()) return fail(Code::internal, "keelsond ended with {}: {}", status.code(), last_lines(log()));
  return start();
}

Result<RunOutput> Node::clean_up() {
  SpawnOptions options;
  options.argv = arguments();
  options.argv.emplace_back("--clean-up");
  return run_command(std::move(options));
}

std::string Node::ctl() const {
  const std::string daemon = daemon_program();
  return fmt::format("{}/keelsonctl --state {}", daemon.substr(0, daemon.rfind('/')), state());
}

pid_t Node::pid() const {
  return daemon_ ? daemon_->pid() : 0;
}

WireReply Node::call(const std::string& method, const boost::json::object& request, std::chrono::milliseconds timeout) {
  return client_->call(method, boost::json::serialize(request), timeout);
}

std::string Node::log() const {
  return read_file(dir_ / "log", std::size_t{256} << 20).value_or("");
}

void Node::remove_all() {
  const WireReply list = call("ListPodSandbox");
  if (!list.ok()) return;
  for (const auto& item : list.json.at("items").as_array()) {
    const boost::json::object request{{"pod_sandbox_id", item.at("id")}};
    (void)call("StopPodSandbox", request);
    (void)call("RemovePodSandbox", request);
  }
}

std::set<std::string> Node::footprint() const {
  std::set<std::string> found;
  std::map<std::string, int> times;
  for (const auto& point : mount_points())
    if (is_below(point, root()) || is_below(point, state()) || is_below(point, dir()))
      found.insert(fmt::format("mount {} #{}", point, ++times[point]));
  add_files(found, root(), {root() + "/images", root() + "/layers"});
  add_files(found, state(), {});
  for (const std::string& dir : cgroups_with(cgroup_parent_, "")) found.insert("cgroup " + dir);
  for (const NodeProcess& process : node_processes(cgroup_parent_)) {
    const std::string cgroups = read_file(fmt::format("/proc/{}/cgroup", process.pid)).value_or("");
    const bool ours = cgroups.find(cgroup_parent_) != std::string::npos;
    if (!ours && (cgroups.find("/ke2e-") != std::string::npos || process.program.starts_with("keelsond")))
      continue; // other nodes
    found.insert(fmt::format("process {} {}", process.pid, process.program));
  }
  add_links(found);
  add_rules(found, chain_prefix_);
  return found;
}

std::vector<std::string> Node::remains() const {
  std::vector<std::string> left;
  if (!baseline_) return left;
  poll_until(Deadline::after(std::chrono::seconds(10)), [&] {
    left.clear();
    const auto now = footprint();
    std::set_difference(now.begin(), now.end(), baseline_->begin(), baseline_->end(), std::back_inserter(left));
    return left.empty();
  });
  return left;
}

} // namespace keelson::test
