// The members of a compressed tar, read once from front to back, with the digest of what the compression hides.
#pragma once

#include "base/error.hpp"
#include "cri/images/layer_plan.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace keelson::cri {

struct TarStreamOptions {
  std::uint64_t compressed_size = 0; // of the source; 0: unknown, then the ratio is not bounded
  std::uint64_t max_bytes = std::uint64_t{64} << 30;
  std::uint64_t max_ratio = 1100;
  bool hash = true; // compute diff_id()
  std::stop_token cancel;
};

// libarchive as a reader only: gzip, zstd or plain by the magic bytes, ustar, GNU and pax. One thread at a time.
// Errors: invalid_argument (not an archive, cut off), resource_exhausted (expands too far), cancelled.
class TarStream {
 public:
  // Reads from the descriptor's position on; it must outlive the stream.
  static Result<std::unique_ptr<TarStream>> open(int fd, TarStreamOptions options);
  ~TarStream();

  Result<std::optional<TarEntry>> next(); // nullopt at the end

  // A block of the current member's content; offset jumps over holes. nullopt at its end.
  struct Block {
    std::string_view data; // valid until the next call
    std::uint64_t offset = 0;
  };
  Result<std::optional<Block>> read_block();

  // Reads what follows the archive's end, as the digest covers it. Then diff_id() is final.
  Result<> drain();
  std::string diff_id() const;
  std::uint64_t bytes() const; // uncompressed, so far

 private:
  struct State;
  explicit TarStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

} // namespace keelson::cri
