// Tests that share one node and one registry. Each test removes its pods; after each, nothing of them may be left.
#pragma once

#include "tests/system/images.hpp"
#include "tests/system/node.hpp"
#include "tests/system/requests.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace keelson::test {

struct ExecResult {
  int code = 0; // of gRPC
  std::string message;
  std::int64_t exit_code = -1;
  std::string out;
  std::string err;
};

// The text of a CRI log, per stream.
struct ContainerLog {
  std::string out;
  std::string err;
  std::string raw;
};
ContainerLog parse_log(const std::string& raw);

// What the tests ask of a node, in short words. A call that fails fails the test.
class NodeUser {
 public:
  explicit NodeUser(Node& node)
      : node_(node) {}

  boost::json::value ok(const std::string& method, const boost::json::object& request = {});
  int code(const std::string& method, const boost::json::object& request); // the gRPC code

  std::string run_pod(boost::json::object config); // gets a log directory of the node's
  std::string run_pod(const std::string& name) { return run_pod(pod_config(name)); }
  std::string create(const std::string& pod, const boost::json::object& config);
  void start(const std::string& container);
  std::string run(const std::string& pod, const boost::json::object& config); // create and start
  std::string run(const std::string& pod, const std::string& name, const std::string& script) {
    return run(pod, container_config(name, script));
  }
  boost::json::value status(const std::string& container);      // ContainerStatus
  boost::json::value wait_exited(const std::string& container); // its status then
  // Runs the container to its end; its standard output. The exit code must be 0.
  std::string output(const std::string& pod, const boost::json::object& config);
  std::string output(const std::string& pod, const std::string& script);
  ExecResult exec(const std::string& container, const std::vector<std::string>& argv, std::int64_t seconds = 20);
  ExecResult exec_shell(const std::string& container, const std::string& script) {
    return exec(container, {"/bin/sh", "-c", script});
  }

  boost::json::value container_info(const std::string& container); // the verbose "info", parsed
  boost::json::value pod_info(const std::string& pod);
  pid_t pid_of(const std::string& container);
  std::string cgroup_of(const std::string& container); // path below the mounts
  ContainerLog log_of(const std::string& container);
  bool wait_log(const std::string& container, const std::string& part); // until its standard output holds it
  std::string pod_ip(const std::string& pod);
  std::string log_directory() const { return node_.dir() + "/logs"; }

  void pull(const std::string& image);

 private:
  Node& node_;
  int numbered_ = 0; // containers of output()
  std::map<std::string, boost::json::value> sandbox_configs_;
};

class NodeTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  Node& node() { return *shared_node; }
  NodeUser& use() { return *user_; }
  static ImageWorld& images() { return *shared_images; }
  static Result<> start_world(); // once; the registry for tests with nodes of their own too

 private:
  friend class WorldEnd;
  std::unique_ptr<NodeUser> user_;
  static std::unique_ptr<ImageWorld> shared_images;
  static std::unique_ptr<Node> shared_node;
};

// A test with a node of its own, which it may kill and break.
class OwnNodeTest : public NodeTest {
 protected:
  void SetUp() override;
  void TearDown() override;
  // Starts a node and pulls the image.
  void start_node(NodeOptions options = {});

  std::unique_ptr<Node> own_;
  std::unique_ptr<NodeUser> user_;
};

std::string proc_status(pid_t pid, const std::string& key); // a line of /proc/PID/status: "CapEff" -> "00..."
std::string link_of(pid_t pid, const std::string& name);    // readlink /proc/PID/<name>
std::string content(const std::string& path);               // of a file, trimmed; "<reason>" if it cannot be read
bool eventually(const std::function<bool()>& predicate, std::chrono::seconds patience = std::chrono::seconds(20));

} // namespace keelson::test
