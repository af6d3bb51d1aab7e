// The language between keelsond and keelson-monitor: messages and their wire form. Pure; any thread; no system calls.
//
// A unix stream socket carries frames in both directions: a header of 12 bytes (payload size u32, type u16, number of
// descriptors u16, tag u32, all little-endian), then the payload. The descriptors travel as SCM_RIGHTS with the frame's
// first byte. A reply repeats the tag of its request; events have tag 0, except exec_exited, which has its exec's.
// A payload is a list of fields: id u16, size u32, bytes. Numbers are 8 bytes, lists repeat their field, messages nest.
// Unknown fields are skipped and absent ones keep their defaults, so that a newer daemon talks to an older monitor and
// the other way round. An unknown request type is answered with unimplemented.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cri::monitor {

inline constexpr std::uint32_t kProtocolVersion = 1;
inline constexpr std::size_t kHeaderSize = 12;
inline constexpr std::size_t kMaxPayload = std::size_t{4} << 20;
inline constexpr std::size_t kMaxFds = 8;          // of one frame
inline constexpr std::size_t kMaxElements = 32768; // of one list

enum class Type : std::uint16_t {
  // requests, each answered by `error` or by the reply in brackets
  hello = 1,        // Hello [hello_reply]
  subscribe = 2,    // Empty [done]: events come on this connection from now on
  create = 3,       // CreateRequest [created]
  exec = 4,         // ExecRequest, descriptors: stdin, stdout, stderr unless tty [exec_started; later exec_exited]
  signal = 5,       // SignalRequest [done]
  resize = 6,       // ResizeRequest [done]
  reopen_log = 7,   // ContainerRequest [done]
  close_stdin = 8,  // ContainerRequest [done]
  list = 9,         // Empty [listed]
  forget = 10,      // ContainerRequest [done]
  start_infra = 11, // Empty [infra_started]
  shutdown = 12,    // Empty [done, then the monitor ends]
  attach = 13,      // AttachRequest, descriptors: stdout, stderr as asked [attached, descriptor: stdin if asked]
  signal_exec = 14, // SignalExecRequest [done]

  error = 0x8000,         // ErrorReply
  done = 0x8001,          // Empty
  hello_reply = 0x8002,   // HelloReply
  created = 0x8003,       // ProcessReply
  exec_started = 0x8004,  // ExecStarted, descriptor: the terminal's master if tty
  listed = 0x8005,        // ListReply
  infra_started = 0x8006, // ProcessReply
  attached = 0x8007,      // Empty

  container_exited = 0x4001, // ContainerExited
  container_oom = 0x4002,    // ContainerOom
  exec_exited = 0x4003,      // ExecExited, only to the connection that started it
  infra_exited = 0x4004,     // Empty
};

struct Header {
  std::uint32_t size = 0; // of the payload
  Type type = Type::error;
  std::uint16_t fds = 0;
  std::uint32_t tag = 0;
};

struct Empty {
  template <class S, class V>
  static void fields(S&, V&) {}
};

struct Hello {
  std::uint64_t version = kProtocolVersion;
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.version);
  }
};

struct HelloReply {
  std::uint64_t version = kProtocolVersion;
  std::string program_version;
  std::uint64_t pid = 0;
  std::uint64_t start_time = 0; // clock ticks since boot
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.version), v(2, s.program_version), v(3, s.pid), v(4, s.start_time);
  }
};

struct ErrorReply {
  std::uint64_t code = 2; // keelson::Code
  std::uint64_t sys_errno = 0;
  std::string message;
  std::uint64_t exit_code = 0; // of an exec that did not start: 127 not found, 126 not executable
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.code), v(2, s.sys_errno), v(3, s.message), v(4, s.exit_code);
  }
};

struct CreateRequest {
  std::string id;
  std::vector<std::string> argv;  // the runtime's create, complete: --pid-file and, with tty, --console-socket included
  std::vector<std::string> env;   // of the runtime
  std::string bundle;             // the runtime's working directory
  std::string pid_file;           // the path given to --pid-file
  std::string console_socket;     // tty: the path given to --console-socket; the monitor listens there
  std::string runtime_log;        // the path given to --log with --log-format json; empty: none
  std::string log_path;           // CRI log file; empty: output is thrown away
  std::uint64_t log_max_size = 0; // bytes; 0: never rotated
  std::uint64_t log_max_files = 0; // the active one included, as kubelet's containerLogMaxFiles; 0 is taken as 5
  std::string exit_record;         // path of the exit record
  std::string memory_events;       // cgroup v2 memory.events or v1 memory.oom_control; empty: OOM is not told apart
  bool tty = false;
  bool stdin_open = false;               // a pipe that the monitor keeps open; otherwise /dev/null
  std::uint64_t timeout_ms = 0;          // the runtime is killed then; 0: never
  std::vector<std::string> cgroup_procs; // joined by the runtime process itself; empty: the monitor's own
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.id), v(2, s.argv), v(3, s.env), v(4, s.bundle), v(5, s.pid_file), v(6, s.console_socket);
    v(7, s.runtime_log), v(8, s.log_path), v(9, s.log_max_size), v(10, s.log_max_files), v(11, s.exit_record);
    v(12, s.memory_events), v(13, s.tty), v(14, s.stdin_open), v(15, s.timeout_ms), v(16, s.cgroup_procs);
  }
};

struct ProcessReply {
  std::uint64_t pid = 0;
  std::uint64_t start_time = 0; // clock ticks since boot
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.pid), v(2, s.start_time);
  }
};

// Bit n is capability n (capability.h).
struct CapabilityMasks {
  std::uint64_t bounding = 0;
  std::uint64_t effective = 0;
  std::uint64_t permitted = 0;
  std::uint64_t inheritable = 0;
  std::uint64_t ambient = 0;
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.bounding), v(2, s.effective), v(3, s.permitted), v(4, s.inheritable), v(5, s.ambient);
  }
};

struct ResourceLimit {
  std::uint64_t resource = 0; // RLIMIT_*
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.resource), v(2, s.soft), v(3, s.hard);
  }
};

// A process to run inside a container. The monitor joins every namespace in which the container's init differs from it.
struct ExecRequest {
  std::string id;                // container
  std::vector<std::string> argv; // argv[0] without a slash is looked up in env's PATH, inside the container
  std::vector<std::string> env;  // complete, HOME included
  std::string cwd = "/";
  std::uint64_t uid = 0;
  std::uint64_t gid = 0;
  std::vector<std::uint64_t> groups; // supplementary; exactly these
  std::uint64_t umask = 022;
  CapabilityMasks capabilities;
  bool no_new_privileges = false;
  std::vector<ResourceLimit> rlimits;
  std::optional<std::int64_t> oom_score_adj;
  std::string seccomp;                   // sock_filter array, native byte order; empty: none
  std::uint64_t seccomp_flags = 0;       // SECCOMP_FILTER_FLAG_*
  std::string apparmor_profile;          // empty: inherited
  std::string selinux_label;             // empty: inherited
  std::vector<std::string> cgroup_procs; // cgroup.procs of the container in every hierarchy but tracking_cgroup's
  // The container's cgroup directory on v2, or in the v1 freezer hierarchy. The process is put into a child cgroup
  // made below it, which is how a timeout finds every descendant. Empty: descendants are found through /proc.
  std::string tracking_cgroup;
  std::uint64_t timeout_ms = 0; // everything the exec started is killed then; 0: never
  bool tty = false;
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
  bool kill_on_disconnect = true; // when the connection that asked closes
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.id), v(2, s.argv), v(3, s.env), v(4, s.cwd), v(5, s.uid), v(6, s.gid), v(7, s.groups), v(8, s.umask);
    v(9, s.capabilities), v(10, s.no_new_privileges), v(11, s.rlimits), v(12, s.oom_score_adj), v(13, s.seccomp);
    v(14, s.seccomp_flags), v(15, s.apparmor_profile), v(16, s.selinux_label), v(17, s.cgroup_procs);
    v(18, s.tracking_cgroup), v(19, s.timeout_ms), v(20, s.tty), v(21, s.rows), v(22, s.columns);
    v(23, s.kill_on_disconnect);
  }
};

struct ExecStarted {
  std::uint64_t exec_id = 0;
  std::uint64_t pid = 0;
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.exec_id), v(2, s.pid);
  }
};

struct ExecExited {
  std::uint64_t exec_id = 0;
  std::uint64_t exit_code = 0; // 128 + signal if a signal ended it
  std::uint64_t signal = 0;
  bool timed_out = false;
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.exec_id), v(2, s.exit_code), v(3, s.signal), v(4, s.timed_out);
  }
};

struct ContainerRequest {
  std::string id;
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.id);
  }
};

struct SignalRequest {
  std::string id;
  std::uint64_t signal = 0;
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.id), v(2, s.signal);
  }
};

struct SignalExecRequest {
  std::uint64_t exec_id = 0;
  std::uint64_t signal = 0;
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.exec_id), v(2, s.signal);
  }
};

struct ResizeRequest {
  std::string id;
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.id), v(2, s.rows), v(3, s.columns);
  }
};

// The monitor copies the container's raw output to the given descriptors, which it makes non-blocking; one that is full
// is dropped, the container never waits for it.
struct AttachRequest {
  std::string id;
  bool want_stdin = false; // the reply carries the container's stdin (the terminal, with tty)
  bool has_stdout = false; // the request carries a descriptor for it
  bool has_stderr = false;
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.id), v(2, s.want_stdin), v(3, s.has_stdout), v(4, s.has_stderr);
  }
};

// How a container ended. Kept by the monitor and as a small file that outlives it.
struct ExitRecord {
  std::uint64_t exit_code = 0; // 128 + signal if a signal ended it
  std::uint64_t signal = 0;
  bool oom_killed =
      false; // init died by SIGKILL while its cgroup's oom_kill counter rose, and nobody asked the monitor for SIGKILL
  std::uint64_t oom_kills = 0;  // all OOM kills in the container's cgroup during its life
  std::int64_t finished_at = 0; // nanoseconds since 1970
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.exit_code), v(2, s.signal), v(3, s.oom_killed), v(4, s.oom_kills), v(5, s.finished_at);
  }
  bool operator==(const ExitRecord&) const = default;
};

struct ContainerExited {
  std::string id;
  ExitRecord record;
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.id), v(2, s.record);
  }
};

struct ContainerOom {
  std::string id;
  std::uint64_t oom_kills = 0;
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.id), v(2, s.oom_kills);
  }
};

struct ContainerState {
  std::string id;
  std::uint64_t pid = 0; // 0 while the runtime creates it
  std::uint64_t start_time = 0;
  std::optional<ExitRecord> exit;
  std::uint64_t log_bytes = 0;      // written to the log
  std::uint64_t log_lost_bytes = 0; // output that could not be written (disk full)
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.id), v(2, s.pid), v(3, s.start_time), v(4, s.exit), v(5, s.log_bytes), v(6, s.log_lost_bytes);
  }
};

struct ListReply {
  std::vector<ContainerState> containers;
  std::uint64_t infra_pid = 0; // 0: none
  std::uint64_t infra_start_time = 0;
  std::uint64_t execs = 0; // running now
  template <class S, class V>
  static void fields(S& s, V& v) {
    v(1, s.containers), v(2, s.infra_pid), v(3, s.infra_start_time), v(4, s.execs);
  }
};

std::string encode_header(const Header& header);
// The first kHeaderSize bytes. invalid_argument if the size or the number of descriptors is over its limit.
Result<Header> decode_header(std::string_view bytes);

// A whole frame. resource_exhausted if the payload is over kMaxPayload. Defined for every message above.
template <class Message>
Result<std::string> encode_frame(Type type, std::uint32_t tag, const Message& message, std::size_t fds = 0);

// invalid_argument for anything malformed: sizes beyond the payload, numbers of another size, lists that are too long.
template <class Message>
Result<Message> decode(std::string_view payload);

// One line of JSON with a newline, and back. Unknown keys are skipped; invalid_argument for anything that is not a flat
// object of numbers and booleans, or lacks exit_code.
std::string format_exit_record(const ExitRecord& record);
Result<ExitRecord> parse_exit_record(std::string_view text);

} // namespace keelson::cri::monitor
