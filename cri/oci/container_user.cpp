#include "cri/oci/container_user.hpp"

#include "base/text.hpp"
#include "cri/proto/runtime_v1.pb.h"

#include <algorithm>
#include <array>

namespace keelson::cri {
namespace {

// A sign counts too: "-1" and "+0" are numbers out of range, not names.
bool looks_numeric(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

Result<std::uint32_t> checked_id(std::int64_t id, std::string_view what) {
  if (id < 0 || id > kMaxId) return fail(Code::invalid_argument, "{} {} is not between 0 and {}", what, id, kMaxId);
  return static_cast<std::uint32_t>(id);
}

Result<std::uint32_t> numeric_id(std::string_view text, std::string_view what) {
  const auto id = parse_int<std::uint64_t>(text); // no sign: "-0" is no id
  if (!id || *id > std::uint64_t{kMaxId})
    return fail(Code::invalid_argument, "{} \"{}\" is not between 0 and {}", what, printable(text, 64), kMaxId);
  return static_cast<std::uint32_t>(*id);
}

bool valid_name(std::string_view name) {
  if (name.empty() || name.size() > 256) return false;
  return std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return c > ' ' && c != 0x7f && c != ':' && c != ','; });
}

Result<> check_name(std::string_view name, std::string_view what) {
  if (!valid_name(name)) return fail(Code::invalid_argument, "{} \"{}\" is no valid name", what, printable(name, 64));
  return {};
}

// Calls visit with the fields of each line that has exactly N of them, until it returns true.
template <std::size_t N, class Visit>
bool find_line(std::string_view text, const Visit& visit) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::array<std::string_view, N> fields;
    std::size_t count = 0;
    std::size_t begin = 0;
    for (; count < N; ++count) {
      const std::size_t colon = line.find(':', begin);
      fields[count] = line.substr(begin, colon == std::string_view::npos ? colon : colon - begin);
      begin = colon == std::string_view::npos ? line.size() + 1 : colon + 1;
      if (colon == std::string_view::npos) {
        ++count;
        break;
      }
    }
    if (count == N && begin > line.size() && valid_name(fields[0]) && visit(fields)) return true;
  }
  return false;
}

struct PasswdEntry {
  std::string_view name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string_view home;
};

std::optional<PasswdEntry> find_user(const UserText& who, std::string_view passwd) {
  std::optional<PasswdEntry> found;
  find_line<7>(passwd, [&](const std::array<std::string_view, 7>& fields) {
    if (!who.uid && fields[0] != who.name) return false;
    const auto uid = numeric_id(fields[2], "uid");
    const auto gid = numeric_id(fields[3], "gid");
    if (!uid || !gid || (who.uid && *uid != *who.uid)) return false;
    found = PasswdEntry{fields[0], *uid, *gid, fields[5]};
    return true;
  });
  return found;
}

bool has_member(std::string_view members, std::string_view name) {
  for (std::size_t begin = 0; begin <= members.size();) {
    const std::size_t end = std::min(members.find(',', begin), members.size());
    if (trim(members.substr(begin, end - begin)) == name) return true;
    begin = end + 1;
  }
  return false;
}

void add_gid(std::vector<gid_t>& gids, gid_t gid) {
  if (std::find(gids.begin(), gids.end(), gid) == gids.end()) gids.push_back(gid);
}

Result<gid_t> group_of(const UserText& who, const std::optional<PasswdEntry>& entry, std::string_view groups) {
  if (who.gid) return *who.gid;
  if (who.group.empty()) return entry ? entry->gid : 0;
  std::optional<gid_t> found;
  find_line<4>(groups, [&](const std::array<std::string_view, 4>& fields) {
    if (fields[0] != who.group) return false;
    const auto gid = numeric_id(fields[2], "gid");
    if (gid) found = *gid;
    return found.has_value();
  });
  if (!found)
    return fail(Code::not_found, "no group \"{}\" in the image's /etc/group; use a number or another group",
                printable(who.group, 64));
  return *found;
}

// The home directory becomes the value of HOME and could hold anything: only a clean path is taken.
bool usable_home(std::string_view home) {
  return !home.empty() && home.front() == '/' && is_valid_utf8(home) && home.size() <= 4096 &&
         std::none_of(home.begin(), home.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; });
}

// NGROUPS_MAX of the kernel is 65536, but each number costs room in config.json and a search here.
constexpr std::size_t kMaxGroups = 1024;

} // namespace

Result<UserText> parse_user_text(std::string_view text) {
  UserText who;
  if (text.empty()) {
    who.uid = 0;
    return who;
  }
  const std::size_t colon = text.find(':');
  const std::string_view user = text.substr(0, colon);
  if (looks_numeric(user)) {
    TRY_ASSIGN(who.uid, numeric_id(user, "user"));
  } else {
    TRY(check_name(user, "user"));
    who.name = user;
  }
  if (colon == std::string_view::npos) return who;
  const std::string_view group = text.substr(colon + 1);
  if (looks_numeric(group)) {
    TRY_ASSIGN(who.gid, numeric_id(group, "group"));
  } else {
    TRY(check_name(group, "group"));
    who.group = group;
  }
  return who;
}

Result<UserRequest> user_request(const runtime::v1::LinuxContainerSecurityContext& context, const ImageConfig& image) {
  UserRequest request;
  if (context.has_run_as_user()) {
    TRY_ASSIGN(request.who.uid, checked_id(context.run_as_user().value(), "run_as_user"));
  } else if (!context.run_as_username().empty()) {
    if (looks_numeric(context.run_as_username())) {
      TRY_ASSIGN(request.who.uid, numeric_id(context.run_as_username(), "run_as_username"));
    } else {
      TRY(check_name(context.run_as_username(), "run_as_username"));
      request.who.name = context.run_as_username();
    }
  } else {
    if (context.has_run_as_group())
      return fail(Code::invalid_argument,
                  "run_as_group is set without run_as_user or run_as_username; set one of them");
    TRY_ASSIGN(request.who, parse_user_text(image.user));
  }
  if (context.has_run_as_group()) {
    TRY_ASSIGN(request.who.gid, checked_id(context.run_as_group().value(), "run_as_group"));
  }
  for (const std::int64_t gid : context.supplemental_groups()) {
    TRY_ASSIGN(const gid_t checked, checked_id(gid, "supplemental group"));
    add_gid(request.supplemental_gids, checked);
  }
  switch (context.supplemental_groups_policy()) {
  case runtime::v1::Merge:
    break;
  case runtime::v1::Strict:
    request.merge_image_groups = false;
    break;
  default:
    return fail(Code::invalid_argument, "supplemental_groups_policy {} is unknown",
                static_cast<int>(context.supplemental_groups_policy()));
  }
  return request;
}

Result<ResolvedUser> match_user(const UserRequest& request, std::string_view passwd, std::string_view group) {
  const std::optional<PasswdEntry> entry = find_user(request.who, passwd);
  if (!entry && !request.who.uid)
    return fail(Code::not_found, "no user \"{}\" in the image's /etc/passwd; use a number or another user",
                printable(request.who.name, 64));
  ResolvedUser user;
  user.uid = request.who.uid ? *request.who.uid : entry->uid;
  if (entry) {
    user.name = entry->name;
    if (usable_home(entry->home)) user.home = entry->home;
  }
  TRY_ASSIGN(user.gid, group_of(request.who, entry, group));

  // The primary group is listed too: a process that drops it could otherwise pass a rule that denies it
  // (CVE-2023-25173).
  add_gid(user.additional_gids, user.gid);
  for (const gid_t gid : request.supplemental_gids) add_gid(user.additional_gids, gid);
  if (request.merge_image_groups && !user.name.empty()) {
    find_line<4>(group, [&](const std::array<std::string_view, 4>& fields) {
      if (!has_member(fields[3], user.name)) return false;
      if (const auto gid = numeric_id(fields[2], "gid")) add_gid(user.additional_gids, *gid);
      return user.additional_gids.size() > kMaxGroups;
    });
  }
  if (user.additional_gids.size() > kMaxGroups)
    return fail(Code::invalid_argument, "user \"{}\" is in more than {} groups", printable(user.name, 64), kMaxGroups);
  return user;
}

Result<ImageUser> image_user(const ImageConfig& image) {
  TRY_ASSIGN(const UserText who, parse_user_text(image.user));
  ImageUser user;
  if (who.uid) user.uid = *who.uid;
  user.username = who.name;
  return user;
}

} // namespace keelson::cri
