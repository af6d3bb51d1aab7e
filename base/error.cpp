#include "base/error.hpp"

#include <cerrno>
#include <cstring>

namespace keelson {

std::string_view to_string(Code code) {
  switch (code) {
  case Code::cancelled:
    return "cancelled";
  case Code::unknown:
    return "unknown";
  case Code::invalid_argument:
    return "invalid_argument";
  case Code::deadline_exceeded:
    return "deadline_exceeded";
  case Code::not_found:
    return "not_found";
  case Code::already_exists:
    return "already_exists";
  case Code::permission_denied:
    return "permission_denied";
  case Code::resource_exhausted:
    return "resource_exhausted";
  case Code::failed_precondition:
    return "failed_precondition";
  case Code::aborted:
    return "aborted";
  case Code::out_of_range:
    return "out_of_range";
  case Code::unimplemented:
    return "unimplemented";
  case Code::internal:
    return "internal";
  case Code::unavailable:
    return "unavailable";
  case Code::data_loss:
    return "data_loss";
  case Code::unauthenticated:
    return "unauthenticated";
  }
  return "unknown";
}

Code code_from_errno(int sys_errno) {
  switch (sys_errno) {
  case ENOENT:
  case ENOTDIR:
  case ESRCH:
  case ENODEV:
  case ENXIO:
    return Code::not_found;
  case EEXIST:
    return Code::already_exists;
  case EACCES:
  case EPERM:
    return Code::permission_denied;
  case ENOSPC:
  case EDQUOT:
  case EMFILE:
  case ENFILE:
  case ENOMEM:
  case EAGAIN:
    return Code::resource_exhausted;
  case EINVAL:
  case ENAMETOOLONG:
  case ELOOP:
  case ERANGE:
    return Code::invalid_argument;
  case EROFS:
  case EBUSY:
  case ENOTEMPTY:
    return Code::failed_precondition;
  case ETIMEDOUT:
    return Code::deadline_exceeded;
  case ECANCELED:
    return Code::cancelled;
  case ENOSYS:
  case EOPNOTSUPP:
    return Code::unimplemented;
  case ECONNREFUSED:
  case ECONNRESET:
  case EPIPE:
  case EHOSTUNREACH:
  case ENETUNREACH:
    return Code::unavailable;
  default:
    return Code::internal;
  }
}

Error&& Error::context(std::string_view context) && {
  message.insert(0, ": ").insert(0, context);
  return std::move(*this);
}

Fail fail_errno_text(int sys_errno, std::string what) {
  what += ": ";
  what += strerrordesc_np(sys_errno) != nullptr ? strerrordesc_np(sys_errno) : "unknown error";
  return Fail(Error{code_from_errno(sys_errno), sys_errno, std::move(what)});
}

} // namespace keelson
