#include "cri/monitor/protocol.hpp"

#include <concepts>
#include <limits>
#include <type_traits>

namespace keelson::cri::monitor {
namespace {

void put_number(std::string& out, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
}

std::uint64_t get_number(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = (value << 8) | static_cast<unsigned char>(bytes[i]);
  return value;
}

class Writer {
 public:
  template <class T>
  void operator()(std::uint16_t id, const std::optional<T>& value) {
    if (value) (*this)(id, *value);
  }
  template <class T>
  void operator()(std::uint16_t id, const std::vector<T>& list) {
    for (const T& element : list) (*this)(id, element);
  }
  void operator()(std::uint16_t id, const std::string& text) {
    start_field(id, text.size());
    out_ += text;
  }
  template <std::integral T>
  void operator()(std::uint16_t id, T value) {
    start_field(id, 8);
    put_number(out_, static_cast<std::uint64_t>(value), 8);
  }
  template <class M>
  requires std::is_class_v<M>
  void operator()(std::uint16_t id, const M& message) {
    Writer inner;
    M::fields(message, inner);
    (*this)(id, inner.out_);
  }

  std::string take() { return std::move(out_); }

 private:
  void start_field(std::uint16_t id, std::size_t size) {
    put_number(out_, id, 2);
    put_number(out_, size, 4);
  }
  std::string out_;
};

template <class M>
const char* read_message(std::string_view payload, M& message);

// Takes one field from the wire and gives it to the member with its id; members that it does not fit stay untouched.
class FieldReader {
 public:
  FieldReader(std::uint64_t id, std::string_view bytes)
      : id_(id)
      , bytes_(bytes) {}

  template <class T>
  void operator()(std::uint16_t id, T& member) {
    if (id == id_) problem_ = read(member);
  }
  const char* problem() const { return problem_; }

 private:
  template <class T>
  const char* read(std::optional<T>& member) {
    T value{};
    if (const char* problem = read(value)) return problem;
    member = std::move(value);
    return nullptr;
  }
  template <class T>
  const char* read(std::vector<T>& list) {
    if (list.size() >= kMaxElements) return "a list is too long";
    T value{};
    if (const char* problem = read(value)) return problem;
    list.push_back(std::move(value));
    return nullptr;
  }
  const char* read(std::string& text) {
    text.assign(bytes_);
    return nullptr;
  }
  const char* read(bool& flag) {
    if (bytes_.size() != 8) return "a flag is not 8 bytes long";
    flag = get_number(bytes_) != 0;
    return nullptr;
  }
  template <std::integral T>
  const char* read(T& number) {
    static_assert(sizeof(T) == 8);
    if (bytes_.size() != 8) return "a number is not 8 bytes long";
    number = static_cast<T>(get_number(bytes_));
    return nullptr;
  }
  template <class M>
  requires std::is_class_v<M>
  const char* read(M& message) { return read_message(bytes_, message); }

  std::uint64_t id_;
  std::string_view bytes_;
  const char* problem_ = nullptr;
};

// nullptr, or what is wrong.
template <class M>
const char* read_message(std::string_view payload, M& message) {
  constexpr std::size_t field_header = 6;
  while (!payload.empty()) {
    if (payload.size() < field_header) return "a field is cut off";
    const std::uint64_t id = get_number(payload.substr(0, 2));
    const std::uint64_t size = get_number(payload.substr(2, 4));
    payload.remove_prefix(field_header);
    if (size > payload.size()) return "a field is longer than its message";
    FieldReader reader(id, payload.substr(0, size));
    M::fields(message, reader);
    if (reader.problem() != nullptr) return reader.problem();
    payload.remove_prefix(size);
  }
  return nullptr;
}

} // namespace

std::string encode_header(const Header& header) {
  std::string out;
  put_number(out, header.size, 4);
  put_number(out, static_cast<std::uint16_t>(header.type), 2);
  put_number(out, header.fds, 2);
  put_number(out, header.tag, 4);
  return out;
}

Result<Header> decode_header(std::string_view bytes) {
  if (bytes.size() < kHeaderSize) return fail(Code::invalid_argument, "monitor frame: the header is cut off");
  Header header;
  header.size = static_cast<std::uint32_t>(get_number(bytes.substr(0, 4)));
  header.type = static_cast<Type>(get_number(bytes.substr(4, 2)));
  header.fds = static_cast<std::uint16_t>(get_number(bytes.substr(6, 2)));
  header.tag = static_cast<std::uint32_t>(get_number(bytes.substr(8, 4)));
  if (header.size > kMaxPayload) return fail(Code::invalid_argument, "monitor frame: the payload is too long");
  if (header.fds > kMaxFds) return fail(Code::invalid_argument, "monitor frame: too many descriptors");
  return header;
}

template <class Message>
Result<std::string> encode_frame(Type type, std::uint32_t tag, const Message& message, std::size_t fds) {
  Writer writer;
  Message::fields(message, writer);
  const std::string payload = writer.take();
  if (payload.size() > kMaxPayload || fds > kMaxFds)
    return fail(Code::resource_exhausted, "monitor frame: the message is too long");
  return encode_header({static_cast<std::uint32_t>(payload.size()), type, static_cast<std::uint16_t>(fds), tag}) +
         payload;
}

template <class Message>
Result<Message> decode(std::string_view payload) {
  Message message;
  if (const char* problem = read_message(payload, message))
    return fail(Code::invalid_argument, "monitor message: {}", problem);
  return message;
}

#define KEELSON_MONITOR_MESSAGE(M)                                                                                     \
  template Result<std::string> encode_frame<M>(Type, std::uint32_t, const M&, std::size_t);                            \
  template Result<M> decode<M>(std::string_view);

KEELSON_MONITOR_MESSAGE(Empty)
KEELSON_MONITOR_MESSAGE(Hello)
KEELSON_MONITOR_MESSAGE(HelloReply)
KEELSON_MONITOR_MESSAGE(ErrorReply)
KEELSON_MONITOR_MESSAGE(CreateRequest)
KEELSON_MONITOR_MESSAGE(ProcessReply)
KEELSON_MONITOR_MESSAGE(ExecRequest)
KEELSON_MONITOR_MESSAGE(ExecStarted)
KEELSON_MONITOR_MESSAGE(ExecExited)
KEELSON_MONITOR_MESSAGE(ContainerRequest)
KEELSON_MONITOR_MESSAGE(SignalRequest)
KEELSON_MONITOR_MESSAGE(SignalExecRequest)
KEELSON_MONITOR_MESSAGE(ResizeRequest)
KEELSON_MONITOR_MESSAGE(AttachRequest)
KEELSON_MONITOR_MESSAGE(ContainerExited)
KEELSON_MONITOR_MESSAGE(ContainerOom)
KEELSON_MONITOR_MESSAGE(ListReply)
#undef KEELSON_MONITOR_MESSAGE

} // namespace keelson::cri::monitor
