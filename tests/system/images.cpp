#include "tests/system/images.hpp"

#include "base/file.hpp"

namespace keelson::test {

namespace {

constexpr const char* kPasswd = "root:x:0:0:root:/root:/bin/sh\n"
                                "nobody:x:65534:65534:nobody:/:/bin/false\n"
                                "app:x:1000:1000:app:/tmp:/bin/sh\n";
constexpr const char* kGroup = "root:x:0:\nnobody:x:65534:\napp:x:1000:\nextra:x:2000:app\n";

Result<TestImage> base_image(const std::string& config) {
  TRY_ASSIGN(TestImage image, busybox_image(config));
  image.layers.push_back({{{.name = "etc/passwd", .content = kPasswd}, {.name = "etc/group", .content = kGroup}}});
  return image;
}

Result<> push(const TestRegistry& registry, const TestImage& image, const std::string& repository) {
  TRY_ASSIGN(const BuiltImage built, build_image(image));
  return push_image(registry, built, repository, "1");
}

} // namespace

Result<std::unique_ptr<ImageWorld>> ImageWorld::start() {
  auto world = std::make_unique<ImageWorld>();
  TRY_ASSIGN(world->registry_, TestRegistry::start());
  TRY_ASSIGN(const TestImage busybox, base_image(R"({"Cmd":["/bin/sh"],"Env":["PATH=/bin:/sbin"]})"));
  TRY_ASSIGN(world->busybox_, build_image(busybox));
  TRY(push_image(*world->registry_, world->busybox_, "library/busybox", "1"));
  TRY_ASSIGN(TestImage configured,
             base_image(R"({"Entrypoint":["/bin/echo","entry"],"Cmd":["default"],"WorkingDir":"/work",)"
                        R"("Env":["PATH=/bin","A=image","B=image"],"User":"app","StopSignal":"SIGUSR1",)"
                        R"("Volumes":{"/data":{}},"Labels":{"maintainer":"nobody"}})"));
  configured.layers.push_back({{{.name = "data", .mode = S_IFDIR | 0755},
                                {.name = "data/file", .content = "from the image\n"},
                                {.name = "work", .mode = S_IFDIR | 0755}}});
  TRY(push(*world->registry_, configured, "configured"));
  TRY_ASSIGN(TestImage bad_user, busybox_image(R"({"Cmd":["/bin/sh"],"User":"4294967296"})"));
  bad_user.layers.push_back({{{.name = "etc/passwd", .content = "4294967296:x:0:0::/:/bin/sh\n"}}});
  TRY(push(*world->registry_, bad_user, "bad-user"));
  return world;
}

Result<> ImageWorld::introduce(const Node& node) const {
  const std::string dir = node.dir() + "/certs.d/registry.test";
  TRY(make_dirs(dir, 0755));
  return write_file_atomic(
      dir + "/hosts.toml",
      fmt::format("server = \"{0}\"\n[host.\"{0}\"]\ncapabilities = [\"pull\", \"resolve\"]\n", registry_->url()));
}

} // namespace keelson::test
