// keelsonctl: the command line of a node. See daemon/ctl/command_line.cpp for what it knows.
#include "base/text.hpp"
#include "daemon/ctl/command_line.hpp"
#include "daemon/ctl/commands.hpp"
#include "daemon/ctl/terminal.hpp"

#include <csignal>
#include <exception>

namespace keelson::daemon::ctl {

namespace {

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN); // print() ends quietly when nobody reads
  const Invocation invocation = parse_command_line(argc, argv);
  if (invocation.exit_status) return *invocation.exit_status;
  const Result<int> status = invocation.command();
  if (status) return *status;
  print_error("keelsonctl: " + printable(status.error().message, 8192) + "\n");
  return status.error().code == Code::unavailable ? kUnreachable : kFailure;
}

} // namespace

} // namespace keelson::daemon::ctl

int main(int argc, char** argv) {
  try {
    return keelson::daemon::ctl::main(argc, argv);
  } catch (const std::exception& e) {
    keelson::daemon::ctl::print_error(std::string("keelsonctl: ") + e.what() + "\n");
    return keelson::daemon::ctl::kFailure;
  }
}
