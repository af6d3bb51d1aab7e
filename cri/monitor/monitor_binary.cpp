#include "base/file.hpp"
#include "cri/monitor/monitor_client.hpp"
#include "cri/monitor/sealed_program.hpp"

namespace keelson::cri {

Result<MonitorBinary> MonitorBinary::load(const std::string& path) {
  TRY_ASSIGN(const UniqueFd file, open_at(AT_FDCWD, path, O_RDONLY));
  auto sealed = monitor::seal_program(file.get(), "keelson-monitor");
  if (!sealed) return Fail(std::move(sealed).error().context(path));
  return MonitorBinary(std::move(*sealed));
}

} // namespace keelson::cri
