#include "daemon/pods/manifest_watch.hpp"

#include "api/decode.hpp"
#include "base/file.hpp"
#include "base/log.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <set>

namespace keelson::daemon {

namespace {

constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ATTRIB |
                                  IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::chrono::seconds kRewatchDelay{2};
// Between an event and the look: editors write a temporary file beside the manifest and rename it at once.
constexpr std::chrono::milliseconds kSettleTime{25};

bool is_manifest_name(const std::string& name) {
  return !name.empty() && name.front() != '.' && name.back() != '~';
}

bool is_regular(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

} // namespace

struct ManifestWatch::State : std::enable_shared_from_this<State> {
  State(std::string directory, std::string node_name, Loop& the_loop, WorkerPool& the_pool, Listener the_listener)
      : dir(std::move(directory))
      , loop(the_loop)
      , pool(the_pool)
      , listener(std::move(the_listener))
      , set(std::move(node_name)) {}

  const std::string dir;
  Loop& loop;
  WorkerPool& pool;
  const Listener listener;
  UniqueFd inotify;

  std::mutex mutex; // guards what follows
  Loop::Id watch_id = 0;
  Loop::Id timer = 0;
  bool watching = false; // the directory itself
  bool scan_due = false; // a timer or a worker has it
  bool ended = false;

  std::mutex scan_mutex; // keeps scans apart, guards set and the listener's calls
  ManifestSet set;
  std::set<std::string> unreadable; // already reported
  bool missing = false;
  bool begun = false; // the directory was read at least once

  Result<> open() {
    inotify = UniqueFd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!inotify) return fail_errno(errno, "inotify");
    TRY(watch_directory());
    const std::weak_ptr<State> weak = weak_from_this();
    TRY_ASSIGN(const Loop::Id id, loop.watch(inotify.get(), Loop::Wait::readable, [weak] {
      if (const auto self = weak.lock()) self->drain();
    }));
    const std::lock_guard lock(mutex);
    watch_id = id;
    return {};
  }

  Result<> watch_directory() {
    if (::inotify_add_watch(inotify.get(), dir.c_str(), kEvents) < 0) return fail_errno(errno, "watch {}", dir);
    const std::lock_guard lock(mutex);
    watching = true;
    return {};
  }

  // On the loop's thread. Every event leads to one look at the whole directory: it is small, and then no event can be
  // missed or misread.
  void drain() {
    alignas(inotify_event) char buffer[16384];
    bool lost = false;
    for (;;) {
      const ssize_t size = ::read(inotify.get(), buffer, sizeof buffer);
      if (size <= 0) break;
      for (ssize_t at = 0; at < size;) {
        inotify_event event{};
        std::copy_n(buffer + at, sizeof event, reinterpret_cast<char*>(&event));
        if ((event.mask & (IN_IGNORED | IN_MOVE_SELF | IN_DELETE_SELF)) != 0) lost = true;
        at += static_cast<ssize_t>(sizeof event + event.len);
      }
    }
    if (lost) {
      const std::lock_guard lock(mutex);
      watching = false;
    }
    scan_after(kSettleTime);
  }

  void scan_after(std::chrono::nanoseconds delay) {
    const std::lock_guard lock(mutex);
    if (scan_due || ended) return;
    scan_due = true;
    timer = loop.run_after(delay, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->post_scan();
    });
  }

  void post_scan() {
    const std::lock_guard lock(mutex);
    if (ended) return;
    pool.post([self = shared_from_this()] { self->scan(); });
  }

  bool ensure_watched() {
    {
      const std::lock_guard lock(mutex);
      if (watching) return true;
    }
    if (watch_directory()) return true;
    scan_after(kRewatchDelay);
    return false;
  }

  void scan() {
    const std::lock_guard scanning(scan_mutex);
    {
      const std::lock_guard lock(mutex);
      scan_due = false;
      if (ended) return;
    }
    const bool watched = ensure_watched();
    const auto names = list_dir(dir);
    if (!watched || !names) {
      if (!missing && begun) log::error("the manifest directory {} is gone: its pods run on; make it again", dir);
      missing = true;
      return;
    }
    missing = false;
    begun = true;
    read_files(*names);
    std::vector<ManifestProblem> conflicts;
    std::vector<Manifest> pods = set.pods(conflicts);
    for (const ManifestProblem& problem : conflicts) listener.on_problem(problem);
    listener.on_pods(std::move(pods));
  }

  void read_files(const std::vector<std::string>& names) {
    std::set<std::string> present;
    for (const std::string& name : names) {
      const std::string path = dir + "/" + name;
      if (!is_manifest_name(name) || !is_regular(path)) continue;
      present.insert(path);
      const auto text = read_file(path, api::kMaxManifestSize);
      if (!text) {
        if (text.error().code == Code::not_found)
          present.erase(path); // removed since it was listed
        else if (unreadable.insert(path).second)
          listener.on_problem({path, {}, text.error().message});
        continue;
      }
      unreadable.erase(path);
      for (const ManifestProblem& problem : set.put(path, *text)) listener.on_problem(problem);
    }
    for (const std::string& file : set.files())
      if (!present.contains(file)) set.remove(file);
  }

  void end() {
    Loop::Id id = 0;
    {
      const std::lock_guard lock(mutex);
      ended = true;
      id = watch_id;
      if (timer != 0) loop.cancel_timer(timer);
    }
    if (id != 0) loop.unwatch(id);
    const std::lock_guard scanning(scan_mutex); // a scan under way ends
  }
};

ManifestWatch::ManifestWatch(std::shared_ptr<State> state)
    : state_(std::move(state)) {}

ManifestWatch::~ManifestWatch() {
  state_->end();
}

Result<std::unique_ptr<ManifestWatch>> ManifestWatch::start(std::string dir, std::string node_name, Loop& loop,
                                                            WorkerPool& pool, Listener listener) {
  TRY_CONTEXT(make_dirs(dir, 0755), "manifest directory");
  auto state = std::make_shared<State>(std::move(dir), std::move(node_name), loop, pool, std::move(listener));
  std::unique_ptr<ManifestWatch> watch(new ManifestWatch(state));
  TRY_CONTEXT(state->open(), "manifest directory");
  state->scan();
  // Without a first look nobody knows which pods are wanted.
  if (!state->begun) return fail(Code::unavailable, "manifest directory {}: it cannot be read", state->dir);
  return watch;
}

} // namespace keelson::daemon
