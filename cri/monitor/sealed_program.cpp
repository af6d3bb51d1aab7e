#include "cri/monitor/sealed_program.hpp"

#include "base/file.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace keelson::cri::monitor {
namespace {

constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

// How much of a 64-bit ELF file the kernel loads: symbols and debug sections behind that need no copy in memory. The
// whole size if the file looks like anything else.
off_t loaded_size(int fd, off_t file_size) {
  Elf64_Ehdr header{};
  if (::pread(fd, &header, sizeof header, 0) != sizeof header) return file_size;
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64) return file_size;
  if (header.e_phentsize != sizeof(Elf64_Phdr)) return file_size;
  Elf64_Off end = header.e_phoff + std::uint64_t{header.e_phnum} * sizeof(Elf64_Phdr);
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    const auto at = static_cast<off_t>(header.e_phoff + i * sizeof segment);
    if (::pread(fd, &segment, sizeof segment, at) != sizeof segment) return file_size;
    end = std::max(end, segment.p_offset + segment.p_filesz);
  }
  return std::min(file_size, static_cast<off_t>(end));
}

} // namespace

Result<UniqueFd> seal_program(int fd, const char* name) {
  // MFD_EXEC asks for what vm.memfd_noexec would otherwise take away; kernels before 6.3 do not know it.
  UniqueFd memory(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC));
  if (!memory) memory.reset(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory) return fail_errno(errno, "make a file in memory");
  struct stat info {};
  if (::fstat(fd, &info) != 0) return fail_errno(errno, "stat the program");
  const off_t size = loaded_size(fd, info.st_size);
  off_t offset = 0;
  while (offset < size) {
    const ssize_t copied = ::sendfile(memory.get(), fd, &offset, static_cast<std::size_t>(size - offset));
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0) return fail_errno(errno, "copy the program");
    if (copied == 0) return fail(Code::data_loss, "copy the program: it became shorter");
  }
  if (::fchmod(memory.get(), 0555) != 0) return fail_errno(errno, "seal the program");
  // The kernel waits for whoever holds a page just now, such as compaction, for a sixth of a second, and says EBUSY
  // then.
  constexpr int kTries = 30;
  for (int attempt = 1; ::fcntl(memory.get(), F_ADD_SEALS, kSeals) != 0; ++attempt)
    if (errno != EBUSY || attempt == kTries) return fail_errno(errno, "seal the program");
  return memory;
}

Result<UniqueFd> open_sealed_self() {
  TRY_ASSIGN(UniqueFd self, open_at(AT_FDCWD, "/proc/self/exe", O_RDONLY));
  const int seals = ::fcntl(self.get(), F_GET_SEALS);
  if (seals >= 0 && (seals & F_SEAL_WRITE) != 0) return self;
  return seal_program(self.get(), "keelson-monitor");
}

} // namespace keelson::cri::monitor
