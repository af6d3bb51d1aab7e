// SHA-256 over a stream, and the "sha256:<hex>" form of its result. libcrypto underneath.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace keelson::cri {

// One thread at a time.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::string_view data);
  std::string digest() const; // of what came so far, "sha256:<hex>"; more may follow

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

std::string sha256_digest(std::string_view data); // "sha256:<hex>"

// The 64 digits of a digest that is_sha256_digest() accepts.
std::string_view digest_hex(std::string_view digest);

} // namespace keelson::cri
