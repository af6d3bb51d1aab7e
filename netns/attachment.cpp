#include "netns/attachment.hpp"

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/log.hpp"

#include <array>
#include <limits>

namespace keelson::netns {
namespace {

Result<Protocol> parse_protocol(std::string_view text) {
  for (const Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp})
    if (text == to_string(protocol)) return protocol;
  return fail(Code::invalid_argument, "\"{}\" is no protocol", text);
}

Result<std::uint16_t> get_port(const json::object& object, std::string_view key) {
  TRY_ASSIGN(const std::int64_t number, json::get_int(object, key));
  if (number < 1 || number > std::numeric_limits<std::uint16_t>::max())
    return fail(Code::invalid_argument, "{} is no port", number);
  return static_cast<std::uint16_t>(number);
}

Result<PortMapping> parse_port(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return fail(Code::invalid_argument, "a port is no object");
  PortMapping port;
  TRY_ASSIGN(const std::string protocol, json::get_string(*object, "protocol"));
  TRY_ASSIGN(port.protocol, parse_protocol(protocol));
  TRY_ASSIGN(port.container_port, get_port(*object, "containerPort"));
  TRY_ASSIGN(port.host_port, get_port(*object, "hostPort"));
  if (const auto host_ip = json::get_string(*object, "hostIP")) {
    TRY_ASSIGN(port.host_ip, IpAddress::parse(*host_ip));
  }
  return port;
}

json::object format_port(const PortMapping& port) {
  json::object object;
  object["protocol"] = to_string(port.protocol);
  object["containerPort"] = port.container_port;
  object["hostPort"] = port.host_port;
  if (port.host_ip) object["hostIP"] = port.host_ip->text();
  return object;
}

bool is_file_name(const std::string& id) {
  return !id.empty() && id.size() <= 200 && id.front() != '.' && id.find('/') == std::string::npos;
}

} // namespace

std::string format_attachment(const Attachment& attachment) {
  json::object object;
  object["sandboxId"] = attachment.sandbox_id;
  object["pod"] = json::object{
      {"name", attachment.pod.name}, {"namespace", attachment.pod.name_space}, {"uid", attachment.pod.uid}};
  json::array ips;
  for (const IpAddress& ip : attachment.ips) ips.emplace_back(ip.text());
  object["ips"] = std::move(ips);
  json::array ports;
  for (const PortMapping& port : attachment.ports) ports.emplace_back(format_port(port));
  object["ports"] = std::move(ports);
  return json::to_text(object);
}

Result<Attachment> parse_attachment(std::string_view text) {
  TRY_ASSIGN(const json::value document, json::parse(text));
  const json::object* object = document.if_object();
  if (object == nullptr) return fail(Code::invalid_argument, "not an object");
  Attachment attachment;
  TRY_ASSIGN(attachment.sandbox_id, json::get_string(*object, "sandboxId"));
  if (const json::object* pod = json::find_object(*object, "pod")) {
    attachment.pod = {json::get_string(*pod, "name").value_or(""), json::get_string(*pod, "namespace").value_or(""),
                      json::get_string(*pod, "uid").value_or("")};
  }
  if (const json::array* ips = json::find_array(*object, "ips")) {
    for (const json::value& value : *ips) {
      if (!value.is_string()) return fail(Code::invalid_argument, "an address is no text");
      TRY_ASSIGN(const IpAddress ip, IpAddress::parse(std::string_view(value.get_string())));
      attachment.ips.push_back(ip);
    }
  }
  if (const json::array* ports = json::find_array(*object, "ports")) {
    for (const json::value& value : *ports) {
      TRY_ASSIGN(const PortMapping port, parse_port(value));
      attachment.ports.push_back(port);
    }
  }
  return attachment;
}

Result<AttachmentStore> AttachmentStore::open(const std::string& dir) {
  TRY_CONTEXT(make_dirs(dir, 0700), "records of attached pods");
  return AttachmentStore(dir);
}

Result<> AttachmentStore::save(const Attachment& attachment) const {
  if (!is_file_name(attachment.sandbox_id))
    return fail(Code::invalid_argument, "\"{}\" is no sandbox id", attachment.sandbox_id);
  TRY_CONTEXT(write_file_atomic(dir_ + "/" + attachment.sandbox_id, format_attachment(attachment)),
              "record the network of sandbox {}", attachment.sandbox_id);
  return {};
}

Result<> AttachmentStore::remove(const std::string& sandbox_id) const {
  if (!is_file_name(sandbox_id)) return {};
  return remove_file_at(AT_FDCWD, dir_ + "/" + sandbox_id);
}

Result<std::vector<Attachment>> AttachmentStore::load() const {
  TRY_ASSIGN(const auto names, list_dir(dir_));
  std::vector<Attachment> found;
  for (const std::string& name : names) {
    if (!is_file_name(name)) continue;
    auto text = read_file(dir_ + "/" + name);
    auto attachment = text ? parse_attachment(*text) : Result<Attachment>(Fail(text.error()));
    if (attachment && attachment->sandbox_id == name) {
      found.push_back(std::move(*attachment));
      continue;
    }
    log::warning("ignoring the network record {}/{}: {}", dir_, name,
                 attachment ? "it is of another sandbox" : attachment.error().message);
  }
  return found;
}

} // namespace keelson::netns
