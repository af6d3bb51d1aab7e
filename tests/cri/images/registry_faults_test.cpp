// Pulls from a registry that lies, breaks off, redirects, stalls and asks for passwords.
#include "base/file.hpp"
#include "cri/images/image_store.hpp"
#include "cri/images/registry_auth.hpp"
#include "cri/images/sha256.hpp"
#include "tests/cri/images/fault_server.hpp"
#include "tests/support/requirements.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/test_image.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>

namespace keelson::cri {
namespace {

using test::FaultAnswer;
using test::FaultRequest;
using test::FaultServer;

std::string random_text(std::size_t size) {
  std::mt19937 random(7);
  std::string text(size, '\0');
  for (auto& c : text) c = static_cast<char>(random());
  return text;
}

class RegistryFaults : public testing::Test {
 protected:
  void SetUp() override {
    KEELSON_REQUIRE(test::is_root(), "needs root: owners of unpacked files");
    test::TestImage image;
    image.layers.push_back({{{"one", S_IFREG | 0644, random_text(300000)}}});
    image.layers.push_back({{{"two", S_IFREG | 0644, "2"}}});
    auto made = test::build_image(image);
    ASSERT_TRUE(made);
    built = *made;
    for (const auto& [digest, content] : built.blobs) blobs[digest] = content;
    open();
  }

  void open() {
    store.reset();
    ImageStoreOptions o;
    o.root = dir / "root";
    o.registry_config_dir = dir / "certs.d";
    o.auth_files = {dir / "absent.json", dir / "auth.json"};
    o.platform = "linux/amd64";
    o.retry_delay = std::chrono::milliseconds(1);
    o.max_retries = 3;
    o.stall_timeout = std::chrono::milliseconds(1500);
    auto opened = ImageStore::open(o);
    ASSERT_TRUE(opened) << opened.error().message;
    store = std::move(*opened);
  }

  // What an honest registry answers.
  FaultAnswer honest(const FaultRequest& request) const {
    if (request.path == "/v2/app/manifests/1" || request.path == "/v2/app/manifests/" + built.manifest_digest)
      return {200,
              {{"Content-Type", built.manifest_type}, {"Docker-Content-Digest", built.manifest_digest}},
              built.manifest};
    const std::string prefix = "/v2/app/blobs/";
    if (request.path.substr(0, prefix.size()) != prefix) return {404, {}, ""};
    const auto blob = blobs.find(request.path.substr(prefix.size()));
    if (blob == blobs.end()) return {404, {}, ""};
    const auto range = request.headers.find("range");
    if (range == request.headers.end()) return {200, {}, blob->second};
    const auto start = std::stoul(range->second.substr(6));
    return {206,
            {{"Content-Range", fmt::format("bytes {}-{}/{}", start, blob->second.size() - 1, blob->second.size())}},
            blob->second.substr(start)};
  }
  bool is_layer(const FaultRequest& request) const { return request.path == "/v2/app/blobs/" + built.blobs[0].first; }

  Result<Image> pull(const FaultServer& server, RegistryCredentials credentials = {},
                     Deadline deadline = Deadline::never()) {
    PullRequest request;
    request.reference = server.host() + "/app:1";
    request.credentials = std::move(credentials);
    request.deadline = deadline;
    return store->pull(request);
  }
  void expect_nothing_visible() {
    EXPECT_TRUE(store->list().empty());
    EXPECT_TRUE(list_dir(dir / "root/layers")->empty());
    EXPECT_TRUE(list_dir(dir / "root/images/blobs/sha256")->empty());
  }

  test::TempDir dir{"faults"};
  test::BuiltImage built;
  std::map<std::string, std::string> blobs;
  std::unique_ptr<ImageStore> store;
};

TEST_F(RegistryFaults, ResumesABrokenBlob) {
  std::atomic<int> breaks = 0;
  FaultServer server([&](const FaultRequest& request) {
    FaultAnswer answer = honest(request);
    if (is_layer(request) && breaks++ < 6) answer.cut_after = answer.body.size() / 3;
    return answer;
  });
  const auto image = pull(server);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(built.config_digest, image->id);
  std::vector<std::string> ranges;
  for (const auto& request : server.requests())
    if (is_layer(request)) ranges.push_back(request.headers.count("range") != 0 ? request.headers.at("range") : "");
  ASSERT_EQ(7U, ranges.size());
  EXPECT_EQ("", ranges[0]);
  EXPECT_EQ(fmt::format("bytes={}-", built.blobs[0].second.size() / 3), ranges[1]);
}

TEST_F(RegistryFaults, ResumesWithAServerThatIgnoresRanges) {
  std::atomic<int> tries = 0;
  FaultServer server([&](FaultRequest request) {
    request.headers.erase("range");
    FaultAnswer answer = honest(request);
    if (is_layer(request) && tries++ == 0) answer.cut_after = 1000;
    return answer;
  });
  EXPECT_TRUE(pull(server));
}

TEST_F(RegistryFaults, AWrongRangeDoesNotMixBytes) {
  std::atomic<int> tries = 0;
  FaultServer server([&](const FaultRequest& request) {
    FaultAnswer answer = honest(request);
    if (!is_layer(request)) return answer;
    if (++tries == 1) answer.cut_after = 1000;
    if (tries == 2) answer.headers = {{"Content-Range", "bytes 5-9/10"}};
    if (tries == 3) return FaultAnswer{416, {}, ""};
    return answer;
  });
  EXPECT_TRUE(pull(server));
  EXPECT_EQ(4, tries);
}

TEST_F(RegistryFaults, WhatWasPulledBeforeTheEndIsResumedByTheNextProcess) {
  {
    FaultServer server([&](const FaultRequest& request) {
      FaultAnswer answer = honest(request);
      if (is_layer(request)) answer.cut_after = request.headers.count("range") != 0 ? 0 : 200000;
      return answer;
    });
    EXPECT_EQ(Code::unavailable, pull(server).error().code);
  }
  expect_nothing_visible();
  open();
  std::string range;
  FaultServer server([&](const FaultRequest& request) {
    if (is_layer(request)) range = request.headers.count("range") != 0 ? request.headers.at("range") : "none";
    return honest(request);
  });
  EXPECT_TRUE(pull(server));
  EXPECT_EQ("bytes=200000-", range);
}

TEST_F(RegistryFaults, DamagedLeftoversAreFetchedAnew) {
  const auto hex = built.blobs[0].first.substr(7);
  ASSERT_TRUE(write_file_atomic(dir / ("root/images/ingest/" + hex), std::string(5000, 'x')));
  FaultServer server([&](const FaultRequest& request) { return honest(request); });
  EXPECT_TRUE(pull(server));
}

TEST_F(RegistryFaults, WrongContentIsNeverUsed) {
  struct Case {
    std::string name;
    std::function<void(const FaultRequest&, FaultAnswer&)> lie;
  };
  const std::vector<Case> cases = {
      {"other layer",
       [&](const FaultRequest& r, FaultAnswer& a) {
         if (is_layer(r)) a.body[10] ^= 1;
       }},
      {"longer layer",
       [&](const FaultRequest& r, FaultAnswer& a) {
         if (is_layer(r)) a.body += "x";
       }},
      {"endless layer",
       [&](const FaultRequest& r, FaultAnswer& a) {
         if (is_layer(r)) a.body += std::string(5000000, 'x');
       }},
      {"other config",
       [&](const FaultRequest& r, FaultAnswer& a) {
         if (r.path.find(built.config_digest) != std::string::npos) a.body[1] ^= 1;
       }},
      {"other manifest",
       [&](const FaultRequest& r, FaultAnswer& a) {
         if (r.path == "/v2/app/manifests/1") a.body += " ";
       }},
  };
  for (const auto& c : cases) {
    FaultServer server([&](const FaultRequest& request) {
      FaultAnswer answer = honest(request);
      c.lie(request, answer);
      return answer;
    });
    const auto image = pull(server);
    ASSERT_FALSE(image) << c.name;
    EXPECT_EQ(Code::data_loss, image.error().code) << c.name << ": " << image.error().message;
    expect_nothing_visible();
  }
}

TEST_F(RegistryFaults, ADiffIdThatDoesNotFitIsRefused) {
  test::TestImage other;
  other.layers.push_back({{{"evil", S_IFREG | 0644, "evil"}}});
  const auto evil = test::build_image(other);
  ASSERT_TRUE(evil);
  // The manifest names another layer than the configuration means.
  std::string manifest = built.manifest;
  const auto at = manifest.find(built.blobs[1].first);
  manifest.replace(at, 71, evil->blobs[0].first);
  const std::string old_size = "\"size\":" + std::to_string(built.blobs[1].second.size());
  const auto size_at = manifest.find(old_size);
  ASSERT_NE(std::string::npos, size_at);
  manifest.replace(size_at, old_size.size(), "\"size\":" + std::to_string(evil->blobs[0].second.size()));
  blobs[evil->blobs[0].first] = evil->blobs[0].second;
  FaultServer server([&](const FaultRequest& request) {
    if (request.path == "/v2/app/manifests/1")
      return FaultAnswer{200, {{"Content-Type", built.manifest_type}}, manifest};
    return honest(request);
  });
  const auto image = pull(server);
  ASSERT_FALSE(image);
  EXPECT_EQ(Code::data_loss, image.error().code) << image.error().message;
  expect_nothing_visible();
}

TEST_F(RegistryFaults, HugeAnswersAreNotBuffered) {
  for (const std::string where : {"/v2/app/manifests/1", "config"}) {
    FaultServer server([&](const FaultRequest& request) {
      FaultAnswer answer = honest(request);
      if (request.path.find(where == "config" ? built.config_digest : where) != std::string::npos)
        answer.body = std::string(std::size_t{6} << 20, ' ');
      return answer;
    });
    const auto image = pull(server);
    ASSERT_FALSE(image);
    EXPECT_EQ(Code::resource_exhausted, image.error().code) << image.error().message;
  }
}

TEST_F(RegistryFaults, GarbageAnswersAreErrors) {
  const std::vector<std::string> garbage = {
      "\xff\xfe\xfd",
      "HTTP/1.1 abc\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx",
      "HTTP/0.9 200\r\n\r\n",
      "HTTP/1.1 200 OK\r\n" + std::string(300000, 'a') + ": b\r\n\r\n",
      "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=\"file:///etc/passwd\"\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
      "HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 302 Go\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 302 Go\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"};
  for (const auto& raw : garbage) {
    FaultServer server([&](const FaultRequest&) { return FaultAnswer{200, {}, "", {}, false, {}, raw}; });
    const auto image = pull(server);
    EXPECT_FALSE(image) << raw.substr(0, 80);
    expect_nothing_visible();
  }
}

TEST_F(RegistryFaults, RedirectLoopsEnd) {
  FaultServer server([&](const FaultRequest&) { return FaultAnswer{307, {{"Location", "/v2/again"}}, ""}; });
  const auto image = pull(server);
  ASSERT_FALSE(image);
  EXPECT_LE(server.requests().size(), 60U);
}

TEST_F(RegistryFaults, IndexesOfIndexesEnd) {
  const std::string index_type = "application/vnd.oci.image.index.v1+json";
  std::map<std::string, std::string> documents;
  std::string inner = built.manifest;
  for (int i = 0; i < 20; ++i) {
    const std::string digest = sha256_digest(inner);
    documents[digest] = inner;
    inner = fmt::format(
        R"({{"schemaVersion":2,"mediaType":"{}","manifests":[{{"mediaType":"{}","digest":"{}","size":{}}}]}})",
        index_type, i == 0 ? built.manifest_type : index_type, digest, inner.size());
  }
  FaultServer server([&](const FaultRequest& request) {
    if (request.path == "/v2/app/manifests/1") return FaultAnswer{200, {}, inner};
    const auto known = documents.find(request.path.substr(request.path.rfind('/') + 1));
    return known == documents.end() ? honest(request) : FaultAnswer{200, {}, known->second};
  });
  EXPECT_EQ(Code::invalid_argument, pull(server).error().code);
  EXPECT_LE(server.requests().size(), 3U);
}

TEST_F(RegistryFaults, BlobsMayBeElsewhereButCredentialsStayHere) {
  FaultServer storage([&](const FaultRequest& request) {
    FaultRequest inner = request;
    inner.path = "/v2/app/blobs/" + request.path.substr(1);
    return honest(inner);
  });
  FaultServer server([&](const FaultRequest& request) {
    if (request.headers.count("authorization") == 0)
      return FaultAnswer{401, {{"WWW-Authenticate", "Basic realm=\"x\""}}, ""};
    if (!is_layer(request)) return honest(request);
    return FaultAnswer{307, {{"Location", storage.url() + "/" + built.blobs[0].first + "?signature=topsecret"}}, ""};
  });
  RegistryCredentials credentials;
  credentials.username = "me";
  credentials.password = "hunter2";
  EXPECT_TRUE(pull(server, credentials));
  ASSERT_EQ(1U, storage.requests().size());
  EXPECT_EQ(0U, storage.requests()[0].headers.count("authorization"));
  EXPECT_EQ("signature=topsecret", storage.requests()[0].query);
}

TEST_F(RegistryFaults, NoSecretIsEverShown) {
  const auto leak_free = [](const std::string& message) {
    for (const std::string secret : {"topsecret", "hunter2", "tokentoken", "aHVudGVy"})
      EXPECT_EQ(std::string::npos, message.find(secret)) << message;
  };
  RegistryCredentials credentials;
  credentials.username = "me";
  credentials.password = "hunter2";
  for (const int status : {400, 401, 403, 404, 500}) {
    FaultServer storage([&](const FaultRequest& request) {
      return FaultAnswer{status, {}, "SignatureDoesNotMatch topsecret " + request.query};
    });
    FaultServer server([&](const FaultRequest& request) {
      if (is_layer(request)) return FaultAnswer{307, {{"Location", storage.url() + "/x?signature=topsecret"}}, ""};
      return honest(request);
    });
    const auto image = pull(server, credentials);
    ASSERT_FALSE(image);
    leak_free(image.error().message);
  }
  FaultServer bearer([&](const FaultRequest& request) {
    if (request.path == "/token") return FaultAnswer{200, {}, R"({"token":"tokentoken"})"};
    const auto sent = request.headers.find("authorization");
    if (sent == request.headers.end())
      return FaultAnswer{
          401, {{"WWW-Authenticate", "Bearer realm=\"http://" + request.headers.at("host") + "/token\""}}, ""};
    return FaultAnswer{403, {}, R"({"errors":[{"code":"DENIED","message":"no access with )" + sent->second + "\"}]}"};
  });
  const auto image = pull(bearer, credentials);
  ASSERT_FALSE(image);
  EXPECT_EQ(Code::permission_denied, image.error().code);
  leak_free(image.error().message);
}

TEST_F(RegistryFaults, TokensAreFetchedForTheRepository) {
  std::string url;
  std::atomic<int> used_tokens = 0;
  FaultServer server([&](const FaultRequest& request) {
    if (request.path == "/token") {
      const bool known = request.headers.count("authorization") != 0 &&
                         request.headers.at("authorization") == "Basic " + base64_encode("me:hunter2");
      if (!known) return FaultAnswer{401, {}, ""};
      EXPECT_EQ("service=reg%20istry&scope=repository%3Aapp%3Apull", request.query);
      return FaultAnswer{200, {}, fmt::format(R"({{"access_token":"token{}"}})", ++used_tokens)};
    }
    // The first token is good for the manifest only.
    const std::string good = request.path.find("/manifests/") != std::string::npos ? "Bearer token1" : "Bearer token2";
    if (request.headers.count("authorization") == 0 || request.headers.at("authorization") != good)
      return FaultAnswer{401,
                         {{"WWW-Authenticate",
                           "Bearer realm=\"" + url + "/token\",service=\"reg istry\",scope=\"repository:app:pull\""}},
                         ""};
    return honest(request);
  });
  url = server.url();
  RegistryCredentials credentials;
  credentials.auth = base64_encode("me:hunter2");
  const auto image = pull(server, credentials);
  EXPECT_TRUE(image) << image.error().message;
  EXPECT_EQ(2, used_tokens);
  credentials.auth = base64_encode("me:wrong");
  const auto refused = pull(server, credentials);
  ASSERT_FALSE(refused);
  EXPECT_EQ(Code::unauthenticated, refused.error().code);
  EXPECT_NE(std::string::npos, refused.error().message.find("refused the credentials for app"))
      << refused.error().message;
  const auto anonymous = pull(server);
  ASSERT_FALSE(anonymous);
  EXPECT_EQ(Code::unauthenticated, anonymous.error().code);
  EXPECT_NE(std::string::npos, anonymous.error().message.find("imagePullSecrets")) << anonymous.error().message;
}

TEST_F(RegistryFaults, IdentityTokensAreExchanged) {
  std::string url;
  FaultServer server([&](const FaultRequest& request) {
    if (request.path == "/token") {
      EXPECT_EQ("POST", request.method);
      EXPECT_NE(std::string::npos, request.body.find("grant_type=refresh_token"));
      EXPECT_NE(std::string::npos, request.body.find("refresh_token=id%2Btoken"));
      return FaultAnswer{200, {}, R"({"access_token":"fresh"})"};
    }
    if (request.headers.count("authorization") == 0)
      return FaultAnswer{401, {{"WWW-Authenticate", "Bearer realm=\"" + url + "/token\""}}, ""};
    EXPECT_EQ("Bearer fresh", request.headers.at("authorization"));
    return honest(request);
  });
  url = server.url();
  ASSERT_TRUE(
      write_file_atomic(dir / "auth.json", R"({"auths":{")" + server.host() + R"(":{"identitytoken":"id+token"}}})"));
  const auto image = pull(server); // from the node's file
  EXPECT_TRUE(image) << image.error().message;
}

TEST_F(RegistryFaults, MirrorsAreAskedInOrder) {
  FaultServer empty([&](const FaultRequest&) { return FaultAnswer{404, {}, ""}; });
  FaultServer liar([&](const FaultRequest& request) {
    FaultAnswer answer = honest(request);
    if (is_layer(request)) answer.body[0] ^= 1;
    return answer;
  });
  FaultServer good([&](const FaultRequest& request) { return honest(request); });
  ASSERT_TRUE(make_dirs(dir / "certs.d/example.com", 0755));
  ASSERT_TRUE(
      write_file_atomic(dir / "certs.d/example.com/hosts.toml",
                        fmt::format("server = \"{}\"\n[host.\"{}\"]\n[host.\"{}\"]\ncapabilities = [\"pull\"]\n",
                                    good.url(), empty.url(), liar.url())));
  PullRequest request;
  request.reference = "example.com/app:1";
  const auto image = store->pull(request);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(std::vector<std::string>{"example.com/app:1"}, image->repo_tags);
  ASSERT_FALSE(empty.requests().empty());
  EXPECT_EQ("ns=example.com", empty.requests()[0].query);
  for (const auto& asked : liar.requests()) EXPECT_EQ(std::string::npos, asked.path.find("manifests/1"));
  for (const auto& asked : good.requests()) EXPECT_EQ("", asked.query);
}

TEST_F(RegistryFaults, ADeadMirrorIsAskedOnceOrTwice) {
  std::atomic<int> asked = 0;
  FaultServer dead([&](const FaultRequest&) {
    ++asked;
    return FaultAnswer{503, {}, ""};
  });
  FaultServer good([&](const FaultRequest& request) { return honest(request); });
  ASSERT_TRUE(make_dirs(dir / "certs.d/example.com", 0755));
  ASSERT_TRUE(write_file_atomic(dir / "certs.d/example.com/hosts.toml",
                                fmt::format("server = \"{}\"\n[host.\"{}\"]\n", good.url(), dead.url())));
  PullRequest request;
  request.reference = "example.com/app:1";
  EXPECT_TRUE(store->pull(request));
  EXPECT_EQ(2, asked);
}

TEST_F(RegistryFaults, BusyServersAreTriedAgain) {
  std::atomic<int> tries = 0;
  FaultServer server([&](const FaultRequest& request) {
    if (++tries <= 2) return FaultAnswer{tries == 1 ? 503 : 429, {}, ""};
    return honest(request);
  });
  EXPECT_TRUE(pull(server));
}

TEST_F(RegistryFaults, ASilentPeerIsGivenUp) {
  FaultServer server([&](const FaultRequest& request) {
    FaultAnswer answer = honest(request);
    if (is_layer(request)) {
      answer.cut_after = 100;
      answer.stall = true;
    }
    return answer;
  });
  const auto start = std::chrono::steady_clock::now();
  const auto late = pull(server, {}, Deadline::after(std::chrono::milliseconds(300)));
  EXPECT_EQ(Code::deadline_exceeded, late.error().code) << late.error().message;
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  std::stop_source cancel;
  std::thread canceller([&] { cancel.request_stop(); });
  PullRequest request;
  request.reference = server.host() + "/app:1";
  request.cancel = cancel.get_token();
  EXPECT_EQ(Code::cancelled, store->pull(request).error().code);
  canceller.join();
  store.reset(); // ends what still runs
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15));
}

TEST_F(RegistryFaults, StalledBlobsGoOnAfterTheTimeout) {
  std::atomic<int> stalls = 0;
  FaultServer server([&](const FaultRequest& request) {
    FaultAnswer answer = honest(request);
    if (is_layer(request) && stalls++ == 0) {
      answer.cut_after = 100;
      answer.stall = true;
    }
    return answer;
  });
  const auto image = pull(server);
  EXPECT_TRUE(image) << image.error().message;
}

TEST_F(RegistryFaults, PlainAndEmptyImagesWork) {
  test::TestImage nothing;
  auto made = test::build_image(nothing);
  ASSERT_TRUE(made);
  built = *made;
  blobs.clear();
  for (const auto& [digest, content] : built.blobs) blobs[digest] = content;
  FaultServer server([&](const FaultRequest& request) { return honest(request); });
  const auto image = pull(server);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_TRUE(image->layers.empty());
}

} // namespace
} // namespace keelson::cri
