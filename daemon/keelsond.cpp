// The daemon's main program: configuration, signals, service manager, and the loop.
#include "base/log.hpp"
#include "base/loop.hpp"
#include "base/process.hpp"
#include "config.h"
#include "daemon/command_line.hpp"
#include "daemon/node.hpp"
#include "daemon/service_manager.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <stop_token>
#include <thread>

namespace keelson::daemon {

namespace {

log::Level log_level(const std::string& name) {
  if (name == "debug") return log::Level::debug;
  if (name == "warning") return log::Level::warning;
  if (name == "error") return log::Level::error;
  return log::Level::info;
}

sigset_t termination_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  return signals;
}

// Blocks until the daemon is told to end. SIGHUP is reserved for a reload and only noted.
void await_termination(const sigset_t& signals) {
  for (;;) {
    siginfo_t info{};
    const int signal = ::sigwaitinfo(&signals, &info);
    if (signal < 0) continue;
    if (signal == SIGHUP) {
      log::info("SIGHUP: the configuration is read at start only; manifests are watched");
      continue;
    }
    log::info("signal {}: ending; pods run on", signal);
    return;
  }
}

// A call may wait for a pod's grace period, or for a command without end. The daemon's end does not wait with it: to be
// ended at any moment loses nothing.
class PatientEnd {
 public:
  PatientEnd()
      : thread_([this](const std::stop_token& ended) {
        std::unique_lock lock(mutex_);
        if (changed_.wait_for(lock, ended, kPatience, [&ended] { return ended.stop_requested(); })) return;
        log::warning("calls are still under way after {} s: ending without them", kPatience.count());
        ::_exit(0);
      }) {}

 private:
  static constexpr std::chrono::seconds kPatience{10};
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::jthread thread_; // last: it uses the others
};

// Starts the node, or cleans up after it; the exit status.
int run(const Config& config, bool clean_up) {
  // Blocked before any thread exists, so that every thread inherits it and only sigwaitinfo takes them.
  const sigset_t signals = termination_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(022);
  if (const auto raised = raise_open_file_limit(); !raised) log::warning("{}", raised.error().message);
  ServiceManager service_manager = ServiceManager::take_from_environment();
  Loop loop;
  std::thread loop_thread([&loop] { loop.run(); });
  int status = 0;
  if (clean_up) {
    if (const auto done = Node::clean_up(config, loop); !done) {
      log::error("cannot clean up: {}", done.error().message);
      status = 1;
    }
  } else if (auto node = Node::start(config, loop)) {
    service_manager.ready(loop);
    log::info("keelsond {} is ready", KEELSON_VERSION);
    await_termination(signals);
    service_manager.stopping(loop);
    const PatientEnd patience;
    node->reset();
  } else {
    log::error("cannot start: {}", node.error().message);
    status = 1;
  }
  loop.stop();
  loop_thread.join();
  return status;
}

int main(int argc, char** argv) {
  const auto line = parse_command_line(argc, argv);
  if (!line) {
    std::fprintf(stderr, "keelsond: %s\n", line.error().message.c_str());
    return 2;
  }
  if (line->exit_status) return *line->exit_status;
  if (line->show_config) std::fputs(config_text(line->config).c_str(), stdout);
  if (line->show_config || line->check_only) return 0;
  log::configure({log_level(line->config.log.level), line->config.log.format == "json"});
  if (::geteuid() != 0) {
    log::error("keelsond needs root: it makes namespaces, mounts and cgroups");
    return 1;
  }
  return run(line->config, line->clean_up);
}

} // namespace

} // namespace keelson::daemon

int main(int argc, char** argv) {
  return keelson::daemon::main(argc, argv);
}
