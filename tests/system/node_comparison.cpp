#include "tests/system/node_comparison.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "tests/support/mounts.hpp"
#include "tests/support/poll_until.hpp"
#include "tests/system/requests.hpp"

#include <net/if.h>

#include <algorithm>
#include <map>

namespace keelson::test {

namespace {

using Names = std::set<std::string>;

struct Lists {
  Names sandboxes;
  Names ready;
  Names pod_cgroups; // "pod<id>"
  Names host_ports;  // of ready ones
  Names containers;
  Names alive; // created or running
};

Lists ask(Node& node) {
  Lists lists;
  const WireReply pods = node.call("ListPodSandbox");
  const WireReply containers = node.call("ListContainers");
  if (!pods.ok() || !containers.ok()) return lists;
  for (const auto& pod : pods.json.at("items").as_array()) {
    lists.sandboxes.insert(text(pod, "/id"));
    lists.pod_cgroups.insert("pod" + text(pod, "/id"));
    if (text(pod, "/state") != "SANDBOX_READY") continue;
    lists.ready.insert(text(pod, "/id"));
    const std::string port = text(pod, "/labels/host-port");
    if (port != "<absent>") lists.host_ports.insert(port);
  }
  for (const auto& container : containers.json.at("containers").as_array()) {
    lists.containers.insert(text(container, "/id"));
    const std::string state = text(container, "/state");
    if (state == "CONTAINER_CREATED" || state == "CONTAINER_RUNNING") lists.alive.insert(text(container, "/id"));
  }
  return lists;
}

class Comparison {
 public:
  Comparison(Node& node, Lists lists)
      : node_(node)
      , lists_(std::move(lists)) {}

  std::vector<std::string> run() {
    directories();
    mounts();
    cgroups();
    processes();
    network();
    return std::move(found_);
  }

 private:
  static Names names_in(const std::string& dir) {
    const auto names = list_dir(dir).value_or(std::vector<std::string>{});
    return {names.begin(), names.end()};
  }

  void expect(const std::string& what, const Names& wanted, const Names& present) {
    for (const std::string& name : present)
      if (!wanted.contains(name)) found_.push_back("too much: " + what + " " + name);
    for (const std::string& name : wanted)
      if (!present.contains(name)) found_.push_back("missing: " + what + " " + name);
  }

  void directories() {
    expect("sandbox directory", lists_.sandboxes, names_in(node_.state() + "/sandboxes"));
    expect("container directory", lists_.containers, names_in(node_.state() + "/containers"));
    expect("writable layer", lists_.containers, names_in(node_.root() + "/containers"));
    expect("runtime state", lists_.alive, names_in(node_.state() + "/runtimes/runc"));
  }

  void mounts() {
    Names wanted = {node_.state() + "/sandboxes", node_.state() + "/containers"};
    for (const std::string& id : lists_.ready)
      for (const char* place : {"/ns/net", "/ns/ipc", "/ns/uts", "/shm", "/etc"})
        wanted.insert(node_.state() + "/sandboxes/" + id + place);
    for (const std::string& id : lists_.alive) wanted.insert(node_.state() + "/containers/" + id + "/rootfs");
    Names present;
    for (const auto& point : mount_points())
      if (is_below(point, node_.dir()) && !present.insert(point).second) found_.push_back("mounted twice: " + point);
    expect("mount", wanted, present);
  }

  void cgroups() {
    Names seen;
    for (const std::string& dir : cgroups_with(node_.cgroup_parent(), "")) {
      const std::string name = dir.substr(dir.rfind('/') + 1);
      if (lists_.pod_cgroups.contains(name)) continue;
      const auto owner = std::find_if(lists_.alive.begin(), lists_.alive.end(),
                                      [&](const std::string& id) { return dir.find(id) != std::string::npos; });
      if (owner == lists_.alive.end())
        found_.push_back("too much: cgroup " + dir);
      else
        seen.insert(*owner);
    }
    expect("cgroup of container", lists_.alive, seen);
  }

  void processes() {
    std::size_t monitors = 0;
    for (const NodeProcess& process : node_processes(node_.cgroup_parent())) {
      const std::string cgroups = read_file(fmt::format("/proc/{}/cgroup", process.pid)).value_or("");
      if (cgroups.find(node_.cgroup_parent() + "-monitors") != std::string::npos) {
        ++monitors;
        continue;
      }
      const bool owned = std::any_of(lists_.alive.begin(), lists_.alive.end(),
                                     [&](const std::string& id) { return cgroups.find(id) != std::string::npos; });
      if (!owned && process.pid != node_.pid())
        found_.push_back(fmt::format("too much: process {} {}", process.pid, process.program));
    }
    if (monitors != lists_.ready.size())
      found_.push_back(fmt::format("{} monitors for {} ready sandboxes", monitors, lists_.ready.size()));
  }

  void network() {
    expect("attachment", lists_.ready, names_in(node_.root() + "/node/attachments"));
    std::map<std::string, int> addresses;
    for (const std::string& network : names_in(node_.root() + "/node/ipam")) {
      const std::string dir = node_.root() + "/node/ipam/" + network;
      for (const std::string& name : names_in(dir))
        if (!name.starts_with("next.")) ++addresses[std::string(trim(read_file(dir + "/" + name).value_or("")))];
    }
    Names holders;
    for (const auto& [holder, count] : addresses) {
      holders.insert(holder);
      if (count != 2) found_.push_back(fmt::format("{} holds {} addresses", holder, count));
    }
    expect("addresses of", lists_.ready, holders);
    std::size_t links = 0;
    struct if_nameindex* all = ::if_nameindex();
    for (const auto* link = all; link != nullptr && link->if_index != 0; ++link)
      links += std::string_view(link->if_name).starts_with("kv") ? 1 : 0;
    if (all != nullptr) ::if_freenameindex(all);
    if (links != lists_.ready.size())
      found_.push_back(fmt::format("{} links for {} ready sandboxes", links, lists_.ready.size()));
    host_ports();
  }

  void host_ports() {
    Names ports;
    const std::string rules = shell("iptables-save -t nat");
    for (const auto line : split(rules, '\n')) {
      const std::size_t at = line.find("--dport ");
      if (at != std::string_view::npos && line.find(node_.chain_prefix()) != std::string_view::npos)
        ports.insert(std::string(split_words(line.substr(at + 8))[0]));
    }
    expect("host port rule", lists_.host_ports, ports);
  }

  Node& node_;
  Lists lists_;
  std::vector<std::string> found_;
};

} // namespace

std::vector<std::string> differences(Node& node) {
  std::vector<std::string> found;
  poll_until(Deadline::after(std::chrono::seconds(15)), [&] {
    found = Comparison(node, ask(node)).run();
    return found.empty();
  });
  return found;
}

} // namespace keelson::test
