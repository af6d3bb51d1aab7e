#include "cri/images/image_reference.hpp"

#include <gtest/gtest.h>

#include <string>

namespace keelson::cri {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

TEST(ImageReference, FillsInTheDefaults) {
  struct Case {
    std::string text;
    std::string canonical;
  };
  for (const auto& c : {
           Case{"busybox", "docker.io/library/busybox:latest"},
           Case{"busybox:1.36", "docker.io/library/busybox:1.36"},
           Case{"user/app", "docker.io/user/app:latest"},
           Case{"index.docker.io/busybox", "docker.io/library/busybox:latest"},
           Case{"docker.io/library/busybox", "docker.io/library/busybox:latest"},
           Case{"localhost/app", "localhost/app:latest"},
           Case{"host:5000/app", "host:5000/app:latest"},
           Case{"127.0.0.1:5000/a/b/c:v1", "127.0.0.1:5000/a/b/c:v1"},
           Case{"[::1]:5000/app", "[::1]:5000/app:latest"},
           Case{"registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"},
           Case{"example.com/a__b/c--d.e_f", "example.com/a__b/c--d.e_f:latest"},
           Case{"app@" + kDigest, "docker.io/library/app@" + kDigest},
           Case{"app:1@" + kDigest, "docker.io/library/app@" + kDigest},
       }) {
    const auto parsed = parse_image_reference(c.text);
    ASSERT_TRUE(parsed) << c.text << ": " << parsed.error().message;
    EXPECT_EQ(c.canonical, parsed->canonical());
    EXPECT_EQ(c.canonical, parse_image_reference(parsed->canonical())->canonical());
  }
}

TEST(ImageReference, RefusesWhatNoRegistryWouldTake) {
  for (const std::string& text : {std::string(),
                                  std::string("UPPER/Case"),
                                  std::string("Busybox"),
                                  std::string("a//b"),
                                  std::string("a/"),
                                  std::string("/a"),
                                  std::string("host:port/a"),
                                  std::string("host:99999/a"),
                                  std::string("a:"),
                                  std::string("a:.x"),
                                  std::string("a:b:c"),
                                  std::string("a@sha256:12"),
                                  std::string("a@md5:12"),
                                  std::string("a@" + kDigest + "0"),
                                  std::string("a@" + kDigest + "@" + kDigest),
                                  std::string("../../etc/passwd"),
                                  std::string("a/../b"),
                                  std::string("a b"),
                                  std::string("a\nb"),
                                  std::string("a\0b", 3),
                                  std::string("http://a/b"),
                                  std::string("user:pass@host/a"),
                                  std::string("-a.com/b"),
                                  std::string("[::1/a"),
                                  std::string("[::g]/a"),
                                  std::string("a___b"),
                                  std::string("a..b"),
                                  std::string("_a"),
                                  std::string(64, 'a'),
                                  std::string(300, 'a'),
                                  std::string(250, 'a'),
                                  std::string(2000, 'a'),
                                  "a:" + std::string(129, 'b'),
                                  std::string("host.com/"),
                                  std::string("host.com") + "/A"}) {
    const auto parsed = parse_image_reference(text);
    EXPECT_FALSE(parsed) << text;
    EXPECT_EQ(Code::invalid_argument, parsed ? Code::unknown : parsed.error().code);
  }
}

TEST(ImageReference, MessageShowsNoControlCharacters) {
  EXPECT_EQ(std::string::npos, parse_image_reference("a\x1b[2J").error().message.find('\x1b'));
}

TEST(Sha256Digest, IsExact) {
  EXPECT_TRUE(is_sha256_digest(kDigest));
  EXPECT_FALSE(is_sha256_digest("sha256:" + std::string(64, 'A')));
  EXPECT_FALSE(is_sha256_digest("sha256:" + std::string(63, 'a')));
  EXPECT_FALSE(is_sha256_digest("sha512:" + std::string(64, 'a')));
  EXPECT_FALSE(is_sha256_digest(""));
}

} // namespace
} // namespace keelson::cri
