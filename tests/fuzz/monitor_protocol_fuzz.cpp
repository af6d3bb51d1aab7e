// What a client could send to a monitor, and what a damaged exit record could be to the daemon. The first byte chooses.
#include "cri/monitor/protocol.hpp"

#include <cstdlib>

using namespace keelson::cri::monitor;

namespace {

// What was accepted must survive its own encoding.
template <class Message>
void check(std::string_view payload) {
  const auto message = decode<Message>(payload);
  if (!message) return;
  const auto frame = encode_frame(Type::create, 1, *message);
  if (!frame) return; // grew over the limit: numbers that were absent are written
  const auto header = decode_header(*frame);
  if (!header || header->size != frame->size() - kHeaderSize) std::abort();
  const auto again = decode<Message>(std::string_view(*frame).substr(kHeaderSize));
  if (!again || encode_frame(Type::create, 1, *again).value() != *frame) std::abort();
}

void check_record(std::string_view text) {
  const auto record = parse_exit_record(text);
  if (record && parse_exit_record(format_exit_record(*record)).value() != *record) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
  case 0:
    check<ExecRequest>(rest);
    break;
  case 1:
    check<CreateRequest>(rest);
    break;
  case 2:
    check<ListReply>(rest);
    break;
  case 3:
    check<ContainerExited>(rest);
    break;
  case 4:
    static_cast<void>(decode_header(rest));
    break;
  case 5:
    check_record(rest);
    break;
  case 6:
    check<ErrorReply>(rest);
    break;
  default:
    check<Empty>(rest);
    break;
  }
  return 0;
}
