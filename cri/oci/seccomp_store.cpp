#include "cri/oci/seccomp_store.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "cri/oci/seccomp_compiler.hpp"
#include "cri/proto/runtime_v1.pb.h"

#include <sys/stat.h>

namespace keelson::cri {
namespace {

constexpr std::size_t kMaxProfile = std::size_t{1} << 20;

Result<> check_reference(const std::string& reference) {
  if (reference.empty())
    return fail(Code::invalid_argument,
                "seccomp: the localhost profile has no name; name a file or use RuntimeDefault");
  if (reference.size() > 4095 || reference.find('\0') != std::string::npos)
    return fail(Code::invalid_argument, "seccomp: the localhost profile's name is not valid");
  for (const std::string_view part : split(reference, '/'))
    if (part == "..")
      return fail(Code::invalid_argument, "seccomp: localhost profile \"{}\" has .. in its path", printable(reference));
  return {};
}

Result<UniqueFd> open_profile(const std::string& root, const std::string& reference) {
  if (reference.front() == '/') return open_at(AT_FDCWD, reference, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (root.empty())
    return fail(Code::failed_precondition, "no directory of seccomp profiles is configured; use an absolute path");
  TRY_ASSIGN(const UniqueFd dir, open_dir(root));
  return open_in_root(dir.get(), reference, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

Result<std::string> read_profile(const std::string& root, const std::string& reference) {
  TRY_ASSIGN(const UniqueFd file, open_profile(root, reference));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return fail_errno(errno, "stat");
  if (!S_ISREG(status.st_mode)) return fail(Code::failed_precondition, "is not a regular file");
  return read_all(file.get(), kMaxProfile);
}

// Every conditional rule is checked as well, whether this container would get it or not.
Result<> check_compiles(const SeccompProfile& profile) {
  for (const std::uint64_t capabilities : {std::uint64_t{0}, ~std::uint64_t{0}}) {
    const auto program = compile_seccomp(resolve_seccomp(profile, {native_seccomp_arch(), capabilities, {~0U, ~0U}}));
    if (!program) return Fail(program.error());
  }
  return {};
}

} // namespace

Result<std::shared_ptr<const SeccompProfile>> SeccompStore::load(const std::string& reference) const {
  TRY(check_reference(reference));
  const std::string what = fmt::format("seccomp profile \"{}\"", printable(reference));
  auto text = read_profile(root_, reference);
  if (!text) return Fail(std::move(text).error().context(what));
  auto profile = parse_seccomp_profile(*text);
  if (!profile) return Fail(std::move(profile).error().context(what));
  TRY_CONTEXT(check_compiles(*profile), "{}", what);
  return std::make_shared<const SeccompProfile>(std::move(*profile));
}

Result<std::shared_ptr<const SeccompProfile>>
SeccompStore::choose(const runtime::v1::LinuxContainerSecurityContext& context) const {
  using runtime::v1::SecurityProfile;
  const auto runtime_default = [&]() -> std::shared_ptr<const SeccompProfile> {
    if (context.privileged()) return nullptr;
    return {std::shared_ptr<void>(), &default_seccomp_profile()};
  };
  // A privileged container is confined by no profile, but a wrong reference is told.
  const auto localhost = [&](const std::string& reference) -> Result<std::shared_ptr<const SeccompProfile>> {
    TRY_ASSIGN(auto profile, load(reference));
    if (context.privileged()) profile.reset();
    return profile;
  };
  if (context.has_seccomp()) {
    switch (context.seccomp().profile_type()) {
    case SecurityProfile::RuntimeDefault:
      return runtime_default();
    case SecurityProfile::Unconfined:
      return std::shared_ptr<const SeccompProfile>();
    case SecurityProfile::Localhost:
      return localhost(context.seccomp().localhost_ref());
    default:
      return fail(Code::invalid_argument, "seccomp profile type {} is unknown",
                  static_cast<int>(context.seccomp().profile_type()));
    }
  }
  // The field of clients before seccomp became a message.
  const std::string& path = context.seccomp_profile_path();
  if (path.empty() || path == "unconfined") return std::shared_ptr<const SeccompProfile>();
  if (path == "runtime/default" || path == "docker/default") return runtime_default();
  constexpr std::string_view kLocalhost = "localhost/";
  if (path.compare(0, kLocalhost.size(), kLocalhost) == 0) return localhost(path.substr(kLocalhost.size()));
  return fail(Code::invalid_argument,
              "seccomp_profile_path \"{}\" is none of runtime/default, unconfined, localhost/PATH", printable(path));
}

} // namespace keelson::cri
