#include "cri/server/monitor_launcher.hpp"

#include <future>

namespace keelson::cri {

namespace {

template <class T>
Result<T> run_on(WorkerPool& thread, const std::function<Result<T>()>& work) {
  std::promise<Result<T>> promise;
  auto result = promise.get_future();
  thread.post([&] { promise.set_value(work()); });
  return result.get();
}

} // namespace

Result<std::unique_ptr<MonitorLauncher>> MonitorLauncher::open(const cgroups::Hierarchy& hierarchy,
                                                               const std::string& path) {
  TRY_ASSIGN(cgroups::Group group, cgroups::Group::create(hierarchy, path));
  std::unique_ptr<MonitorLauncher> launcher(new MonitorLauncher(std::move(group)));
  TRY(run_on<void>(launcher->thread_, [&] { return launcher->group_.attach_calling_thread(); }));
  return launcher;
}

Result<Child> MonitorLauncher::spawn(const SpawnOptions& options) {
  SpawnOptions inside = options;
  inside.cgroup_dir = group_.v2_dir();
  return run_on<Child>(thread_, [&] { return keelson::spawn(inside); });
}

} // namespace keelson::cri
