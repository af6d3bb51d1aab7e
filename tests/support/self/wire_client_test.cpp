// The wire client against a server made of the generated code: both must mean the same bytes.
#include "cri/proto/runtime_v1.grpc.pb.h"
#include "tests/support/temp_dir.hpp"
#include "tests/support/wire_client.hpp"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

namespace keelson::test {

namespace {

namespace v1 = runtime::v1;

// Answers Version with what it was asked; sends two events, then waits until the client goes away.
class SmallServer final : public v1::RuntimeService::Service {
 public:
  grpc::Status Version(grpc::ServerContext*, const v1::VersionRequest* request,
                       v1::VersionResponse* response) override {
    response->set_version(request->version());
    response->set_runtime_name("small");
    return grpc::Status::OK;
  }
  grpc::Status StopContainer(grpc::ServerContext*, const v1::StopContainerRequest* request,
                             v1::StopContainerResponse*) override {
    return {grpc::StatusCode::NOT_FOUND, request->container_id() + "/" + std::to_string(request->timeout())};
  }
  grpc::Status GetContainerEvents(grpc::ServerContext* context, const v1::GetEventsRequest*,
                                  grpc::ServerWriter<v1::ContainerEventResponse>* writer) override {
    for (const char* id : {"one", "two"}) {
      v1::ContainerEventResponse event;
      event.set_container_id(id);
      event.set_container_event_type(v1::CONTAINER_STOPPED_EVENT);
      event.set_created_at(5000000000);
      writer->Write(event);
    }
    std::unique_lock lock(mutex_);
    while (!context->IsCancelled()) wake_.wait_for(lock, std::chrono::milliseconds(5));
    return grpc::Status::CANCELLED;
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
};

class WireClientTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto path = dir_ / "cri.sock";
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix://" + path, grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    auto client = WireClient::connect(path);
    ASSERT_TRUE(client.has_value()) << client.error().message;
    client_ = std::move(*client);
  }
  void TearDown() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
  }

  TempDir dir_;
  SmallServer service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<WireClient> client_;
};

TEST_F(WireClientTest, CallsByNameWithJson) {
  const auto reply = client_->call("Version", R"({"version":"v1"})");
  ASSERT_TRUE(reply.ok()) << reply.message;
  EXPECT_EQ(reply.json.at("version").as_string(), "v1");
  EXPECT_EQ(reply.json.at("runtime_name").as_string(), "small");
  EXPECT_EQ(reply.json.at("runtime_api_version").as_string(), ""); // unset fields are there
}

TEST_F(WireClientTest, GivesTheStatusOfAFailedCall) {
  const auto reply = client_->call("StopContainer", R"({"container_id":"abc","timeout":"7"})");
  EXPECT_EQ(reply.code, grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(reply.message, "abc/7");
  EXPECT_EQ(client_->call("ListImages", "{}").code, grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(client_->call_raw("Version", "\xff\xff\xff").code, grpc::StatusCode::INTERNAL);
}

TEST_F(WireClientTest, RefusesWhatTheFactsDoNotKnow) {
  EXPECT_EQ(client_->call("Frobnicate", "{}").code, -1);
  EXPECT_EQ(client_->call("Version", R"({"colour":"red"})").code, -1);
}

TEST_F(WireClientTest, ReadsAStreamAndCancelsIt) {
  const auto stream = client_->open_stream("GetContainerEvents", "{}");
  ASSERT_NE(stream, nullptr);
  const auto one = stream->next(std::chrono::seconds(10));
  const auto two = stream->next(std::chrono::seconds(10));
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->at("container_id").as_string(), "one");
  EXPECT_EQ(two->at("container_event_type").as_string(), "CONTAINER_STOPPED_EVENT");
  EXPECT_EQ(two->at("created_at").as_string(), "5000000000"); // proto3 JSON: int64 is a string
  EXPECT_FALSE(stream->next(std::chrono::milliseconds(10)).has_value());
  EXPECT_FALSE(stream->ended());
  EXPECT_EQ(stream->finish().code, grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(stream->ended());
}

} // namespace

} // namespace keelson::test
