#include "tests/support/wire_client.hpp"

#include "base/json.hpp"
#include "tests/support/wire_descriptors.hpp"
#include "tests/support/wire_facts.hpp"

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <atomic>

#ifndef KEELSON_CRI_FACTS
#error "meson defines where the table of wire facts is"
#endif

namespace keelson::test {

namespace {

namespace pb = google::protobuf;

grpc::ByteBuffer to_buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

std::string to_bytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const auto& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

// Tags on a completion queue are addresses that only need to differ.
void* tag(int number) {
  static char places[8];
  return &places[number];
}

} // namespace

struct WireClient::State {
  pb::DescriptorPool pool;
  pb::DynamicMessageFactory factory{&pool};
  std::vector<const pb::ServiceDescriptor*> services;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<grpc::GenericStub> stub;

  const pb::MethodDescriptor* find(const std::string& method) const {
    for (const auto* service : services)
      if (const auto* found = service->FindMethodByName(method)) return found;
    return nullptr;
  }

  static std::string path_of(const pb::MethodDescriptor& method) {
    return "/" + method.service()->full_name() + "/" + method.name();
  }

  Result<std::string> encode(const pb::MethodDescriptor& method, const std::string& request_json) {
    const std::unique_ptr<pb::Message> message(factory.GetPrototype(method.input_type())->New());
    const auto status = pb::util::JsonStringToMessage(request_json, message.get());
    if (!status.ok()) return fail(Code::invalid_argument, "{}: {}", method.name(), std::string(status.message()));
    return message->SerializeAsString();
  }

  void decode(const pb::MethodDescriptor& method, const std::string& bytes, WireReply& reply) {
    const std::unique_ptr<pb::Message> message(factory.GetPrototype(method.output_type())->New());
    pb::util::JsonPrintOptions options;
    options.always_print_primitive_fields = true;
    options.preserve_proto_field_names = true;
    if (!message->ParseFromString(bytes) || !pb::util::MessageToJsonString(*message, &reply.text, options).ok()) {
      reply = {-1, "the reply to " + method.name() + " is no " + method.output_type()->name(), {}, {}};
      return;
    }
    if (auto parsed = json::parse(reply.text)) reply.json = std::move(*parsed);
  }
};

WireClient::WireClient(std::unique_ptr<State> state)
    : state_(std::move(state)) {}
WireClient::~WireClient() = default;

Result<std::unique_ptr<WireClient>> WireClient::connect(const std::string& socket_path) {
  TRY_ASSIGN(const auto facts, read_wire_facts(KEELSON_CRI_FACTS));
  auto state = std::make_unique<State>();
  pb::FileDescriptorProto file_proto;
  describe(facts, file_proto);
  const auto* file = state->pool.BuildFile(file_proto);
  if (file == nullptr) return fail(Code::internal, "the wire facts make no protocol");
  for (int i = 0; i < file->service_count(); ++i) state->services.push_back(file->service(i));
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  // Channels with equal arguments share a connection; a test that restarts the server wants its own.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  for (const char* backoff :
       {GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, GRPC_ARG_MAX_RECONNECT_BACKOFF_MS})
    arguments.SetInt(backoff, 100);
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  state->channel = grpc::CreateCustomChannel("unix://" + socket_path, grpc::InsecureChannelCredentials(), arguments);
  state->stub = std::make_unique<grpc::GenericStub>(state->channel);
  return std::unique_ptr<WireClient>(new WireClient(std::move(state)));
}

WireReply WireClient::call(const std::string& method, const std::string& request_json,
                           std::chrono::milliseconds timeout) {
  const auto* descriptor = state_->find(method);
  if (descriptor == nullptr) return {-1, "the facts know no call " + method, {}, {}};
  auto bytes = state_->encode(*descriptor, request_json);
  if (!bytes) return {-1, bytes.error().message, {}, {}};
  return call_raw(method, *bytes, timeout);
}

WireReply WireClient::call_raw(const std::string& method, const std::string& bytes, std::chrono::milliseconds timeout) {
  const auto* descriptor = state_->find(method);
  if (descriptor == nullptr) return {-1, "the facts know no call " + method, {}, {}};
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + timeout);
  grpc::CompletionQueue queue;
  grpc::ByteBuffer response;
  grpc::Status status;
  auto reader = state_->stub->PrepareUnaryCall(&context, State::path_of(*descriptor), to_buffer(bytes), &queue);
  reader->StartCall();
  reader->Finish(&response, &status, tag(1));
  void* done = nullptr;
  bool good = false;
  queue.Next(&done, &good);
  WireReply reply{status.error_code(), status.error_message(), {}, {}};
  if (status.ok()) state_->decode(*descriptor, to_bytes(response), reply);
  return reply;
}

namespace {

// One call on a queue of its own. The reading thread owns the queue; the tags are the operations in their order.
class GrpcStream final : public WireStream {
 public:
  using Decode = std::function<void(const std::string&, WireReply&)>;

  GrpcStream(grpc::GenericStub& stub, const std::string& path, const std::string& bytes, Decode decode)
      : decode_(std::move(decode)) {
    call_ = stub.PrepareCall(&context_, path, &queue_);
    call_->StartCall(tag(kStart));
    if (!await(kStart)) {
      ended_ = true;
      return;
    }
    call_->WriteLast(to_buffer(bytes), grpc::WriteOptions(), tag(kWrite));
    if (!await(kWrite)) ended_ = true;
  }
  ~GrpcStream() override { finish(); }

  std::optional<boost::json::value> next(std::chrono::milliseconds patience) override {
    if (ended_) return std::nullopt;
    if (!reading_) {
      buffer_.Clear();
      call_->Read(&buffer_, tag(kRead));
      reading_ = true;
    }
    void* done = nullptr;
    bool good = false;
    const auto deadline = std::chrono::system_clock::now() + patience;
    if (queue_.AsyncNext(&done, &good, deadline) != grpc::CompletionQueue::GOT_EVENT) return std::nullopt;
    reading_ = false;
    if (!good) {
      ended_ = true;
      return std::nullopt;
    }
    WireReply reply;
    decode_(to_bytes(buffer_), reply);
    return reply.json;
  }

  bool ended() const override { return ended_; }
  void cancel() override { context_.TryCancel(); }

  WireReply finish() override {
    if (finished_) return *finished_;
    if (!ended_) cancel();
    if (reading_) await(kRead);
    grpc::Status status;
    call_->Finish(&status, tag(kFinish));
    await(kFinish);
    ended_ = true;
    finished_ = WireReply{status.error_code(), status.error_message(), {}, {}};
    return *finished_;
  }

 private:
  enum Operation { kStart = 1, kWrite, kRead, kFinish };

  bool await(int operation) {
    void* done = nullptr;
    bool good = false;
    return queue_.Next(&done, &good) && done == tag(operation) && good;
  }

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer buffer_;
  Decode decode_;
  bool reading_ = false;
  std::atomic<bool> ended_ = false;
  std::optional<WireReply> finished_;
};

} // namespace

std::unique_ptr<WireStream> WireClient::open_stream(const std::string& method, const std::string& request_json) {
  const auto* descriptor = state_->find(method);
  if (descriptor == nullptr || !descriptor->server_streaming()) return nullptr;
  const auto bytes = state_->encode(*descriptor, request_json);
  if (!bytes) return nullptr;
  auto decode = [this, descriptor](const std::string& data, WireReply& reply) {
    state_->decode(*descriptor, data, reply);
  };
  return std::make_unique<GrpcStream>(*state_->stub, State::path_of(*descriptor), *bytes, std::move(decode));
}

} // namespace keelson::test
