// Container images made for tests, in memory: layers from entries, a configuration, a manifest; written as an OCI
// layout or pushed to a registry over HTTP.
#pragma once

#include "base/error.hpp"
#include "tests/support/test_registry.hpp"

#include <sys/stat.h>
#include <sys/types.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace keelson::test {

// One member of a layer's tar. The name is written as it is: hostile ones ("../x", ".wh.x") are the point.
struct TarEntry {
  std::string name;
  mode_t mode = S_IFREG | 0644; // type and permissions, as in stat(2)
  std::string content = {};     // of a regular file
  std::string link = {};        // target of a symlink
  std::string hard_link = {};   // name of the earlier member that this is another name of
  uid_t uid = 0;
  gid_t gid = 0;
  dev_t device = 0;
  std::map<std::string, std::string> xattrs = {};
};

enum class LayerForm { tar, tar_gzip, tar_zstd };

Result<std::string> make_tar(const std::vector<TarEntry>& entries, LayerForm form = LayerForm::tar);
std::string sha256_digest(const std::string& content); // "sha256:..."

struct TestImageLayer {
  std::vector<TarEntry> entries;
  LayerForm form = LayerForm::tar_gzip;
};

struct TestImage {
  std::vector<TestImageLayer> layers;
  // The "config" object of the image configuration, as JSON text: {"User":"1000","Env":["A=b"]}.
  std::string config = "{}";
  std::string architecture = "amd64";
  bool docker_media_types = false;
};

// A root file system with the machine's static busybox and its usual names, /tmp, /etc/passwd with root and nobody; two
// layers, so that stacking is always used. ~1 MB.
Result<TestImage> busybox_image(const std::string& config = R"({"Cmd":["/bin/sh"],"Env":["PATH=/bin:/sbin"]})");

// The blobs of a built image.
struct BuiltImage {
  std::string manifest;
  std::string manifest_type;
  std::string manifest_digest;
  std::string config_digest;                              // the CRI image id
  std::vector<std::pair<std::string, std::string>> blobs; // digest, content: layers first, the configuration last
};

Result<BuiltImage> build_image(const TestImage& image);

Result<> write_oci_layout(const std::string& directory, const BuiltImage& image, const std::string& tag);

// Pushes blobs and manifest; the repository is "busybox", the reference a tag.
Result<> push_image(const TestRegistry& registry, const BuiltImage& image, const std::string& repository,
                    const std::string& tag);
// Puts any bytes as a manifest: an index, or garbage (then the registry's refusal is the error).
Result<> push_manifest(const TestRegistry& registry, const std::string& content, const std::string& media_type,
                       const std::string& repository, const std::string& reference);

} // namespace keelson::test
