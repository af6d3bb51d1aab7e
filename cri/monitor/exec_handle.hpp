// What an ExecHandle holds. Private to the monitor client.
#pragma once

#include "cri/monitor/frame_socket.hpp"
#include "cri/monitor/monitor_client.hpp"

#include <optional>
#include <string>

namespace keelson::cri {

struct ExecHandle::State {
  monitor::FrameSocket socket;
  std::string socket_path;
  monitor::ExecStarted started;
  UniqueFd terminal;
  std::optional<monitor::ExecExited> exited;
};

} // namespace keelson::cri
