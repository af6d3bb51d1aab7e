#include "tests/support/test_registry.hpp"

#include "base/file.hpp"
#include "base/namespace_thread.hpp"
#include "base/random.hpp"
#include "tests/support/poll_until.hpp"

#include <arpa/inet.h>
#include <crypt.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <csignal>
#include <memory>

namespace keelson::test {

namespace {

Result<sockaddr_in> socket_address(const std::string& address, int port) {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::inet_pton(AF_INET, address.c_str(), &where.sin_addr) != 1)
    return fail(Code::invalid_argument, "\"{}\" is no IPv4 address", address);
  return where;
}

Result<int> free_port(const std::string& address) {
  TRY_ASSIGN(auto where, socket_address(address, 0));
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  socklen_t size = sizeof where;
  auto* raw = reinterpret_cast<sockaddr*>(&where);
  if (!socket || ::bind(socket.get(), raw, size) != 0 || ::getsockname(socket.get(), raw, &size) != 0)
    return fail_errno(errno, "find a free port on {}", address);
  return ntohs(where.sin_port);
}

bool answers(const std::string& address, int port) {
  auto where = socket_address(address, port);
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return where && ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*where), sizeof *where) == 0;
}

// Runs work in the registry's network namespace, or right here when it has none of its own.
Result<> in_namespace(int net_namespace, const std::function<Result<>()>& work) {
  return net_namespace < 0 ? work() : run_in_net_namespace(net_namespace, work);
}

} // namespace

TestRegistry::TestRegistry(TestRegistryOptions options)
    : options_(std::move(options)) {}

TestRegistry::~TestRegistry() {
  (void)stop().has_value();
}

std::string TestRegistry::host() const {
  return fmt::format("{}:{}", options_.address, port_);
}
std::string TestRegistry::url() const {
  return "http://" + host();
}
std::string TestRegistry::log() const {
  return read_file(dir_ / "log", std::size_t{64} << 20).value_or("");
}

std::string TestRegistry::blob_path(const std::string& digest) const {
  const auto hex = digest.substr(digest.find(':') + 1);
  return dir_ / ("data/docker/registry/v2/blobs/sha256/" + hex.substr(0, 2) + "/" + hex + "/data");
}

Result<std::unique_ptr<TestRegistry>> TestRegistry::start(TestRegistryOptions options) {
  std::unique_ptr<TestRegistry> registry(new TestRegistry(std::move(options)));
  // Between the choice of a free port and its use another program may take it: then another port is tried.
  for (int attempt = 1;; ++attempt) {
    TRY(in_namespace(registry->options_.net_namespace, [&]() -> Result<> {
      TRY_ASSIGN(registry->port_, free_port(registry->options_.address));
      return {};
    }));
    TRY(registry->write_config());
    auto launched = registry->launch();
    if (launched) return registry;
    if (attempt == 3) return Fail(std::move(launched).error());
  }
}

Result<> TestRegistry::write_config() {
  std::string config = fmt::format("version: 0.1\n"
                                   "log: {{level: info, accesslog: {{disabled: false}}}}\n"
                                   "storage:\n"
                                   "  filesystem: {{rootdirectory: {}}}\n"
                                   "  delete: {{enabled: true}}\n"
                                   "http: {{addr: '{}', secret: {}}}\n",
                                   dir_ / "data", host(), random_hex(16));
  if (!options_.user.empty()) {
    // docker-registry accepts bcrypt only.
    crypt_data state{};
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    const std::string random = random_hex(16);
    const char* hash = nullptr;
    if (::crypt_gensalt_rn("$2b$", 4, random.data(), static_cast<int>(random.size()), setting, sizeof setting) !=
        nullptr)
      hash = ::crypt_r(options_.password.c_str(), setting, &state);
    if (hash == nullptr || *hash == '*') return fail_errno(errno, "hash the registry's password with bcrypt");
    TRY(write_file_atomic(dir_ / "htpasswd", options_.user + ":" + hash + "\n"));
    config += fmt::format("auth:\n  htpasswd: {{realm: keelson-test, path: {}}}\n", dir_ / "htpasswd");
  }
  return write_file_atomic(dir_ / "config.yml", config);
}

Result<> TestRegistry::launch() {
  TRY_ASSIGN(const auto log_file, open_at(AT_FDCWD, dir_ / "log", O_WRONLY | O_CREAT | O_APPEND, 0600));
  SpawnOptions options;
  options.argv = {"docker-registry", "serve", dir_ / "config.yml"};
  options.env = std::vector<std::string>{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "OTEL_TRACES_EXPORTER=none"};
  options.stdout_fd = log_file.get();
  options.stderr_fd = log_file.get();
  options.net_namespace = options_.net_namespace;
  options.die_with_parent = true;
  TRY_ASSIGN(auto child, spawn(options));
  child_ = std::move(child);
  bool up = false;
  bool died = false;
  TRY(in_namespace(options_.net_namespace, [&]() -> Result<> {
    up = poll_until(Deadline::after(std::chrono::seconds(30)), [&] {
      died = child_->wait(Deadline::after(std::chrono::nanoseconds(0))).has_value();
      return died || answers(options_.address, port_);
    });
    return {};
  }));
  if (died) child_.reset();
  if (up && !died) return {};
  const auto why = log();
  (void)stop().has_value();
  return fail(Code::unavailable, "docker-registry does not serve on {}: {}", host(), why);
}

Result<> TestRegistry::stop() {
  if (!child_) return {};
  Child child = std::move(*child_);
  child_.reset();
  TRY(child.kill(SIGKILL));
  TRY(child.wait(Deadline::after(std::chrono::seconds(10))));
  return {};
}

Result<> TestRegistry::restart() {
  TRY(stop());
  return launch();
}

} // namespace keelson::test
