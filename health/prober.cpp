#include "health/prober.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "health/grpc_probe.hpp"
#include "health/http_probe.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <future>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace keelson::health {

namespace asio = boost::asio;

struct Prober::State : std::enable_shared_from_this<Prober::State> {
  explicit State(ProberOptions chosen)
      : options(std::move(chosen))
      , resolver(options.name_lookups) {
    tls.set_verify_mode(asio::ssl::verify_none);
    // Nothing is verified and nothing secret is sent: a server with a short key is alive, too.
    SSL_CTX_set_cipher_list(tls.native_handle(), "DEFAULT:@SECLEVEL=0");
  }

  void run() {
    ::pthread_setname_np(::pthread_self(), "probes");
    while (!io.stopped()) {
      try {
        io.run();
      } catch (const std::exception& e) {
        log::error("probes: unexpected exception: {}", e.what());
      }
    }
  }

  void start_socket_probe(std::uint64_t id, const ProbeAction& action, std::chrono::nanoseconds timeout,
                          const std::shared_ptr<ProbeCall>& call);
  void start_grpc_probe(std::uint64_t id, const GrpcAction& action, std::chrono::nanoseconds timeout, Done done);
  void cancel(std::uint64_t id);
  void shut_down();

  ProberOptions options;
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(io);
  asio::ssl::context tls{asio::ssl::context::tls_client};
  HostResolver resolver;
  std::thread thread;

  std::unordered_map<std::uint64_t, std::shared_ptr<SocketProbe>> socket_probes; // on the thread only

  std::mutex mutex; // guards next_id, calls, and grpc while it is being made
  std::uint64_t next_id = 1;
  std::unordered_map<std::uint64_t, std::shared_ptr<ProbeCall>> calls;
  std::shared_ptr<GrpcProber> grpc; // shared with cancellations under way
};

// On the thread.
void Prober::State::start_socket_probe(std::uint64_t id, const ProbeAction& action, std::chrono::nanoseconds timeout,
                                       const std::shared_ptr<ProbeCall>& call) {
  if (call->settled()) return;
  const auto forget = [this, id] {
    socket_probes.erase(id);
    const std::lock_guard lock(mutex);
    calls.erase(id);
  };
  SocketProbeContext context{io, resolver, timeout, call, weak_from_this(), forget};
  std::shared_ptr<SocketProbe> probe;
  if (const auto* tcp = std::get_if<TcpAction>(&action)) {
    probe = make_tcp_probe(*tcp, std::move(context));
  } else {
    auto request = make_http_request(std::get<HttpAction>(action), options.user_agent);
    if (!request) {
      call->finish({Verdict::failure, request.error().message});
      forget();
      return;
    }
    probe = make_http_probe(std::move(*request), tls, std::move(context));
  }
  socket_probes.emplace(id, probe);
  probe->start();
}

void Prober::State::start_grpc_probe(std::uint64_t id, const GrpcAction& action, std::chrono::nanoseconds timeout,
                                     Done done) {
  {
    const std::lock_guard lock(mutex);
    if (!grpc) grpc = std::make_shared<GrpcProber>(options.user_agent); // costs threads: only when it is needed
  }
  const auto call = std::make_shared<ProbeCall>([this, id, done = std::move(done)](ProbeOutcome outcome) {
    {
      const std::lock_guard lock(mutex);
      calls.erase(id);
    }
    done(std::move(outcome));
  });
  {
    const std::lock_guard lock(mutex);
    calls.emplace(id, call);
  }
  grpc->start(id, action, timeout, call);
}

void Prober::State::cancel(std::uint64_t id) {
  std::shared_ptr<ProbeCall> call;
  std::shared_ptr<GrpcProber> grpc_prober;
  {
    const std::lock_guard lock(mutex);
    const auto found = calls.find(id);
    if (found == calls.end()) return;
    call = std::move(found->second);
    calls.erase(found);
    grpc_prober = grpc;
  }
  call->abandon();
  if (grpc_prober) grpc_prober->cancel(id);
  asio::post(io, [this, id] {
    const auto found = socket_probes.find(id);
    if (found == socket_probes.end()) return;
    const auto probe = found->second; // abort() forgets it
    probe->abort();
  });
}

void Prober::State::shut_down() {
  {
    const std::lock_guard lock(mutex);
    for (const auto& [id, call] : calls) call->abandon();
    calls.clear();
  }
  io.stop();
  thread.join();
  socket_probes.clear();
  std::shared_ptr<GrpcProber> last;
  {
    const std::lock_guard lock(mutex);
    last.swap(grpc);
  }
}

Prober::Prober(ProberOptions options)
    : state_(std::make_shared<State>(std::move(options))) {
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

Prober::~Prober() {
  state_->shut_down();
}

Prober::Cancel Prober::start(const ProbeAction& action, std::chrono::nanoseconds timeout, Done done) {
  if (std::holds_alternative<ExecAction>(action)) {
    done({Verdict::error, "an exec probe is not a network probe"});
    return [] {};
  }
  timeout = std::clamp<std::chrono::nanoseconds>(timeout, std::chrono::milliseconds(1), std::chrono::hours(24));
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(state_->mutex);
    id = state_->next_id++;
  }
  if (const auto* grpc = std::get_if<GrpcAction>(&action)) {
    state_->start_grpc_probe(id, *grpc, timeout, std::move(done));
  } else {
    const auto call = std::make_shared<ProbeCall>(std::move(done));
    {
      const std::lock_guard lock(state_->mutex);
      state_->calls.emplace(id, call);
    }
    asio::post(state_->io, [state = state_.get(), id, action, timeout, call] {
      state->start_socket_probe(id, action, timeout, call);
    });
  }
  return [state = std::weak_ptr<State>(state_), id] {
    if (const auto alive = state.lock()) alive->cancel(id);
  };
}

ProbeOutcome Prober::run(const ProbeAction& action, std::chrono::nanoseconds timeout) {
  const auto promise = std::make_shared<std::promise<ProbeOutcome>>();
  auto outcome = promise->get_future();
  start(action, timeout, [promise](ProbeOutcome o) { promise->set_value(std::move(o)); });
  return outcome.get();
}

ProbeOutcome run_exec_probe(const ExecAction& action, std::chrono::nanoseconds timeout, const ExecFn& exec) {
  if (action.command.empty()) return {Verdict::error, "the exec probe has no command"};
  if (!exec) return {Verdict::error, "exec probes cannot be run here"};
  const auto timed_out = [&] {
    return ProbeOutcome{Verdict::failure,
                        fmt::format("command \"{}\" timed out after {:g}s", printable(join(action.command, " "), 256),
                                    std::chrono::duration<double>(timeout).count())};
  };
  Result<ExecOutcome> result = exec(action.command, timeout);
  if (!result) {
    if (result.error().code == Code::deadline_exceeded) return timed_out();
    return {Verdict::error, result.error().message};
  }
  if (result->timed_out) return timed_out();
  if (result->output.size() > kMaxProbeOutput) result->output.resize(kMaxProbeOutput);
  return {result->exit_code == 0 ? Verdict::success : Verdict::failure, std::move(result->output)};
}

} // namespace keelson::health
