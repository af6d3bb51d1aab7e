#include "base/rollback.hpp"

#include <utility>

namespace keelson {

Rollback::~Rollback() {
  // The caller that wants to know whether the undo was clean has called run().
  static_cast<void>(run());
}

void Rollback::add(std::string step, std::function<Result<>()> undo) {
  steps_.push_back({std::move(step), std::move(undo)});
}

void Rollback::commit() {
  steps_.clear();
}

Result<> Rollback::run() {
  std::string failures;
  Code code = Code::internal;
  int sys_errno = 0;
  while (!steps_.empty()) {
    const Step step = std::move(steps_.back());
    steps_.pop_back();
    const Result<> undone = step.undo();
    if (undone) continue;
    if (failures.empty()) {
      code = undone.error().code;
      sys_errno = undone.error().sys_errno;
    } else {
      failures += "; ";
    }
    failures += fmt::format("{}: {}", step.name, undone.error().message);
  }
  if (failures.empty()) return {};
  return Fail(Error{code, sys_errno, "undo failed: " + failures});
}

} // namespace keelson
