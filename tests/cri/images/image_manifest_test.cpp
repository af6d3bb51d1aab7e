#include "cri/images/image_index.hpp"
#include "cri/images/image_manifest.hpp"
#include "cri/images/sha256.hpp"

#include <gtest/gtest.h>

#include <string>

namespace keelson::cri {
namespace {

const std::string kA = "sha256:" + std::string(64, 'a');
const std::string kB = "sha256:" + std::string(64, 'b');

std::string descriptor(const std::string& digest, const std::string& type, const std::string& more = "") {
  return R"({"mediaType":")" + type + R"(","digest":")" + digest + R"(","size":7)" + more + "}";
}
std::string layer(const std::string& type = "application/vnd.oci.image.layer.v1.tar+gzip") {
  return descriptor(kB, type);
}
std::string manifest(const std::string& layers) {
  return R"({"schemaVersion":2,"config":)" + descriptor(kA, "application/vnd.oci.image.config.v1+json") +
         R"(,"layers":[)" + layers + "]}";
}
std::string entry(const std::string& platform, char digit = 'a') {
  return descriptor("sha256:" + std::string(64, digit), "application/vnd.oci.image.manifest.v1+json",
                    platform.empty() ? "" : R"(,"platform":)" + platform);
}
std::string choose(const std::string& entries, const std::string& platform) {
  const auto parsed = parse_manifest(R"({"manifests":[)" + entries + "]}", "", 127);
  if (!parsed) return parsed.error().message;
  const auto chosen = choose_platform(std::get<ManifestIndex>(*parsed), *parse_platform(platform));
  return chosen ? chosen->digest.substr(7, 1) : chosen.error().message;
}

TEST(ImageManifest, ReadsLayersInOrder) {
  const auto parsed =
      parse_manifest(manifest(layer() + "," + layer("application/vnd.docker.image.rootfs.diff.tar.gzip")),
                     "application/vnd.oci.image.manifest.v1+json", 127);
  ASSERT_TRUE(parsed) << parsed.error().message;
  const auto& m = std::get<Manifest>(*parsed);
  EXPECT_EQ(kA, m.config.digest);
  ASSERT_EQ(2U, m.layers.size());
  EXPECT_EQ(7U, m.layers[0].size);
}

TEST(ImageManifest, RefusesHostileDocuments) {
  std::string many = layer();
  for (int i = 0; i < 127; ++i) many += "," + layer();
  for (const std::string& text : {
           std::string(),
           std::string("[]"),
           std::string("null"),
           std::string("{"),
           std::string("{}"),
           std::string(R"({"layers":5,"config":{}})"),
           std::string(R"({"manifests":{}})"),
           manifest(many),
           manifest(layer("application/vnd.oci.image.layer.v1.tar+encrypted")),
           manifest(layer("")),
           manifest(R"({"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:../../x","size":1})"),
           manifest(descriptor(kA, "application/vnd.oci.image.layer.v1.tar", R"(,"size":-1)")),
           manifest(descriptor(kA, "application/vnd.oci.image.layer.v1.tar", R"(,"size":1e300)")),
           manifest(descriptor(kA, "application/vnd.oci.image.layer.v1.tar", R"(,"size":"7")")),
           manifest("5"),
           std::string(R"({"fsLayers":[],"history":[]})"),
           // Both a manifest and an index (CVE-2021-41190).
           manifest(layer()).substr(0, manifest(layer()).size() - 1) + R"(,"manifests":[]})",
       }) {
    EXPECT_FALSE(parse_manifest(text, "", 127)) << text.substr(0, 200);
  }
  EXPECT_FALSE(parse_manifest(manifest(""), "application/vnd.oci.image.index.v1+json", 127));
  EXPECT_FALSE(parse_manifest(R"({"manifests":[]})", "application/vnd.oci.image.manifest.v1+json", 127));
}

TEST(ImageManifest, DepthIsBounded) {
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += R"({"manifests":[)";
  EXPECT_FALSE(parse_manifest(deep, "", 127));
}

TEST(PlatformChoice, TakesWhatTheMachineRunsBest) {
  const std::string amd = R"({"os":"linux","architecture":"amd64"})";
  const std::string amd3 = R"({"os":"linux","architecture":"amd64","variant":"v3"})";
  const std::string arm64 = R"({"os":"linux","architecture":"arm64","variant":"v8"})";
  const std::string arm6 = R"({"os":"linux","architecture":"arm","variant":"v6"})";
  const std::string arm7 = R"({"os":"linux","architecture":"arm","variant":"v7"})";
  const std::string windows = R"({"os":"windows","architecture":"amd64"})";
  const std::string attestation = R"({"os":"unknown","architecture":"unknown"})";
  EXPECT_EQ("b", choose(entry(windows, 'a') + "," + entry(amd, 'b') + "," + entry(arm64, 'c'), "linux/amd64"));
  EXPECT_EQ("b", choose(entry(amd3, 'a') + "," + entry(amd, 'b'), "linux/amd64"));
  EXPECT_EQ("a", choose(entry(amd3, 'a') + "," + entry(amd, 'b'), "linux/amd64/v3"));
  EXPECT_EQ("b", choose(entry(amd3, 'a') + "," + entry(amd, 'b'), "linux/amd64/v2"));
  EXPECT_EQ("c", choose(entry(amd, 'a') + "," + entry(arm64, 'c'), "linux/arm64"));
  EXPECT_EQ("b", choose(entry(arm6, 'a') + "," + entry(arm7, 'b'), "linux/arm/v7"));
  EXPECT_EQ("a", choose(entry(arm6, 'a') + "," + entry(arm7, 'b'), "linux/arm/v6"));
  EXPECT_EQ("a", choose(entry("", 'a'), "linux/amd64"));
  EXPECT_EQ("b", choose(entry("", 'a') + "," + entry(amd, 'b'), "linux/amd64"));
  EXPECT_NE(std::string::npos, choose(entry(attestation, 'a') + "," + entry(arm64, 'b'), "linux/amd64")
                                   .find("there is no image for linux/amd64; the index offers linux/arm64/v8"));
}

TEST(ImageConfigDocument, ReadsWhatAContainerNeeds) {
  const auto parsed = parse_image_config(
      R"({"architecture":"amd64","os":"linux","created":"2026-01-01T00:00:00Z",
          "config":{"User":"u:g","Env":["A=b"],"Entrypoint":["/e"],"Cmd":null,"Volumes":{"/b":{},"/a":{}},
                    "WorkingDir":"/w","Labels":{"k":"v"},"StopSignal":"SIGUSR1","ExposedPorts":{"80/tcp":{}}},
          "rootfs":{"type":"layers","diff_ids":[")" +
          kA + R"("]}})",
      127);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ("u:g", parsed->config.user);
  EXPECT_EQ(std::vector<std::string>{"/e"}, parsed->config.entrypoint);
  EXPECT_TRUE(parsed->config.cmd.empty());
  EXPECT_EQ((std::vector<std::string>{"/a", "/b"}), parsed->config.volumes);
  EXPECT_EQ("v", parsed->config.labels.at("k"));
  EXPECT_EQ("SIGUSR1", parsed->config.stop_signal);
  EXPECT_EQ(std::vector<std::string>{kA}, parsed->diff_ids);
}

TEST(ImageConfigDocument, RefusesWrongTypes) {
  for (const std::string text :
       {R"({})", R"({"rootfs":{"diff_ids":["x"]}})", R"({"rootfs":{"diff_ids":[1]}})", R"({"rootfs":{"diff_ids":{}}})",
        R"({"rootfs":{"diff_ids":[]},"config":{"Env":"A"}})", R"({"rootfs":{"diff_ids":[]},"config":{"Cmd":[1]}})",
        R"({"rootfs":{"diff_ids":[]},"config":{"Labels":{"a":1}}})",
        R"({"rootfs":{"diff_ids":[]},"config":{"Volumes":["/a"]}})"})
    EXPECT_FALSE(parse_image_config(text, 127)) << text;
}

TEST(ChainIds, FollowTheSpecification) {
  EXPECT_EQ((std::vector<std::string>{kA, sha256_digest(kA + " " + kB)}), chain_ids({kA, kB}));
  EXPECT_TRUE(chain_ids({}).empty());
}

TEST(ImageIndex, SurvivesTheDisk) {
  ImageIndex index;
  index[kA] = StoredImage{kA, {kA, kB}, {kB}, 5, {{"docker.io/library/a:1", kB}}, "boot"};
  index[kB] = StoredImage{kB, {kB}, {}, 0, {}, ""};
  const auto decoded = decode_image_index(encode_image_index(index));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(index, *decoded);
  for (const std::string text : {"", "{}", R"({"version":1})", R"({"version":2,"images":[]})",
                                 R"({"version":1,"images":[{"id":"../x"}]})", R"({"version":1,"images":[5]})"})
    EXPECT_FALSE(decode_image_index(text)) << text;
}

TEST(ImageIndex, AMovedTagKeepsTheOldContentByDigest) {
  ImageIndex index;
  index[kA].id = kA;
  index[kB].id = kB;
  assign_reference(index, kA, {"h/a:1", kA});
  assign_reference(index, kA, {"h/a:1", kA});
  EXPECT_EQ((std::vector<StoredReference>{{"h/a:1", kA}}), index[kA].references);
  assign_reference(index, kB, {"h/a:1", kB});
  EXPECT_EQ((std::vector<StoredReference>{{"h/a@" + kA, kA}}), index[kA].references);
  EXPECT_EQ((std::vector<StoredReference>{{"h/a:1", kB}}), index[kB].references);
}

} // namespace
} // namespace keelson::cri
