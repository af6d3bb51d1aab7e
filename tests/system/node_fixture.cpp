#include "tests/system/node_fixture.hpp"

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "tests/support/poll_until.hpp"
#include "tests/support/requirements.hpp"

#include <filesystem>

namespace keelson::test {

std::unique_ptr<ImageWorld> NodeTest::shared_images;
std::unique_ptr<Node> NodeTest::shared_node;

// Takes the shared node down before main() ends, while its directories can still be removed.
class WorldEnd final : public testing::Environment {
 public:
  void TearDown() override {
    NodeTest::shared_node.reset();
    NodeTest::shared_images.reset();
  }
};

namespace {

const testing::Environment* const kWorldEnd = testing::AddGlobalTestEnvironment(new WorldEnd);

} // namespace

ContainerLog parse_log(const std::string& raw) {
  ContainerLog log;
  log.raw = raw;
  for (const auto line : split(raw, '\n')) {
    const auto words = split(line, ' ');
    if (words.size() < 4) continue;
    const std::size_t header = words[0].size() + words[1].size() + words[2].size() + 3;
    std::string& into = words[1] == "stderr" ? log.err : log.out;
    into += line.substr(header);
    if (words[2] == "F") into += '\n';
  }
  return log;
}

json::value NodeUser::ok(const std::string& method, const json::object& request) {
  WireReply reply = node_.call(method, request);
  EXPECT_TRUE(reply.ok()) << method << " " << json::to_text(request) << ": code " << reply.code << " " << reply.message;
  return std::move(reply.json);
}

int NodeUser::code(const std::string& method, const json::object& request) {
  const WireReply reply = node_.call(method, request);
  EXPECT_NE(reply.code, -1) << reply.message;
  return reply.code;
}

std::string NodeUser::run_pod(json::object config) {
  const std::string uid = text(config, "/metadata/uid");
  if (!config.contains("log_directory")) config["log_directory"] = log_directory() + "/" + uid;
  const std::string id = text(ok("RunPodSandbox", {{"config", config}}), "/pod_sandbox_id");
  sandbox_configs_[id] = config;
  return id;
}

std::string NodeUser::create(const std::string& pod, const json::object& config) {
  const json::object request{{"pod_sandbox_id", pod}, {"config", config}, {"sandbox_config", sandbox_configs_[pod]}};
  return text(ok("CreateContainer", request), "/container_id");
}

void NodeUser::start(const std::string& container) {
  ok("StartContainer", {{"container_id", container}});
}

std::string NodeUser::run(const std::string& pod, const json::object& config) {
  const std::string id = create(pod, config);
  start(id);
  return id;
}

json::value NodeUser::status(const std::string& container) {
  const json::value reply = ok("ContainerStatus", {{"container_id", container}});
  const json::object* object = reply.if_object();
  return object != nullptr && object->contains("status") ? object->at("status") : json::value{};
}

json::value NodeUser::wait_exited(const std::string& container) {
  json::value last;
  const bool exited = eventually([&] {
    last = status(container);
    return text(last, "/state") == "CONTAINER_EXITED" || last.is_null();
  });
  EXPECT_TRUE(exited) << json::to_text(last);
  return last;
}

std::string NodeUser::output(const std::string& pod, const json::object& config) {
  const std::string id = run(pod, config);
  const json::value end = wait_exited(id);
  const ContainerLog log = log_of(id);
  EXPECT_EQ(number(end, "/exit_code"), 0) << json::to_text(end) << log.out << log.err;
  return log.out;
}

std::string NodeUser::output(const std::string& pod, const std::string& script) {
  return output(pod, container_config(fmt::format("output-{}", ++numbered_), script));
}

ExecResult NodeUser::exec(const std::string& container, const std::vector<std::string>& argv, std::int64_t seconds) {
  const WireReply reply =
      node_.call("ExecSync", {{"container_id", container}, {"cmd", texts(argv)}, {"timeout", seconds}});
  ExecResult result{reply.code, reply.message, -1, {}, {}};
  if (!reply.ok()) return result;
  result.exit_code = number(reply.json, "/exit_code");
  result.out = base64_decode(text(reply.json, "/stdout"));
  result.err = base64_decode(text(reply.json, "/stderr"));
  return result;
}

json::value NodeUser::container_info(const std::string& container) {
  const auto reply = ok("ContainerStatus", {{"container_id", container}, {"verbose", true}});
  return json::parse(text(reply, "/info/info")).value_or(json::value{});
}

json::value NodeUser::pod_info(const std::string& pod) {
  const auto reply = ok("PodSandboxStatus", {{"pod_sandbox_id", pod}, {"verbose", true}});
  return json::parse(text(reply, "/info/info")).value_or(json::value{});
}

pid_t NodeUser::pid_of(const std::string& container) {
  return static_cast<pid_t>(number(container_info(container), "/pid"));
}

std::string NodeUser::cgroup_of(const std::string& container) {
  return text(container_info(container), "/cgroupPath");
}

ContainerLog NodeUser::log_of(const std::string& container) {
  return parse_log(read_file(text(status(container), "/log_path"), std::size_t{64} << 20).value_or(""));
}

bool NodeUser::wait_log(const std::string& container, const std::string& part) {
  return eventually([&] { return log_of(container).out.find(part) != std::string::npos; });
}

std::string NodeUser::pod_ip(const std::string& pod) {
  return text(ok("PodSandboxStatus", {{"pod_sandbox_id", pod}}), "/status/network/ip");
}

void NodeUser::pull(const std::string& image) {
  ok("PullImage", {{"image", {{"image", image}}}});
}

Result<> NodeTest::start_world() {
  if (!shared_images) {
    TRY_ASSIGN(shared_images, ImageWorld::start());
  }
  return {};
}

void NodeTest::SetUp() {
  KEELSON_REQUIRE(in_own_namespaces, "needs root: unshare(CLONE_NEWNET | CLONE_NEWNS)");
  KEELSON_REQUIRE(has_program("runc") && has_program("iptables-restore") && has_program("docker-registry"),
                  "runc, iptables and docker-registry must be installed");
  const auto world = start_world();
  ASSERT_TRUE(world) << world.error().message;
  if (!shared_node || shared_node->pid() == 0) {
    shared_node = std::make_unique<Node>();
    const auto introduced = shared_images->introduce(*shared_node);
    ASSERT_TRUE(introduced) << introduced.error().message;
    const auto started = shared_node->start();
    const std::string why = started ? "" : started.error().message;
    if (!started) shared_node.reset();
    ASSERT_TRUE(shared_node) << why;
    NodeUser user(*shared_node);
    for (const char* image : {kBusybox, kConfigured}) user.pull(image);
  }
  user_ = std::make_unique<NodeUser>(*shared_node);
}

void NodeTest::TearDown() {
  if (!user_) return;
  node().remove_all();
  EXPECT_EQ(join(node().remains(), "\n"), "");
  if (HasFailure()) std::printf("keelsond's log:\n%s\n", node().log().substr(0, 20000).c_str());
}

void OwnNodeTest::SetUp() {
  KEELSON_REQUIRE(in_own_namespaces, "needs root: unshare(CLONE_NEWNET | CLONE_NEWNS)");
  KEELSON_REQUIRE(has_program("runc") && has_program("iptables-restore") && has_program("docker-registry"),
                  "runc, iptables and docker-registry must be installed");
  const auto world = start_world();
  ASSERT_TRUE(world) << world.error().message;
}

void OwnNodeTest::start_node(NodeOptions options) {
  own_ = std::make_unique<Node>(std::move(options));
  ASSERT_TRUE(images().introduce(*own_));
  const auto started = own_->start();
  ASSERT_TRUE(started) << started.error().message;
  user_ = std::make_unique<NodeUser>(*own_);
  user_->pull(kBusybox);
}

void OwnNodeTest::TearDown() {
  if (!own_) return;
  if (own_->pid() != 0) {
    own_->remove_all();
    EXPECT_EQ(join(own_->remains(), "\n"), "");
  }
  if (HasFailure()) std::printf("keelsond's log:\n%s\n", own_->log().c_str());
  own_.reset();
}

std::string proc_status(pid_t pid, const std::string& key) {
  const std::string status = read_file(fmt::format("/proc/{}/status", pid)).value_or("");
  for (const auto line : split(status, '\n'))
    if (line.starts_with(key + ":")) return std::string(trim(line.substr(key.size() + 1)));
  return "<absent>";
}

std::string link_of(pid_t pid, const std::string& name) {
  std::error_code error;
  const auto target = std::filesystem::read_symlink(fmt::format("/proc/{}/{}", pid, name), error);
  return error ? "<" + error.message() + ">" : target.string();
}

std::string content(const std::string& path) {
  const auto read = read_file(path);
  return read ? std::string(trim(*read)) : "<" + read.error().message + ">";
}

bool eventually(const std::function<bool()>& predicate, std::chrono::seconds patience) {
  return poll_until(Deadline::after(patience), predicate);
}

} // namespace keelson::test
