#include "tests/support/test_image.hpp"

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <openssl/evp.h>

#include <memory>

namespace keelson::test {

namespace {

using ArchivePtr = std::unique_ptr<archive, decltype(&archive_write_free)>;
using EntryPtr = std::unique_ptr<archive_entry, decltype(&archive_entry_free)>;

struct BuiltLayer {
  std::string blob;
  std::string digest;
  std::string diff_id; // digest of the uncompressed tar
  std::string media_type;
};

la_ssize_t append(archive*, void* output, const void* data, size_t size) {
  static_cast<std::string*>(output)->append(static_cast<const char*>(data), size);
  return static_cast<la_ssize_t>(size);
}

Result<> add_entry(archive* tar, const TarEntry& from) {
  const EntryPtr entry(archive_entry_new(), archive_entry_free);
  archive_entry_set_pathname(entry.get(), from.name.c_str());
  archive_entry_set_mode(entry.get(), from.mode);
  archive_entry_set_uid(entry.get(), from.uid);
  archive_entry_set_gid(entry.get(), from.gid);
  archive_entry_set_mtime(entry.get(), 1700000000, 0);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(from.content.size()));
  if (S_ISCHR(from.mode) || S_ISBLK(from.mode)) archive_entry_set_rdev(entry.get(), from.device);
  if (!from.link.empty()) archive_entry_set_symlink(entry.get(), from.link.c_str());
  if (!from.hard_link.empty()) archive_entry_set_hardlink(entry.get(), from.hard_link.c_str());
  for (const auto& [name, value] : from.xattrs)
    archive_entry_xattr_add_entry(entry.get(), name.c_str(), value.data(), value.size());
  if (archive_write_header(tar, entry.get()) < ARCHIVE_WARN)
    return fail(Code::internal, "tar entry {}: {}", from.name, archive_error_string(tar));
  if (!from.content.empty() && archive_write_data(tar, from.content.data(), from.content.size()) < 0)
    return fail(Code::internal, "tar entry {}: {}", from.name, archive_error_string(tar));
  return {};
}

std::string layer_media_type(LayerForm form, bool docker) {
  const std::string suffix = form == LayerForm::tar ? "" : form == LayerForm::tar_gzip ? "gzip" : "zstd";
  if (docker) return "application/vnd.docker.image.rootfs.diff.tar" + (suffix.empty() ? "" : "." + suffix);
  return "application/vnd.oci.image.layer.v1.tar" + (suffix.empty() ? "" : "+" + suffix);
}

Result<BuiltLayer> build_layer(const TestImageLayer& layer, bool docker) {
  BuiltLayer built;
  TRY_ASSIGN(built.blob, make_tar(layer.entries, layer.form));
  TRY_ASSIGN(const auto plain, make_tar(layer.entries, LayerForm::tar));
  built.digest = sha256_digest(built.blob);
  built.diff_id = sha256_digest(plain);
  built.media_type = layer_media_type(layer.form, docker);
  return built;
}

json::object descriptor(const std::string& media_type, const std::string& content) {
  return {{"mediaType", media_type}, {"digest", sha256_digest(content)}, {"size", content.size()}};
}

TarEntry directory(const std::string& name, mode_t mode = 0755) {
  return {.name = name, .mode = S_IFDIR | mode};
}

} // namespace

Result<std::string> make_tar(const std::vector<TarEntry>& entries, LayerForm form) {
  std::string output;
  const ArchivePtr tar(archive_write_new(), archive_write_free);
  archive_write_set_format_pax_restricted(tar.get());
  archive_write_set_bytes_in_last_block(tar.get(), 1);
  if (form == LayerForm::tar_gzip) {
    archive_write_add_filter_gzip(tar.get());
    archive_write_set_filter_option(tar.get(), "gzip", "timestamp", nullptr); // the same bytes every time
  }
  if (form == LayerForm::tar_zstd) archive_write_add_filter_zstd(tar.get());
  if (archive_write_open(tar.get(), &output, nullptr, append, nullptr) != ARCHIVE_OK)
    return fail(Code::internal, "make a tar: {}", archive_error_string(tar.get()));
  for (const auto& entry : entries) TRY(add_entry(tar.get(), entry));
  if (archive_write_close(tar.get()) != ARCHIVE_OK)
    return fail(Code::internal, "make a tar: {}", archive_error_string(tar.get()));
  return output;
}

std::string sha256_digest(const std::string& content) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(content.data(), content.size(), digest, &size, EVP_sha256(), nullptr);
  return "sha256:" + to_hex({reinterpret_cast<const char*>(digest), size});
}

Result<TestImage> busybox_image(const std::string& config) {
  TRY_ASSIGN(auto busybox, read_file("/bin/busybox", std::size_t{8} << 20));
  TestImage image;
  image.config = config;
  TestImageLayer base;
  base.entries = {directory("bin"), directory("etc"),        directory("proc"),      directory("sys"),
                  directory("dev"), directory("tmp", 01777), directory("root", 0700)};
  base.entries.push_back({.name = "bin/busybox", .mode = S_IFREG | 0755, .content = std::move(busybox)});
  for (const char* name : {"sh",   "ls",       "cat",   "echo", "sleep", "true",  "false", "id",       "env",  "ip",
                           "wget", "nc",       "httpd", "ps",   "kill",  "mkdir", "rm",    "touch",    "date", "dd",
                           "yes",  "hostname", "mount", "test", "seq",   "ping",  "stat",  "readlink", "grep", "head",
                           "tail", "wc",       "vi",    "awk",  "sed",   "trap",  "top"})
    base.entries.push_back({.name = std::string("bin/") + name, .mode = S_IFLNK | 0777, .link = "busybox"});
  TestImageLayer accounts;
  accounts.entries = {{.name = "etc/passwd",
                       .content = "root:x:0:0:root:/root:/bin/sh\n"
                                  "nobody:x:65534:65534:nobody:/:/bin/false\n"},
                      {.name = "etc/group", .content = "root:x:0:\nnobody:x:65534:\n"}};
  image.layers = {std::move(base), std::move(accounts)};
  return image;
}

Result<BuiltImage> build_image(const TestImage& image) {
  const bool docker = image.docker_media_types;
  const std::string prefix = docker ? "application/vnd.docker." : "application/vnd.oci.image.";
  BuiltImage built;
  json::array layers;
  json::array diff_ids;
  for (const auto& layer : image.layers) {
    TRY_ASSIGN(auto one, build_layer(layer, docker));
    layers.push_back(descriptor(one.media_type, one.blob));
    diff_ids.push_back(json::value(one.diff_id));
    built.blobs.emplace_back(std::move(one.digest), std::move(one.blob));
  }
  TRY_ASSIGN(auto settings, json::parse(image.config));
  const json::object config = {{"created", "2026-01-01T00:00:00Z"},
                               {"architecture", image.architecture},
                               {"os", "linux"},
                               {"config", std::move(settings)},
                               {"rootfs", {{"type", "layers"}, {"diff_ids", std::move(diff_ids)}}}};
  const auto config_text = json::to_text(config);
  built.config_digest = sha256_digest(config_text);
  built.blobs.emplace_back(built.config_digest, config_text);
  built.manifest_type = prefix + (docker ? "distribution.manifest.v2+json" : "manifest.v1+json");
  const auto config_type = prefix + (docker ? "container.image.v1+json" : "config.v1+json");
  const json::object manifest = {{"schemaVersion", 2},
                                 {"mediaType", built.manifest_type},
                                 {"config", descriptor(config_type, config_text)},
                                 {"layers", std::move(layers)}};
  built.manifest = json::to_text(manifest);
  built.manifest_digest = sha256_digest(built.manifest);
  return built;
}

Result<> write_oci_layout(const std::string& directory, const BuiltImage& image, const std::string& tag) {
  const auto blobs = directory + "/blobs/sha256";
  TRY(make_dirs(blobs, 0755));
  auto all = image.blobs;
  all.emplace_back(image.manifest_digest, image.manifest);
  for (const auto& [digest, content] : all) TRY(write_file_atomic(blobs + "/" + digest.substr(7), content, 0644));
  auto manifest = descriptor(image.manifest_type, image.manifest);
  manifest["annotations"] = json::object{{"org.opencontainers.image.ref.name", tag}};
  const json::object index = {{"schemaVersion", 2}, {"manifests", json::array{std::move(manifest)}}};
  TRY(write_file_atomic(directory + "/index.json", json::to_text(index), 0644));
  return write_file_atomic(directory + "/oci-layout", R"({"imageLayoutVersion":"1.0.0"})", 0644);
}

} // namespace keelson::test
