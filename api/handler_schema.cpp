#include "api/schemas.hpp"

namespace keelson::api {

const Schema& schema_of(Type<ExecAction>) {
  static const Field kFields[] = {
      field<&ExecAction::command>("command"),
  };
  static const Schema kSchema = make_schema<ExecAction>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<HttpHeader>) {
  static const Field kFields[] = {
      field<&HttpHeader::name>("name", Presence::always),
      field<&HttpHeader::value>("value", Presence::always),
  };
  static const Schema kSchema = make_schema<HttpHeader>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<HttpGetAction>) {
  static const Field kFields[] = {
      field<&HttpGetAction::path>("path"),
      field<&HttpGetAction::port>("port", Presence::always),
      field<&HttpGetAction::host>("host"),
      field<&HttpGetAction::scheme>("scheme"),
      field<&HttpGetAction::http_headers>("httpHeaders"),
  };
  static const Schema kSchema = make_schema<HttpGetAction>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<TcpSocketAction>) {
  static const Field kFields[] = {
      field<&TcpSocketAction::port>("port", Presence::always),
      field<&TcpSocketAction::host>("host"),
  };
  static const Schema kSchema = make_schema<TcpSocketAction>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<GrpcAction>) {
  static const Field kFields[] = {
      field<&GrpcAction::port>("port", Presence::always),
      field<&GrpcAction::service>("service"),
  };
  static const Schema kSchema = make_schema<GrpcAction>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<Probe>) {
  static const Field kFields[] = {
      field<&Probe::exec>("exec"),
      field<&Probe::http_get>("httpGet"),
      field<&Probe::tcp_socket>("tcpSocket"),
      field<&Probe::grpc>("grpc"),
      field<&Probe::initial_delay_seconds>("initialDelaySeconds"),
      field<&Probe::timeout_seconds>("timeoutSeconds"),
      field<&Probe::period_seconds>("periodSeconds"),
      field<&Probe::success_threshold>("successThreshold"),
      field<&Probe::failure_threshold>("failureThreshold"),
      field<&Probe::termination_grace_period_seconds>("terminationGracePeriodSeconds"),
  };
  static const Schema kSchema = make_schema<Probe>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<SleepAction>) {
  static const Field kFields[] = {
      field<&SleepAction::seconds>("seconds", Presence::always),
  };
  static const Schema kSchema = make_schema<SleepAction>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<LifecycleHandler>) {
  static const Field kFields[] = {
      field<&LifecycleHandler::exec>("exec"),
      field<&LifecycleHandler::http_get>("httpGet"),
      field<&LifecycleHandler::tcp_socket>("tcpSocket"),
      field<&LifecycleHandler::sleep>("sleep"),
  };
  static const Schema kSchema = make_schema<LifecycleHandler>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<Lifecycle>) {
  static const Field kFields[] = {
      field<&Lifecycle::post_start>("postStart"),
      field<&Lifecycle::pre_stop>("preStop"),
      field<&Lifecycle::stop_signal>("stopSignal"),
  };
  static const Schema kSchema = make_schema<Lifecycle>(kFields);
  return kSchema;
}

} // namespace keelson::api
