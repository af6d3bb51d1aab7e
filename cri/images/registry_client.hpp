// The pull side of the registry API v2 (OCI distribution-spec): manifests and blobs of one repository, over the hosts
// that are configured for its registry.
#pragma once

#include "base/error.hpp"
#include "cri/images/blob_store.hpp"
#include "cri/images/http_client.hpp"
#include "cri/images/image_reference.hpp"
#include "cri/images/image_source.hpp"
#include "cri/images/image_store.hpp"
#include "cri/images/registry_hosts.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace keelson::cri {

struct RegistryClientOptions {
  ImageReference reference;
  std::vector<RegistryHost> hosts; // asked in this order
  RegistryCredentials credentials; // of the request
  // What the node's own files have for a host; used when the request's credentials do not fit it.
  std::function<std::optional<RegistryCredentials>(const std::string& host)> stored_credentials;
  std::size_t max_manifest_bytes = std::size_t{4} << 20;
  unsigned max_retries = 5;
  std::chrono::milliseconds retry_delay = std::chrono::milliseconds(300);
  std::stop_token cancel;
};

// Thread-safe; blocks. Network failures, 429 and 5xx are tried again with growing pauses, blobs from where they broke
// off; what a host cannot give is asked of the next one. Credentials go only to a host that asked for them and to the
// token server that it names, never along a redirect to another host.
class RegistryClient final : public ImageSource {
 public:
  RegistryClient(HttpClient& http, RegistryClientOptions options);
  ~RegistryClient() override;

  Result<SourceDocument> manifest(const std::string& reference, std::uint64_t expected_size) override;
  Result<std::string> document(const Descriptor& blob) override;
  Result<> blob(BlobIngest& ingest) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

} // namespace keelson::cri
