// The daemon's configuration: built-in defaults, keelsond.yaml, its drop-ins, then the command line. keelsond.yaml(5)
// documents every key; the member names here are the keys.
#pragma once

#include "base/error.hpp"
#include "base/units.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace keelson::daemon {

struct HandlerConfig {
  std::string name;
  std::string path;
  std::vector<std::string> args;
  bool plain_namespaces = true;
};

struct Config {
  std::string node_name; // empty: the machine's host name in lower case
  std::string root = "/var/lib/keelson";
  std::string state = "/run/keelson";
  std::vector<std::string> parts = {"cri", "pods"}; // what this daemon does; "cri" alone: a CRI runtime for a kubelet

  struct {
    std::string level = "info";  // debug, info, warning, error
    std::string format = "text"; // text, json
  } log;

  struct {
    std::string socket; // empty: <state>/cri.sock
    std::string group;  // whose members may connect; empty: root's
    // Calls answered at once; more are refused. Each StopContainer that waits for a grace period takes one.
    int max_threads = 2048;
  } cri;

  struct {
    std::string socket; // empty: <state>/keelsond.sock
  } admin;

  struct {
    std::string monitor; // empty: as installed, or beside this program in a build tree
    std::vector<HandlerConfig> handlers = {{"runc", "runc", {}, true}};
    std::string seccomp_profile_root = "/var/lib/kubelet/seccomp";
    std::int64_t pids_limit = 0; // of each container; 0: none
    Bytes log_max_size{-1};      // negative: not said, see container_log_max_size()
    std::int64_t log_max_files = 5;
    std::int64_t create_timeout_seconds = 120;
  } runtime;

  struct {
    std::string driver = "cgroupfs"; // no other one yet
    std::string parent = "kubepods";
  } cgroups;

  struct {
    std::string mode = "auto"; // auto: CNI while its directory holds a configuration, else the bridge; bridge; cni
    struct {
      std::string name = "keelson0";
      std::vector<std::string> ranges = {"10.88.0.0/16"};
      std::int64_t mtu = 0; // 0: that of the default route's link
      bool masquerade = true;
      std::vector<std::string> no_masquerade;
      bool host_ports = true;
      bool localhost_host_ports = true;
    } bridge;
    struct {
      std::string config_dir = "/etc/cni/net.d";
      std::vector<std::string> plugin_dirs = {"/opt/cni/bin", "/usr/lib/cni"};
    } cni;
    struct {
      std::string restore4 = "iptables-restore";
      std::string restore6 = "ip6tables-restore";
      std::string chain_prefix = "KEELSON";
    } iptables;
  } network;

  struct {
    std::string registry_config_dir = "/etc/keelson/certs.d";
    std::vector<std::string> auth_files = {"/etc/keelson/auth.json", "/var/lib/kubelet/config.json"};
    std::vector<std::string> pinned;
    std::int64_t parallel_layers = 3;
  } images;

  struct {
    std::string manifest_dir = "/etc/keelson/manifests"; // static pods; watched
    std::string log_dir = "/var/log/pods";
    std::int64_t max_pods = 110;
  } pods;

  bool does(std::string_view part) const; // whether `parts` has it
  std::string cri_socket() const { return cri.socket.empty() ? state + "/cri.sock" : cri.socket; }
  // What rotates a log: the monitor where this daemon runs pods, a kubelet by its own policy where it serves one.
  Bytes container_log_max_size() const {
    if (runtime.log_max_size.value >= 0) return runtime.log_max_size;
    return Bytes{does("pods") ? std::int64_t{10} << 20 : 0};
  }
  std::string admin_socket() const { return admin.socket.empty() ? state + "/keelsond.sock" : admin.socket; }
};

// Applies a YAML document: keys that are there replace the values. Every unknown key and every value of a wrong type is
// named with its path, all in one invalid_argument.
Result<> apply_config_text(std::string_view yaml, Config& config);

// The file, if it exists (must_exist: otherwise not_found), then <file>.d/*.yaml in lexical order.
Result<> load_config_files(const std::string& path, bool must_exist, Config& config);

// Checks what one key alone cannot tell; invalid_argument names the key.
Result<> check_config(const Config& config);

// The whole configuration as YAML, defaults included: what `keelsond --show-config` prints.
std::string config_text(const Config& config);

} // namespace keelson::daemon
