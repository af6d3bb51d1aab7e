#include "cri/monitor/sealed_program.hpp"

#include "base/file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include <cerrno>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace keelson::cri::monitor {
namespace {

constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

} // namespace

Result<UniqueFd> seal_program(int fd, const char* name) {
  // MFD_EXEC asks for what vm.memfd_noexec would otherwise take away; kernels before 6.3 do not know it.
  UniqueFd memory(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC));
  if (!memory) memory.reset(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory) return fail_errno(errno, "make a file in memory");
  struct stat info {};
  if (::fstat(fd, &info) != 0) return fail_errno(errno, "stat the program");
  off_t offset = 0;
  while (offset < info.st_size) {
    const ssize_t copied = ::sendfile(memory.get(), fd, &offset, static_cast<std::size_t>(info.st_size - offset));
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0) return fail_errno(errno, "copy the program");
    if (copied == 0) return fail(Code::data_loss, "copy the program: it became shorter");
  }
  if (::fchmod(memory.get(), 0555) != 0 || ::fcntl(memory.get(), F_ADD_SEALS, kSeals) != 0)
    return fail_errno(errno, "seal the program");
  return memory;
}

Result<UniqueFd> open_sealed_self() {
  TRY_ASSIGN(UniqueFd self, open_at(AT_FDCWD, "/proc/self/exe", O_RDONLY));
  const int seals = ::fcntl(self.get(), F_GET_SEALS);
  if (seals >= 0 && (seals & F_SEAL_WRITE) != 0) return self;
  return seal_program(self.get(), "keelson-monitor");
}

} // namespace keelson::cri::monitor
