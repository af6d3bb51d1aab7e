#include "cri/images/tar_stream.hpp"

#include "base/text.hpp"
#include "cri/images/sha256.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace keelson::cri {

namespace {

constexpr std::size_t kReadSize = std::size_t{256} << 10;
constexpr std::uint64_t kRatioFree = std::uint64_t{16} << 20; // small archives may expand to this whatever their ratio

struct ArchiveFree {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Reader = std::unique_ptr<archive, ArchiveFree>;

// The C locale for this thread: there, libarchive hands names over byte by byte. In a UTF-8 locale it would bring them
// to normal form C, and a file would get another name than the image gave it.
class BytewiseLocale {
 public:
  BytewiseLocale()
      : locale_(::newlocale(LC_ALL_MASK, "C", nullptr))
      , previous_(::uselocale(locale_)) {}
  ~BytewiseLocale() {
    ::uselocale(previous_);
    if (locale_ != nullptr) ::freelocale(locale_);
  }
  BytewiseLocale(const BytewiseLocale&) = delete;
  BytewiseLocale& operator=(const BytewiseLocale&) = delete;

 private:
  locale_t locale_;
  locale_t previous_;
};

std::string text_or_empty(const char* text) {
  return text == nullptr ? std::string() : std::string(text);
}

TarType type_of(archive_entry* entry) {
  if (archive_entry_hardlink(entry) != nullptr) return TarType::hard_link;
  switch (archive_entry_filetype(entry)) {
  case AE_IFREG:
    return TarType::file;
  case AE_IFDIR:
    return TarType::directory;
  case AE_IFLNK:
    return TarType::symlink;
  case AE_IFCHR:
    return TarType::char_device;
  case AE_IFBLK:
    return TarType::block_device;
  case AE_IFIFO:
    return TarType::fifo;
  default:
    return TarType::other;
  }
}

TarEntry convert(archive_entry* entry) {
  TarEntry out;
  out.path = text_or_empty(archive_entry_pathname(entry));
  out.type = type_of(entry);
  out.link_target =
      text_or_empty(out.type == TarType::hard_link ? archive_entry_hardlink(entry) : archive_entry_symlink(entry));
  out.mode = static_cast<std::uint32_t>(archive_entry_perm(entry));
  out.uid = archive_entry_uid(entry);
  out.gid = archive_entry_gid(entry);
  out.size = archive_entry_size(entry);
  out.mtime_sec = archive_entry_mtime(entry);
  out.mtime_nsec = archive_entry_mtime_nsec(entry);
  out.device_major = static_cast<std::uint64_t>(archive_entry_rdevmajor(entry));
  out.device_minor = static_cast<std::uint64_t>(archive_entry_rdevminor(entry));
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  archive_entry_xattr_reset(entry);
  while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK)
    if (name != nullptr) out.xattrs.emplace_back(name, std::string(static_cast<const char*>(value), size));
  return out;
}

} // namespace

// Two readers in a row: the outer one only undoes the compression, so that the plain tar passes through our hands on
// its way to the inner one.
struct TarStream::State {
  int fd = -1;
  TarStreamOptions options;
  Reader outer;
  Reader inner;
  std::array<char, kReadSize> source{};
  Sha256 hash;
  std::uint64_t plain_bytes = 0;
  bool plain_end = false;
  std::optional<Error> error; // of a callback, which can only answer "failed"

  static la_ssize_t read_source(archive*, void* user, const void** data);
  static la_ssize_t read_plain(archive*, void* user, const void** data);
  Result<std::string_view> next_plain();
  Result<> check_expansion() const;
  Fail fault(archive* reader, std::string_view what);
};

la_ssize_t TarStream::State::read_source(archive*, void* user, const void** data) {
  auto& state = *static_cast<State*>(user);
  ssize_t got = 0;
  do {
    got = ::read(state.fd, state.source.data(), state.source.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) state.error = fail_errno(errno, "read the layer").value();
  *data = state.source.data();
  return got;
}

la_ssize_t TarStream::State::read_plain(archive*, void* user, const void** data) {
  auto& state = *static_cast<State*>(user);
  auto block = state.next_plain();
  if (!block) {
    state.error = std::move(block).error();
    return -1;
  }
  *data = block->data();
  return static_cast<la_ssize_t>(block->size());
}

// An empty view at the end.
Result<std::string_view> TarStream::State::next_plain() {
  if (plain_end) return std::string_view();
  if (options.cancel.stop_requested()) return fail(Code::cancelled, "cancelled");
  const void* data = nullptr;
  std::size_t size = 0;
  la_int64_t offset = 0;
  do {
    const int code = archive_read_data_block(outer.get(), &data, &size, &offset);
    if (code == ARCHIVE_EOF) {
      plain_end = true;
      return std::string_view();
    }
    if (code != ARCHIVE_OK) return fault(outer.get(), "decompress");
  } while (size == 0);
  const std::string_view block(static_cast<const char*>(data), size);
  plain_bytes += size;
  TRY(check_expansion());
  if (options.hash) hash.update(block);
  return block;
}

Result<> TarStream::State::check_expansion() const {
  if (plain_bytes > options.max_bytes)
    return fail(Code::resource_exhausted, "it expands to more than {} bytes", options.max_bytes);
  if (options.compressed_size == 0 || plain_bytes <= kRatioFree) return {};
  if (plain_bytes / options.max_ratio > options.compressed_size)
    return fail(Code::resource_exhausted, "it expands more than {} times", options.max_ratio);
  return {};
}

Fail TarStream::State::fault(archive* reader, std::string_view what) {
  if (error) return Fail(*error);
  const char* reason = archive_error_string(reader);
  return fail(Code::invalid_argument, "{}: {}", what, reason == nullptr ? "damaged" : printable(reason));
}

TarStream::TarStream(std::unique_ptr<State> state)
    : state_(std::move(state)) {}
TarStream::~TarStream() = default;

Result<std::unique_ptr<TarStream>> TarStream::open(int fd, TarStreamOptions options) {
  const BytewiseLocale locale;
  auto state = std::make_unique<State>();
  state->fd = fd;
  state->options = std::move(options);
  state->outer.reset(archive_read_new());
  state->inner.reset(archive_read_new());
  if (!state->outer || !state->inner) return fail(Code::resource_exhausted, "no memory to read a layer");
  archive* outer = state->outer.get();
  archive_read_support_filter_gzip(outer);
  archive_read_support_filter_zstd(outer);
  archive_read_support_format_raw(outer);
  archive_read_support_format_empty(outer);
  if (archive_read_open(outer, state.get(), nullptr, State::read_source, nullptr) != ARCHIVE_OK)
    return state->fault(outer, "decompress");
  archive_entry* whole = nullptr;
  const int code = archive_read_next_header(outer, &whole);
  if (code == ARCHIVE_EOF) state->plain_end = true;
  if (code != ARCHIVE_EOF && code != ARCHIVE_OK) return state->fault(outer, "decompress");

  archive* inner = state->inner.get();
  archive_read_support_format_tar(inner);
  archive_read_support_format_empty(inner);
  if (archive_read_open(inner, state.get(), nullptr, State::read_plain, nullptr) != ARCHIVE_OK)
    return state->fault(inner, "read tar");
  return std::unique_ptr<TarStream>(new TarStream(std::move(state)));
}

Result<std::optional<TarEntry>> TarStream::next() {
  const BytewiseLocale locale;
  archive_entry* entry = nullptr;
  int code = ARCHIVE_RETRY;
  for (int attempt = 0; code == ARCHIVE_RETRY && attempt < 16; ++attempt)
    code = archive_read_next_header(state_->inner.get(), &entry);
  if (state_->error) return Fail(*state_->error);
  if (code == ARCHIVE_EOF) return std::optional<TarEntry>();
  // A warning is a name that is not UTF-8 or a pax key that is not known: the entry itself is whole.
  if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return state_->fault(state_->inner.get(), "read tar");
  return std::optional<TarEntry>(convert(entry));
}

Result<std::optional<TarStream::Block>> TarStream::read_block() {
  const void* data = nullptr;
  std::size_t size = 0;
  la_int64_t offset = 0;
  const int code = archive_read_data_block(state_->inner.get(), &data, &size, &offset);
  if (code == ARCHIVE_EOF) return std::optional<Block>();
  if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return state_->fault(state_->inner.get(), "read tar");
  return std::optional<Block>(
      Block{std::string_view(static_cast<const char*>(data), size), static_cast<std::uint64_t>(offset)});
}

Result<> TarStream::drain() {
  for (;;) {
    TRY_ASSIGN(const auto block, state_->next_plain());
    if (block.empty()) return {};
  }
}

std::string TarStream::diff_id() const {
  return state_->hash.digest();
}

std::uint64_t TarStream::bytes() const {
  return state_->plain_bytes;
}

} // namespace keelson::cri
