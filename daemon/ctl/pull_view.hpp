// What `keelsonctl pull` shows: a bar per layer while it downloads, or plain lines. Pure: the caller gives the time.
#pragma once

#include "base/time.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::daemon::ctl {

struct LayerState {
  std::string digest;
  std::string phase; // waiting, downloading, verifying, unpacking, done, exists
  std::uint64_t done = 0;
  std::uint64_t total = 0;
};

struct PullFrame {
  std::size_t width = 80;
  std::size_t height = 24; // lines that may be used at most
  bool colour = false;
  bool plain_characters = false; // no Unicode bars
  SteadyTime now{};
};

class PullView {
 public:
  explicit PullView(std::string image)
      : image_(std::move(image)) {}

  void update(const LayerState& state, SteadyTime now);

  // All lines of the picture, each ending in a newline: the layers, then a summary.
  std::string frame(const PullFrame& options) const;

  // Lines about layers that entered another phase since the last call.
  std::vector<std::string> news();

 private:
  struct Sample {
    SteadyTime at;
    std::uint64_t done = 0;
  };
  struct Layer {
    LayerState state;
    std::deque<Sample> samples; // of the last seconds
    std::string told;
  };

  std::string bar_line(const Layer& layer, const PullFrame& options) const;
  std::string summary(const PullFrame& options) const;
  static double rate(const Layer& layer, SteadyTime now);

  std::string image_;
  std::vector<Layer> layers_; // in the order of their first word
  std::map<std::string, std::size_t> positions_;
};

// "━━━━━╸────" of `width` characters; fraction 0..1.
std::string progress_bar(double fraction, std::size_t width, bool plain_characters);

} // namespace keelson::daemon::ctl
