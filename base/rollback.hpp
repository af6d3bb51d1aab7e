// Undo of a half-done operation. After each step that succeeds, add its undo; commit() at the end. If the object dies
// without commit, run() has not been called and the undos run then: newest first, going on after a failure.
#pragma once

#include "base/error.hpp"

#include <functional>
#include <string>
#include <vector>

namespace keelson {

// One thread at a time.
class Rollback {
 public:
  Rollback() = default;
  Rollback(const Rollback&) = delete;
  Rollback& operator=(const Rollback&) = delete;
  ~Rollback();

  void add(std::string step, std::function<Result<>()> undo);
  void commit(); // forget all undos

  // Runs the undos now. Clean: success. Otherwise the error lists every step that failed, with its reason, and the
  // caller keeps the object as unknown so that a later stop can finish it. Undos get their own deadlines, not the
  // request's.
  Result<> run();

 private:
  struct Step {
    std::string name;
    std::function<Result<>()> undo;
  };
  std::vector<Step> steps_;
};

} // namespace keelson
