#include "cri/images/sha256.hpp"

#include "base/text.hpp"

#include <openssl/evp.h>

#include <array>
#include <cassert>
#include <cstdlib>

namespace keelson::cri {

namespace {
EVP_MD_CTX* md(void* context) {
  return static_cast<EVP_MD_CTX*>(context);
}

// libcrypto fails here only without memory or without SHA-256: nothing that could go on.
void must(int ok) {
  if (ok != 1) std::abort();
}
} // namespace

void Sha256::Free::operator()(void* context) const {
  EVP_MD_CTX_free(md(context));
}

Sha256::Sha256()
    : context_(EVP_MD_CTX_new()) {
  must(context_ ? 1 : 0);
  must(EVP_DigestInit_ex(md(context_.get()), EVP_sha256(), nullptr));
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view data) {
  must(EVP_DigestUpdate(md(context_.get()), data.data(), data.size()));
}

std::string Sha256::digest() const {
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> copy(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  must(copy ? 1 : 0);
  must(EVP_MD_CTX_copy_ex(copy.get(), md(context_.get())));
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  must(EVP_DigestFinal_ex(copy.get(), out.data(), &size));
  return "sha256:" + to_hex(std::string_view(reinterpret_cast<const char*>(out.data()), size));
}

std::string sha256_digest(std::string_view data) {
  Sha256 hash;
  hash.update(data);
  return hash.digest();
}

std::string_view digest_hex(std::string_view digest) {
  assert(digest.size() == 71);
  return digest.substr(7);
}

} // namespace keelson::cri
