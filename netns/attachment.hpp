// What BridgeNetwork remembers of one attached sandbox: <dir>/<sandbox id>, JSON, written before the kernel is touched,
// so that a crash never leaves a link, rule or address without a record.
#pragma once

#include "base/error.hpp"
#include "netns/ip_address.hpp"
#include "netns/pod_network.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace keelson::netns {

struct Attachment {
  std::string sandbox_id;
  PodName pod;
  std::vector<IpAddress> ips;
  std::vector<PortMapping> ports; // those with a host port
};

std::string format_attachment(const Attachment& attachment);
Result<Attachment> parse_attachment(std::string_view text);

// The files. Blocks; not thread-safe for one sandbox.
class AttachmentStore {
 public:
  static Result<AttachmentStore> open(const std::string& dir); // makes the directory
  Result<> save(const Attachment& attachment) const;
  Result<> remove(const std::string& sandbox_id) const;
  // Files that do not parse are logged and left out: their links and addresses are freed as nobody's by reconcile.
  Result<std::vector<Attachment>> load() const;

 private:
  explicit AttachmentStore(std::string dir)
      : dir_(std::move(dir)) {}
  std::string dir_;
};

} // namespace keelson::netns
