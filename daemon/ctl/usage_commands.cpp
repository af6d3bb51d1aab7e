#include "daemon/ctl/commands.hpp"
#include "daemon/ctl/display.hpp"
#include "daemon/ctl/fields.hpp"
#include "daemon/ctl/node_objects.hpp"
#include "daemon/ctl/terminal.hpp"
#include "daemon/ctl/usage_view.hpp"

#include <algorithm>
#include <thread>

namespace keelson::daemon::ctl {

namespace {

// Long enough for a rate that means something, short enough to wait for.
constexpr std::chrono::milliseconds kFirstInterval{500};

UsageOrder order_named(const std::string& name) {
  if (name == "name") return UsageOrder::name;
  return name == "memory" ? UsageOrder::memory : UsageOrder::cpu;
}

std::chrono::milliseconds interval_of(const UsageArguments& arguments) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::clamp(arguments.interval, 0.2, 3600.0) * 1000));
}

std::string totals(const std::vector<PodUsage>& usage) {
  double all_cores = 0;
  std::uint64_t memory = 0;
  std::size_t containers = 0;
  for (const PodUsage& pod : usage) {
    all_cores += pod.pod.cores.value_or(0);
    memory += pod.pod.working_set;
    containers += pod.containers.size();
  }
  return fmt::format("{} pods, {} containers   {} cores in use   {} memory in use", usage.size(), containers,
                     cores(all_cores), binary_bytes(memory));
}

// Everything that top needs to know between two pictures.
class Top {
 public:
  Top(const Client& client, const UsageArguments& arguments, std::string node)
      : client_(client)
      , order_(order_named(arguments.sort))
      , containers_(!arguments.pods_only)
      , node_(std::move(node)) {}

  Result<> read() {
    TRY_ASSIGN(json::array now, list_items(client_, "/v1/stats"));
    usage_ = usage_between(last_, now);
    last_ = std::move(now);
    return {};
  }

  // False: the key ends the program.
  bool press(char key) {
    if (key == 'c') order_ = UsageOrder::cpu;
    if (key == 'm') order_ = UsageOrder::memory;
    if (key == 'n') order_ = UsageOrder::name;
    if (key == 'p') containers_ = !containers_;
    return key != 'q' && key != 'Q' && key != '\x03';
  }

  std::string picture(const TableOptions& options, bool keys) {
    sort_usage(usage_, order_);
    std::string out = paint(node_, Tone::strong, options.colour) + "   " +
                      fit(totals(usage_), options.width == 0 ? 200 : options.width) + "\n";
    if (keys)
      out += paint("q quit   c by cpu   m by memory   n by name   p containers", Tone::dim, options.colour) + "\n";
    return out + "\n" + usage_table(usage_, containers_).render(options);
  }

 private:
  const Client& client_;
  UsageOrder order_;
  bool containers_;
  std::string node_;
  json::array last_;
  std::vector<PodUsage> usage_;
};

Result<int> top_live(Top& top, std::chrono::milliseconds interval) {
  Screen screen;
  std::chrono::milliseconds wait = std::min(interval, kFirstInterval);
  for (;;) {
    // The daemon may be restarted meanwhile: the last picture stays, with a line that says so.
    const auto read = top.read();
    std::string picture = top.picture(table_options(), true);
    if (!read) picture += "\n" + paint(read.error().message, Tone::bad, wants_colour(STDOUT_FILENO)) + "\n";
    screen.show(picture);
    const Deadline next = Deadline::after(wait);
    while (!next.passed()) {
      const auto key = screen.key(next.remaining());
      if (key && !top.press(*key)) return kSuccess;
      if (key) screen.show(top.picture(table_options(), true));
    }
    wait = interval;
  }
}

} // namespace

Result<int> run_stats(const Client& client, const UsageArguments& arguments) {
  TRY_ASSIGN(json::array before, list_items(client, "/v1/stats"));
  const bool live = is_terminal(STDOUT_FILENO) && !arguments.output.is_data();
  Redraw redraw;
  std::chrono::milliseconds wait = kFirstInterval;
  for (;;) {
    std::this_thread::sleep_for(wait);
    TRY_ASSIGN(json::array now, list_items(client, "/v1/stats"));
    std::vector<PodUsage> usage = usage_between(before, now);
    sort_usage(usage, UsageOrder::name);
    before = std::move(now);
    if (arguments.output.is_data() && arguments.watch)
      print(json::to_text(json::object{{"items", usage_json(usage)}}) + "\n");
    else if (arguments.output.is_data())
      print_data(json::object{{"items", usage_json(usage)}}, arguments.output);
    else if (usage.empty())
      print_error("No pod runs.\n");
    else if (live && arguments.watch)
      redraw.draw(usage_table(usage, !arguments.pods_only).render(table_options()));
    else
      print(usage_table(usage, !arguments.pods_only).render(table_options()));
    if (!arguments.watch) return kSuccess;
    wait = interval_of(arguments);
  }
}

Result<int> run_top(const Client& client, const UsageArguments& arguments) {
  TRY_ASSIGN(const json::value info, client.get("/v1/info"));
  Top top(client, arguments, text_at(info, {"node"}));
  TRY(top.read());
  if (!arguments.once && is_terminal(STDOUT_FILENO)) return top_live(top, interval_of(arguments));
  std::this_thread::sleep_for(kFirstInterval);
  TRY(top.read());
  print(top.picture(table_options(), false));
  return kSuccess;
}

} // namespace keelson::daemon::ctl
