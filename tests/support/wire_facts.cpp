#include "tests/support/wire_facts.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

namespace keelson::test {

namespace {

// "(VersionRequest) returns (stream VersionResponse)"
Result<WireRpc> parse_rpc(std::string_view service, std::string_view name, std::string_view signature) {
  WireRpc rpc{std::string(service), std::string(name), {}, {}, false};
  constexpr std::string_view kReturns = ") returns (";
  const auto middle = signature.find(kReturns);
  if (middle == std::string_view::npos || !signature.starts_with('(') || !signature.ends_with(')'))
    return fail(Code::invalid_argument, "call {}: \"{}\" is no signature", name, signature);
  rpc.request = signature.substr(1, middle - 1);
  auto response = signature.substr(middle + kReturns.size());
  response.remove_suffix(1);
  constexpr std::string_view kStream = "stream ";
  rpc.server_streams = response.starts_with(kStream);
  if (rpc.server_streams) response.remove_prefix(kStream.size());
  rpc.response = response;
  return rpc;
}

Result<> parse_line(WireFacts& facts, std::string_view line) {
  constexpr std::string_view kPackage = "# package ";
  if (line.starts_with(kPackage)) {
    facts.package = trim(line.substr(kPackage.size()));
    return {};
  }
  if (line.empty() || line.starts_with('#') || line.starts_with("kind\t")) return {};
  const auto columns = split(line, '\t');
  if (columns.size() != 6) return fail(Code::invalid_argument, "{} columns, not 6", columns.size());
  const auto kind = columns[0];
  if (kind == "rpc") {
    TRY_ASSIGN(auto rpc, parse_rpc(columns[1], columns[2], columns[4]));
    facts.rpcs.push_back(std::move(rpc));
    return {};
  }
  TRY_ASSIGN(const int number, parse_int<int>(columns[3]));
  const std::string owner(columns[1]);
  const std::string name(columns[2]);
  if (kind == "value") {
    facts.values.push_back({owner, name, number});
  } else if (kind == "field") {
    if (!columns[5].empty() && columns[5] != "repeated")
      return fail(Code::invalid_argument, "unknown label \"{}\"", columns[5]);
    facts.fields.push_back({owner, name, number, std::string(columns[4]), columns[5] == "repeated"});
  } else {
    return fail(Code::invalid_argument, "unknown kind \"{}\"", kind);
  }
  return {};
}

} // namespace

Result<WireFacts> read_wire_facts(const std::string& path) {
  TRY_ASSIGN(const auto text, read_file(path));
  WireFacts facts;
  int number = 0;
  for (const auto line : split(text, '\n')) {
    ++number;
    TRY_CONTEXT(parse_line(facts, line), "{}:{}", path, number);
  }
  if (facts.package.empty()) return fail(Code::invalid_argument, "{}: names no package", path);
  return facts;
}

} // namespace keelson::test
