// The bytes of a layer, through decompression and tar to the plan: no path of an action leaves the layer.
#include "base/text.hpp"
#include "base/unique_fd.hpp"
#include "cri/images/layer_plan.hpp"
#include "cri/images/tar_stream.hpp"

#include <sys/mman.h>

#include <cstdlib>

namespace {

using namespace keelson;
using namespace keelson::cri;

void check(bool holds) {
  if (!holds) std::abort();
}

void check_place(const LayerPlace& place) {
  const std::string path = place.path();
  check(path.size() <= kMaxLayerPath && path.find('\0') == std::string::npos);
  if (place.name.empty()) return check(place.parent.empty());
  std::size_t depth = 0;
  for (const auto part : split(path, '/')) {
    check(!part.empty() && part != "." && part != ".." && part.size() <= 255);
    ++depth;
  }
  check(depth <= kMaxLayerDepth);
}

void check_action(const LayerAction& action) {
  check_place(action.place);
  check_place(action.link);
  for (const auto& [name, value] : action.xattrs) check(name.substr(0, 8) != "trusted.");
  if (action.kind == LayerAction::Kind::skip || action.kind == LayerAction::Kind::opaque) return;
  check(!action.place.name.empty() || action.kind == LayerAction::Kind::make_directory);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const UniqueFd file(::memfd_create("layer", MFD_CLOEXEC));
  if (!file || ::write(file.get(), data, size) != static_cast<ssize_t>(size)) return 0;
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return 0;
  TarStreamOptions options;
  options.compressed_size = size;
  options.max_bytes = std::uint64_t{4} << 20;
  auto tar = TarStream::open(file.get(), options);
  if (!tar) return 0;
  LayerPlanner planner({10000, std::uint64_t{4} << 20}, size % 2 == 0);
  for (;;) {
    const auto entry = (*tar)->next();
    if (!entry || !*entry) return 0;
    const auto action = planner.plan(**entry);
    if (!action) return 0;
    check_action(*action);
    for (;;) {
      const auto block = (*tar)->read_block();
      if (!block || !*block) break;
    }
  }
}
