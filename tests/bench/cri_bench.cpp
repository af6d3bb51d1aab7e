// cri-bench: the same pod life against any list of CRI sockets, in one run, so that the ratios mean something. See
// --help.
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/process.hpp"
#include "tests/bench/cri_target.hpp"
#include "tests/bench/process_usage.hpp"

#include <CLI/CLI.hpp>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace keelson::bench {

namespace {

struct Options {
  std::vector<std::string> sockets;   // NAME=SOCKET; the first one is what the others are compared with
  std::vector<std::string> processes; // NAME=TEXT of the command lines of its processes
  std::string image;
  std::string work = "/tmp/cri-bench";
  std::string cgroup_parent = "/cri-bench";
  unsigned pods = 30;
  unsigned parallel = 8;
  std::vector<unsigned> densities = {1, 10, 50, 100};
  unsigned settle_seconds = 10;
  std::string runc; // compare with this program alone; empty: not
};

struct Row {
  const char* title;
  double (*value)(const PodTimes&);
};

constexpr Row kRows[] = {
    {"RunPodSandbox", [](const PodTimes& t) { return t.run_sandbox.count(); }},
    {"CreateContainer", [](const PodTimes& t) { return t.create_container.count(); }},
    {"StartContainer", [](const PodTimes& t) { return t.start_container.count(); }},
    {"Create + Start", [](const PodTimes& t) { return (t.create_container + t.start_container).count(); }},
    {"StopPodSandbox", [](const PodTimes& t) { return t.stop_sandbox.count(); }},
    {"RemovePodSandbox", [](const PodTimes& t) { return t.remove_sandbox.count(); }},
    {"Stop + Remove", [](const PodTimes& t) { return (t.stop_sandbox + t.remove_sandbox).count(); }},
};

double percentile(std::vector<double> values, double p) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(p * static_cast<double>(values.size() - 1) + 0.5);
  return values[rank];
}

class Bench {
 public:
  explicit Bench(Options options)
      : options_(std::move(options)) {}

  Result<> run() {
    TRY(connect());
    TRY(sequential());
    if (options_.parallel > 1) TRY(parallel());
    return density();
  }

 private:
  Workload workload(const CriTarget& target) const {
    return {options_.image, options_.work + "/logs-" + target.name(), options_.cgroup_parent + "-" + target.name()};
  }

  Result<> connect() {
    for (const std::string& entry : options_.sockets) {
      const std::size_t equals = entry.find('=');
      if (equals == std::string::npos) return fail(Code::invalid_argument, "{}: give NAME=SOCKET", entry);
      TRY_ASSIGN(auto target, CriTarget::connect(entry.substr(0, equals), entry.substr(equals + 1)));
      TRY_ASSIGN(const std::string version, target->version());
      std::printf("%-12s %s\n", target->name().c_str(), version.c_str());
      TRY(target->pull(options_.image));
      targets_.push_back(std::move(target));
    }
    return {};
  }

  // The first move of a process between cgroups waits for an RCU grace period, 10 ms and more, those soon after it do
  // not: what is measured may not gain from the one before it.
  static void let_the_kernel_rest() { ::poll(nullptr, 0, 100); }

  // One pod of each target and one bare container after the other, so that a noisy moment hits all alike.
  Result<> sequential() {
    std::vector<std::vector<PodTimes>> times(targets_.size());
    std::vector<std::pair<Duration, Duration>> bare;
    CriTarget& first = *targets_.front();
    std::optional<Pod> pattern; // what the bare containers copy; their root file system is its
    std::string spec;
    if (!options_.runc.empty()) {
      TRY_ASSIGN(pattern, first.start_pod(workload(first), "bare"));
      TRY_ASSIGN(spec, first.runtime_spec(pattern->container_id));
    }
    for (unsigned i = 0; i < options_.pods + 2; ++i) {
      for (std::size_t t = 0; t < targets_.size(); ++t) {
        let_the_kernel_rest();
        TRY_ASSIGN(Pod pod, targets_[t]->start_pod(workload(*targets_[t]), fmt::format("seq-{}", i)));
        TRY(targets_[t]->end_pod(pod));
        if (i >= 2) times[t].push_back(pod.times); // the first two warm caches up
      }
      if (!pattern) continue;
      let_the_kernel_rest();
      TRY_ASSIGN(const auto took, run_bare(spec, fmt::format("bare-{}", i)));
      if (i >= 2) bare.push_back(took);
    }
    if (pattern) TRY(first.end_pod(*pattern));
    std::printf("\nOne pod after the other, %u pods each, milliseconds\n\n", options_.pods);
    print_times(times);
    if (pattern) print_bare(bare, times.front());
    return {};
  }

  void print_bare(const std::vector<std::pair<Duration, Duration>>& bare, const std::vector<PodTimes>& times) const {
    std::vector<double> create;
    std::vector<double> start;
    std::vector<double> both;
    std::vector<double> ours;
    for (const auto& [created, started] : bare) {
      create.push_back(created.count());
      start.push_back(started.count());
      both.push_back((created + started).count());
    }
    for (const PodTimes& t : times) ours.push_back((t.create_container + t.start_container).count());
    std::printf("\nThe runtime alone, same spec: %s create %.1f ms + start %.1f ms; both, median %.1f ms, p90 %.1f ms, "
                "p99 %.1f ms\n",
                options_.runc.c_str(), percentile(create, 0.5), percentile(start, 0.5), percentile(both, 0.5),
                percentile(both, 0.9), percentile(both, 0.99));
    std::printf("%s Create + Start is %.2f times that\n", targets_.front()->name().c_str(),
                percentile(ours, 0.5) / percentile(both, 0.5));
  }

  Result<std::pair<Duration, Duration>> run_bare(const std::string& spec_text, const std::string& id) const {
    const std::string bundle = options_.work + "/" + id;
    TRY(make_dirs(bundle, 0700));
    TRY_ASSIGN(json::value spec, json::parse(spec_text));
    spec.at("linux").as_object()["cgroupsPath"] = options_.cgroup_parent + "-bare/" + id;
    TRY(write_file_atomic(bundle + "/config.json", json::to_text(spec)));
    const std::string root = options_.work + "/runtime";
    const auto begin = std::chrono::steady_clock::now();
    TRY(run_quietly({options_.runc, "--root", root, "create", "--bundle", bundle, id}));
    const auto created = std::chrono::steady_clock::now();
    TRY(run_quietly({options_.runc, "--root", root, "start", id}));
    const auto started = std::chrono::steady_clock::now();
    TRY(run_quietly({options_.runc, "--root", root, "delete", "--force", id}));
    TRY(remove_tree(bundle));
    return std::pair<Duration, Duration>(created - begin, started - created);
  }

  // The container inherits the streams: they must not be pipes that somebody waits for.
  static Result<> run_quietly(std::vector<std::string> argv) {
    SpawnOptions options;
    options.argv = std::move(argv);
    TRY_ASSIGN(Child child, spawn(options));
    TRY_ASSIGN(const ExitStatus status, child.wait(Deadline::after(std::chrono::minutes(1))));
    if (!status.success()) return fail(Code::internal, "{}: status {}", options.argv.front(), status.code());
    return {};
  }

  Result<> parallel() {
    std::vector<std::vector<PodTimes>> times(targets_.size());
    std::vector<double> seconds(targets_.size());
    for (std::size_t t = 0; t < targets_.size(); ++t) {
      const auto begin = std::chrono::steady_clock::now();
      TRY_ASSIGN(times[t], run_parallel(*targets_[t]));
      seconds[t] = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    std::printf("\n%u pods, %u at a time, milliseconds\n\n", options_.pods, options_.parallel);
    print_times(times);
    for (std::size_t t = 0; t < targets_.size(); ++t)
      std::printf("%-12s %.1f pods/s started and ended\n", targets_[t]->name().c_str(), options_.pods / seconds[t]);
    return {};
  }

  Result<std::vector<PodTimes>> run_parallel(CriTarget& target) const {
    std::mutex mutex; // guards times, first_error
    std::vector<PodTimes> times;
    Result<> first_error;
    std::atomic<unsigned> next = 0;
    const auto work = [&] {
      for (unsigned i = next++; i < options_.pods; i = next++) {
        auto pod = target.start_pod(workload(target), fmt::format("par-{}", i));
        const Result<> ended = pod ? target.end_pod(*pod) : Result<>(Fail(pod.error()));
        const std::lock_guard lock(mutex);
        if (!ended)
          first_error = ended;
        else
          times.push_back(pod->times);
      }
    };
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < options_.parallel; ++i) threads.emplace_back(work);
    for (std::thread& thread : threads) thread.join();
    TRY(first_error);
    return times;
  }

  // Memory and idle CPU while so many pods run.
  Result<> density() {
    if (options_.densities.empty() || options_.processes.empty()) return {};
    std::printf("\nWhile pods run: processes, PSS of all of them, CPU over %u s without any call\n\n",
                options_.settle_seconds);
    std::printf("| runtime | pods | processes | PSS MB | CPU %% |\n| --- | ---: | ---: | ---: | ---: |\n");
    for (const std::string& entry : options_.processes) {
      const std::size_t equals = entry.find('=');
      const std::string name = entry.substr(0, equals);
      const auto target = std::find_if(targets_.begin(), targets_.end(),
                                       [&](const auto& candidate) { return candidate->name() == name; });
      if (equals == std::string::npos || target == targets_.end())
        return fail(Code::invalid_argument, "--processes {}: give the NAME of a socket, =, and a text", entry);
      TRY(measure_density(**target, entry.substr(equals + 1)));
    }
    return {};
  }

  Result<> measure_density(CriTarget& target, const std::string& command_line_part) const {
    std::vector<Pod> pods;
    for (const unsigned wanted : options_.densities) {
      while (pods.size() < wanted) {
        TRY_ASSIGN(Pod pod, target.start_pod(workload(target), fmt::format("dense-{}", pods.size())));
        pods.push_back(std::move(pod));
      }
      TRY_ASSIGN(const ProcessUsage before, usage_of(command_line_part));
      ::poll(nullptr, 0, static_cast<int>(options_.settle_seconds * 1000)); // the interval that is measured
      TRY_ASSIGN(const ProcessUsage after, usage_of(command_line_part));
      std::printf("| %s | %u | %u | %.1f | %.2f |\n", target.name().c_str(), wanted, after.processes,
                  static_cast<double>(after.pss_kib) / 1024.0,
                  100.0 * (after.cpu - before.cpu).count() / options_.settle_seconds);
      std::fflush(stdout);
    }
    for (Pod& pod : pods) TRY(target.end_pod(pod));
    return {};
  }

  void print_times(const std::vector<std::vector<PodTimes>>& times) const {
    std::printf("| call |");
    for (const auto& target : targets_) std::printf(" %s median | p90 | p99 |", target->name().c_str());
    for (std::size_t t = 1; t < targets_.size(); ++t)
      std::printf(" %s : %s |", targets_[t]->name().c_str(), targets_[0]->name().c_str());
    std::printf("\n| --- |");
    for (std::size_t column = 0; column < targets_.size() * 4 - 1; ++column) std::printf(" ---: |");
    std::printf("\n");
    for (const Row& row : kRows) {
      std::printf("| %s |", row.title);
      std::vector<double> medians;
      for (const auto& target_times : times) {
        std::vector<double> values;
        for (const PodTimes& pod : target_times) values.push_back(row.value(pod));
        medians.push_back(percentile(values, 0.5));
        std::printf(" %.1f | %.1f | %.1f |", medians.back(), percentile(values, 0.9), percentile(values, 0.99));
      }
      for (std::size_t t = 1; t < medians.size(); ++t) std::printf(" %.1f× |", medians[t] / medians[0]);
      std::printf("\n");
    }
    std::fflush(stdout);
  }

  Options options_;
  std::vector<std::unique_ptr<CriTarget>> targets_;
};

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Runs the same pod life against CRI sockets and compares them.", "cri-bench"};
  app.add_option("--target", options.sockets, "NAME=SOCKET, once for each; ratios are against the first")->required();
  app.add_option("--processes", options.processes, "NAME=TEXT: text in the command lines of the target's processes");
  app.add_option("--image", options.image, "image of the containers; needs sh and sleep")->required();
  app.add_option("--work", options.work, "directory for logs and bundles [/tmp/cri-bench]");
  app.add_option("--cgroup-parent", options.cgroup_parent, "prefix of the pods' cgroups [/cri-bench]");
  app.add_option("--pods", options.pods, "pods of each measurement [30]");
  app.add_option("--parallel", options.parallel, "pods at a time in the parallel part; 0: leave it out [8]");
  app.add_option("--density", options.densities, "numbers of pods for memory and CPU [1 10 50 100]");
  app.add_option("--settle", options.settle_seconds, "seconds over which idle CPU is measured [10]");
  app.add_option("--runc", options.runc, "measure this OCI runtime alone with the first target's spec, too");
  CLI11_PARSE(app, argc, argv);
  if (const auto done = Bench(std::move(options)).run(); !done) {
    std::fprintf(stderr, "cri-bench: %s\n", done.error().message.c_str());
    return 1;
  }
  return 0;
}

} // namespace

} // namespace keelson::bench

int main(int argc, char** argv) {
  return keelson::bench::main(argc, argv);
}
