#include "cri/images/blob_store.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "cri/images/image_reference.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace keelson::cri {

namespace {

constexpr std::size_t kCopySize = std::size_t{1} << 20;

std::string file_name(const std::string& digest) {
  return std::string(digest_hex(digest));
}

// The first byte of "bytes 100-199/200".
Result<std::uint64_t> range_start(std::string_view content_range) {
  const auto dash = content_range.find('-');
  if (content_range.substr(0, 6) != "bytes " || dash == std::string_view::npos)
    return fail(Code::unavailable, "a partial answer without its range");
  return parse_int<std::uint64_t>(content_range.substr(6, dash - 6));
}

} // namespace

Result<> BlobIngest::resume() {
  struct stat info {};
  if (::fstat(file_.get(), &info) != 0) return fail_errno(errno, "look at the download of {}", blob_.digest);
  if (static_cast<std::uint64_t>(info.st_size) > blob_.size) return reset();
  std::string buffer(kCopySize, '\0');
  for (;;) {
    const ssize_t got = ::pread(file_.get(), buffer.data(), buffer.size(), static_cast<off_t>(size_));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "read the download of {}", blob_.digest);
    if (got == 0) break;
    hash_.update(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
    size_ += static_cast<std::uint64_t>(got);
  }
  if (full() && !check()) return reset();
  return {};
}

Result<> BlobIngest::reset() {
  hash_ = Sha256();
  size_ = 0;
  if (::ftruncate(file_.get(), 0) != 0) return fail_errno(errno, "empty the download of {}", blob_.digest);
  return {};
}

Result<> BlobIngest::check() const {
  if (!full()) return fail(Code::data_loss, "blob {} has {} bytes instead of {}", blob_.digest, size_, blob_.size);
  const std::string digest = hash_.digest();
  if (digest != blob_.digest) return fail(Code::data_loss, "blob {} came with other content: {}", blob_.digest, digest);
  return {};
}

Result<> BlobIngest::begin(const HttpAnswer& head) {
  if (head.status == 206) {
    TRY_ASSIGN(const auto start, range_start(head.header("content-range")));
    if (start != size_) return fail(Code::unavailable, "the answer starts at byte {} instead of {}", start, size_);
  } else {
    TRY(reset()); // the whole blob, whatever was asked
  }
  const auto length = parse_int<std::uint64_t>(head.header("content-length"));
  if (length && *length > blob_.size - size_)
    return fail(Code::data_loss, "blob {} is announced with {} bytes instead of {}", blob_.digest, size_ + *length,
                blob_.size);
  return {};
}

Result<> BlobIngest::write(std::string_view data) {
  if (data.size() > blob_.size - size_)
    return fail(Code::data_loss, "blob {} is longer than its {} bytes", blob_.digest, blob_.size);
  hash_.update(data);
  while (!data.empty()) {
    const ssize_t written = ::pwrite(file_.get(), data.data(), data.size(), static_cast<off_t>(size_));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int reason = errno;
      TRY(reset()); // the hash is ahead of the file
      return fail_errno(reason, "write the download of {}", blob_.digest);
    }
    size_ += static_cast<std::uint64_t>(written);
    data.remove_prefix(static_cast<std::size_t>(written));
  }
  if (progress_) progress_(size_);
  return {};
}

Result<BlobStore> BlobStore::open(const std::string& images_dir) {
  TRY(make_dirs(images_dir + "/blobs/sha256", 0700));
  TRY(make_dirs(images_dir + "/ingest", 0700));
  TRY_ASSIGN(auto blobs, open_dir(images_dir + "/blobs/sha256"));
  TRY_ASSIGN(auto ingest, open_dir(images_dir + "/ingest"));
  return BlobStore(std::move(blobs), std::move(ingest));
}

Result<std::string> BlobStore::read(const std::string& digest, std::size_t max_size) const {
  TRY_ASSIGN(auto content, read_file_at(blobs_.get(), file_name(digest), max_size));
  if (sha256_digest(content) != digest) return fail(Code::data_loss, "blob {} is damaged on the disk", digest);
  return content;
}

Result<> BlobStore::write(const std::string& digest, std::string_view content) {
  if (sha256_digest(content) != digest) return fail(Code::data_loss, "blob {} came with other content", digest);
  return write_file_atomic_at(blobs_.get(), file_name(digest), content, 0600);
}

Result<> BlobStore::remove(const std::string& digest) {
  return remove_file_at(blobs_.get(), file_name(digest));
}

Result<std::vector<std::string>> BlobStore::list() const {
  TRY_ASSIGN(const auto names, list_dir_at(blobs_.get(), "."));
  std::vector<std::string> digests;
  for (const auto& name : names) {
    if (is_sha256_digest("sha256:" + name)) {
      digests.push_back("sha256:" + name);
    } else {
      TRY(remove_file_at(blobs_.get(), name)); // a temporary file of an earlier process
    }
  }
  return digests;
}

std::uint64_t BlobStore::size_of(const std::string& digest) const {
  struct stat info {};
  if (::fstatat(blobs_.get(), file_name(digest).c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return 0;
  return static_cast<std::uint64_t>(info.st_size);
}

Result<BlobIngest> BlobStore::ingest(const Descriptor& blob) {
  TRY_ASSIGN(auto file, open_at(ingest_.get(), file_name(blob.digest), O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  BlobIngest ingest(std::move(file), blob);
  TRY(ingest.resume());
  return ingest;
}

Result<> BlobStore::remove_ingest(const std::string& digest) {
  return remove_file_at(ingest_.get(), file_name(digest));
}

Result<> BlobStore::prune_ingest(std::uint64_t max_bytes, const std::set<std::string>& busy) {
  struct Unfinished {
    std::string name;
    std::uint64_t bytes;
    timespec time;
  };
  TRY_ASSIGN(const auto names, list_dir_at(ingest_.get(), "."));
  std::vector<Unfinished> files;
  for (const auto& name : names) {
    struct stat info {};
    if (::fstatat(ingest_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 || busy.count("sha256:" + name) != 0)
      continue;
    files.push_back({name, static_cast<std::uint64_t>(info.st_blocks) * 512, info.st_mtim});
  }
  std::sort(files.begin(), files.end(), [](const Unfinished& a, const Unfinished& b) {
    return std::pair(a.time.tv_sec, a.time.tv_nsec) > std::pair(b.time.tv_sec, b.time.tv_nsec);
  });
  std::uint64_t kept = 0;
  for (const auto& file : files) {
    kept += file.bytes;
    const bool useless = file.bytes == 0 || !is_sha256_digest("sha256:" + file.name);
    if (useless || kept > max_bytes) TRY(remove_file_at(ingest_.get(), file.name));
  }
  return {};
}

std::uint64_t BlobStore::ingest_bytes() const {
  std::uint64_t bytes = 0;
  const auto names = list_dir_at(ingest_.get(), ".");
  if (!names) return 0;
  for (const auto& name : *names) {
    struct stat info {};
    if (::fstatat(ingest_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0)
      bytes += static_cast<std::uint64_t>(info.st_blocks) * 512;
  }
  return bytes;
}

} // namespace keelson::cri
