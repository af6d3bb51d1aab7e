// Who a container's process runs as: the rules of CRI and of image USER fields. Pure; rootfs_user.hpp reads the files.
#pragma once

#include "base/error.hpp"
#include "cri/images/image_config.hpp"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace runtime::v1 {
class LinuxContainerSecurityContext;
} // namespace runtime::v1

namespace keelson::cri {

constexpr std::int64_t kMaxId = 0x7fffffff; // ids above 2^31-1 are refused everywhere (CVE-2024-40635, CVE-2026-46680)

// "", "5", "5:6", "name", "name:group". A text of digits is a number, never a name, whatever its size.
struct UserText {
  std::optional<uid_t> uid;
  std::string name;
  std::optional<gid_t> gid;
  std::string group;
};
Result<UserText> parse_user_text(std::string_view text);

struct UserRequest {
  UserText who;
  std::vector<gid_t> supplemental_gids;
  bool merge_image_groups = true; // SupplementalGroupsPolicy Merge
};

// run_as_user, else run_as_username, else the image's USER; run_as_group needs one of the first two (CRI).
Result<UserRequest> user_request(const runtime::v1::LinuxContainerSecurityContext& context, const ImageConfig& image);

struct ResolvedUser {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> additional_gids; // the primary group first, then what was asked or merged; no duplicates
  std::string name;                   // of /etc/passwd; empty if it has none
  std::string home = "/";
};

// passwd and group are the texts of /etc/passwd and /etc/group (passwd(5), group(5)); malformed lines and lines with
// ids out of range are skipped, and nothing is copied: they may be large. not_found names the user or group that they
// lack. A number needs no entry: its group is then 0, as in Docker.
Result<ResolvedUser> match_user(const UserRequest& request, std::string_view passwd, std::string_view group);

// The uid and username fields of CRI's Image: one of them, from the image's USER ("" is uid 0).
struct ImageUser {
  std::optional<std::int64_t> uid;
  std::string username;
};
Result<ImageUser> image_user(const ImageConfig& image);

} // namespace keelson::cri
