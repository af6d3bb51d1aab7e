#include "base/text.hpp"
#include "daemon/ctl/commands.hpp"
#include "daemon/ctl/display.hpp"
#include "daemon/ctl/fields.hpp"
#include "daemon/ctl/object_tables.hpp"
#include "daemon/ctl/pull_view.hpp"
#include "daemon/ctl/terminal.hpp"

#include <climits>
#include <cstdlib>
#include <iterator>

namespace keelson::daemon::ctl {

namespace {

constexpr std::chrono::milliseconds kFrameInterval{100};

// Progress of one pull on standard error, so that the image's id alone is on standard output.
class PullDisplay {
 public:
  explicit PullDisplay(const std::string& image)
      : view_(image)
      , live_(is_terminal(STDERR_FILENO) && is_terminal(STDOUT_FILENO)) {}

  void start() {
    if (live_) draw();
  }

  void update(const json::value& line) {
    const SteadyTime now = SystemClock().now();
    view_.update({text_at(line, {"layer"}), text_at(line, {"phase"}),
                  static_cast<std::uint64_t>(number_at(line, {"done"})),
                  static_cast<std::uint64_t>(number_at(line, {"total"}))},
                 now);
    if (!live_) {
      for (const std::string& text : view_.news()) print_error(text + "\n");
    } else if (now - drawn_ >= kFrameInterval) {
      draw();
    }
  }

  void finish() {
    if (live_) draw();
    redraw_.keep();
  }

 private:
  void draw() {
    const TerminalSize size = terminal_size(STDOUT_FILENO);
    drawn_ = SystemClock().now();
    redraw_.draw(view_.frame({size.columns, size.lines - 1, wants_colour(STDOUT_FILENO), !wants_unicode(), drawn_}));
  }

  PullView view_;
  bool live_;
  Redraw redraw_;
  SteadyTime drawn_{};
};

Result<json::object> pull_request(const std::string& image, const std::string& credentials) {
  json::object body{{"image", image}};
  if (credentials.empty()) return body;
  const std::size_t colon = credentials.find(':');
  if (colon == std::string::npos || colon == 0) return fail(Code::invalid_argument, "--creds: use USER:PASSWORD");
  body["username"] = credentials.substr(0, colon);
  body["password"] = credentials.substr(colon + 1);
  return body;
}

Result<> pull_one(const Client& client, const std::string& image, const PullArguments& arguments) {
  TRY_ASSIGN(const json::object body, pull_request(image, arguments.credentials));
  PullDisplay display(image);
  if (!arguments.quiet) display.start();
  json::value pulled;
  const auto result = client.stream("POST", "/v1/images/pull", body, [&](const json::value& line) {
    if (dig(line, {"image"}).is_object())
      pulled = dig(line, {"image"});
    else if (!arguments.quiet)
      display.update(line);
    return true;
  });
  if (!arguments.quiet) display.finish();
  TRY(result);
  if (pulled.is_null()) return fail(Code::unavailable, "pull {}: keelsond ended before the image was there", image);
  if (arguments.quiet || !is_terminal(STDOUT_FILENO)) {
    print(text_at(pulled, {"id"}) + "\n");
  } else {
    const bool colour = wants_colour(STDOUT_FILENO);
    print(fmt::format("{} {}  {}  {}\n", paint("✓", Tone::good, colour), printable(image),
                      paint(short_id(text_at(pulled, {"id"})), Tone::accent, colour),
                      decimal_bytes(static_cast<std::uint64_t>(number_at(pulled, {"size"})))));
  }
  return {};
}

std::string first_name(const json::value& image) {
  for (const char* key : {"tags", "digests"})
    for (const json::value& name : list_at(image, {key}))
      if (name.is_string()) return std::string(name.get_string());
  return short_id(text_at(image, {"id"}));
}

std::string all_names(const json::value& image) {
  std::string names;
  for (const json::value& name : list_at(image, {"tags"}))
    if (name.is_string()) names += (names.empty() ? "" : ", ") + std::string(name.get_string());
  return names.empty() ? first_name(image) : names;
}

Result<bool> ask(const std::string& question) {
  if (!is_terminal(STDIN_FILENO))
    return fail(Code::failed_precondition, "nobody is there to be asked: say --yes to remove them");
  print(question + " [y/N] ");
  std::string answer;
  char c = 0;
  while (::read(STDIN_FILENO, &c, 1) == 1 && c != '\n') answer += c;
  answer = to_lower(trim(answer));
  return answer == "y" || answer == "yes";
}

} // namespace

Result<int> run_pull(const Client& client, const PullArguments& arguments) {
  for (const std::string& image : arguments.images) TRY(pull_one(client, image, arguments));
  return kSuccess;
}

Result<int> run_image_load(const Client& client, const std::string& path, const std::string& name) {
  char absolute[PATH_MAX] = {};
  if (::realpath(path.c_str(), absolute) == nullptr) return fail_errno(errno, "image archive {}", path);
  json::object body{{"path", absolute}};
  if (!name.empty()) body["name"] = name;
  auto loaded = client.post("/v1/images/load", body);
  TRY_CONTEXT(loaded, "load {}", path);
  for (const json::value& image : list_at(*loaded, {"items"}))
    print(fmt::format("{}  {}  {}\n", short_id(text_at(image, {"id"})), all_names(image),
                      decimal_bytes(static_cast<std::uint64_t>(number_at(image, {"size"})))));
  return kSuccess;
}

Result<int> run_image_remove(const Client& client, const std::vector<std::string>& images) {
  for (const std::string& image : images) {
    auto removed = client.post("/v1/images/remove", {{"image", image}});
    TRY_CONTEXT(removed, "remove image {}", printable(image));
    const std::string id = short_id(text_at(*removed, {"id"}));
    print(flag_at(*removed, {"removed"}) ? fmt::format("removed {}\n", id)
                                         : fmt::format("untagged {} ({} has other names)\n", image, id));
  }
  return kSuccess;
}

Result<int> run_image_tag(const Client& client, const std::string& image, const std::string& name) {
  TRY_CONTEXT(client.post("/v1/images/tag", {{"image", image}, {"name", name}}), "tag {} as {}", printable(image),
              printable(name));
  return kSuccess;
}

Result<int> run_image_prune(const Client& client, bool yes) {
  TRY_ASSIGN(const json::value planned, client.post("/v1/images/prune", {{"dryRun", true}}));
  const json::array& unused = list_at(planned, {"items"});
  if (unused.empty()) {
    print_error("Every image is used by a container or pinned.\n");
    return kSuccess;
  }
  if (!yes) {
    print(images_table(unused, {false, false, SystemClock().wall_now()}).render(table_options()));
    const std::string size = decimal_bytes(static_cast<std::uint64_t>(number_at(planned, {"bytes"})));
    TRY_ASSIGN(const bool agreed, ask(fmt::format("Remove {} unused images ({})?", unused.size(), size)));
    if (!agreed) return kFailure;
  }
  TRY_ASSIGN(const json::value done, client.post("/v1/images/prune", {{"dryRun", false}}));
  for (const json::value& image : list_at(done, {"items"})) print("removed " + first_name(image) + "\n");
  print(fmt::format("{} freed\n", decimal_bytes(static_cast<std::uint64_t>(number_at(done, {"bytes"})))));
  return kSuccess;
}

} // namespace keelson::daemon::ctl
