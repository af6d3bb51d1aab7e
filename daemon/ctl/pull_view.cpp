#include "daemon/ctl/pull_view.hpp"

#include "base/text.hpp"
#include "daemon/ctl/display.hpp"
#include "daemon/ctl/table.hpp"

#include <algorithm>
#include <cmath>

namespace keelson::daemon::ctl {

namespace {

constexpr std::chrono::seconds kRateWindow{3};
constexpr std::size_t kPhaseWidth = 11;   // "downloading"
constexpr std::size_t kFiguresWidth = 39; // " 12.3MiB / 45.6MiB  8.1MiB/s  4s", with room
constexpr std::size_t kLongestBar = 40;

bool is_finished(const LayerState& state) {
  return state.phase == "done" || state.phase == "exists";
}

std::string repeat(std::string_view text, std::size_t times) {
  std::string out;
  while (times-- > 0) out += text;
  return out;
}

double fraction_of(const LayerState& state) {
  if (is_finished(state) || state.phase == "unpacking" || state.phase == "verifying") return 1;
  return state.total == 0 ? 0 : static_cast<double>(state.done) / static_cast<double>(state.total);
}

std::string time_left(std::uint64_t bytes, double rate) {
  if (bytes == 0 || rate < 1) return {};
  const double seconds = std::min(static_cast<double>(bytes) / rate, 359999.0);
  return short_duration(std::chrono::seconds(static_cast<std::int64_t>(std::ceil(seconds))));
}

} // namespace

std::string progress_bar(double fraction, std::size_t width, bool plain_characters) {
  fraction = std::clamp(fraction, 0.0, 1.0);
  const double halves = std::floor(fraction * static_cast<double>(width) * 2 + 1e-9);
  const auto full = static_cast<std::size_t>(halves / 2);
  const bool half = static_cast<std::size_t>(halves) % 2 == 1;
  if (plain_characters)
    return repeat("=", full) + (full < width ? ">" : "") + std::string(width - std::min(width, full + 1), ' ');
  return repeat("━", full) + (half ? "╸" : "") + repeat("─", width - full - (half ? 1 : 0));
}

void PullView::update(const LayerState& state, SteadyTime now) {
  const auto [at, is_new] = positions_.try_emplace(state.digest, layers_.size());
  if (is_new) layers_.emplace_back();
  Layer& layer = layers_[at->second];
  layer.state = state;
  layer.samples.push_back({now, state.done});
  // One sample older than the window stays: the rate reaches back over all of it.
  while (layer.samples.size() > 2 && now - layer.samples[1].at >= kRateWindow) layer.samples.pop_front();
}

double PullView::rate(const Layer& layer, SteadyTime now) {
  if (layer.state.phase != "downloading" || layer.samples.size() < 2) return 0;
  const Sample& first = layer.samples.front();
  const double seconds = std::chrono::duration<double>(std::max(now, layer.samples.back().at) - first.at).count();
  const std::uint64_t last = layer.samples.back().done;
  return seconds <= 0 || last < first.done ? 0 : static_cast<double>(last - first.done) / seconds;
}

std::string PullView::bar_line(const Layer& layer, const PullFrame& options) const {
  const LayerState& state = layer.state;
  const bool finished = is_finished(state);
  const std::string id = short_id(state.digest);
  const std::string phase = pad(state.phase, kPhaseWidth);
  const std::size_t fixed = kShortIdSize + 2 + kPhaseWidth + 2 + kFiguresWidth;
  const std::size_t bar_width = options.width > fixed + 8 ? std::min(options.width - fixed, kLongestBar) : 0;
  std::string line = paint(pad(id, kShortIdSize), Tone::accent, options.colour) + "  " +
                     paint(phase, finished ? Tone::good : Tone::plain, options.colour) + "  ";
  if (bar_width > 0 && !finished && state.phase != "waiting")
    line += paint(progress_bar(fraction_of(state), bar_width, options.plain_characters), Tone::accent, options.colour) +
            "  ";
  if (state.phase == "downloading") {
    const double speed = rate(layer, options.now);
    line += fmt::format("{} / {}", binary_bytes(state.done), binary_bytes(state.total));
    if (speed >= 1) line += "  " + byte_rate(speed);
    const std::string left = time_left(state.total - std::min(state.total, state.done), speed);
    if (!left.empty()) line += "  " + left;
  } else if (state.total > 0 && state.phase != "waiting") {
    line += paint(binary_bytes(state.total), Tone::dim, options.colour);
  }
  return line;
}

std::string PullView::summary(const PullFrame& options) const {
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  std::size_t finished = 0;
  double speed = 0;
  for (const Layer& layer : layers_) {
    finished += is_finished(layer.state) ? 1 : 0;
    if (layer.state.phase == "exists") continue;
    total += layer.state.total;
    done += fraction_of(layer.state) >= 1 ? layer.state.total : layer.state.done;
    speed += rate(layer, options.now);
  }
  std::string line = fmt::format("{}/{} layers", finished, layers_.size());
  if (total > 0) line += fmt::format("  {} / {}", binary_bytes(done), binary_bytes(total));
  if (speed >= 1) line += "  " + byte_rate(speed);
  const std::string left = time_left(total - std::min(total, done), speed);
  if (!left.empty()) line += "  " + left + " left";
  return line;
}

std::string PullView::frame(const PullFrame& options) const {
  const std::size_t room = std::max<std::size_t>(options.height, 2) - 1; // one line is the summary's
  std::size_t to_hide = layers_.size() > room ? layers_.size() - room : 0;
  // Finished layers give way first, then those at the end, which wait.
  std::vector<bool> hidden(layers_.size(), false);
  for (std::size_t i = 0; i < layers_.size() && to_hide > 0; ++i) {
    hidden[i] = is_finished(layers_[i].state);
    to_hide -= hidden[i] ? 1 : 0;
  }
  for (std::size_t i = layers_.size(); i-- > 0 && to_hide > 0;) {
    to_hide -= hidden[i] ? 0 : 1;
    hidden[i] = true;
  }
  std::string out;
  for (std::size_t i = 0; i < layers_.size(); ++i)
    if (!hidden[i]) out += bar_line(layers_[i], options) + "\n";
  out += paint("Pulling", Tone::strong, options.colour) + " " + printable(image_) + "  " +
         paint(layers_.empty() ? "asking the registry" : summary(options), Tone::dim, options.colour) + "\n";
  return out;
}

std::vector<std::string> PullView::news() {
  std::vector<std::string> lines;
  for (Layer& layer : layers_) {
    const LayerState& state = layer.state;
    if (layer.told == state.phase || state.phase == "waiting" || state.phase == "verifying") continue;
    layer.told = state.phase;
    std::string line = fmt::format("{}: {}", short_id(state.digest), state.phase);
    if (state.total > 0) line += " " + binary_bytes(state.total);
    lines.push_back(std::move(line));
  }
  return lines;
}

} // namespace keelson::daemon::ctl
