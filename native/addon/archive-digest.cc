#include "archive-digest.h"

namespace gantry {

bool ArchiveDigest::Start(const std::string& algorithm) {
  const EVP_MD* type = nullptr;
  if (algorithm == "sha256") type = EVP_sha256();
  if (algorithm == "sha512") type = EVP_sha512();
  if (type == nullptr) return false;
  context_.reset(EVP_MD_CTX_new());
  if (context_ && EVP_DigestInit_ex(context_.get(), type, nullptr) != 1) context_.reset();
  return context_ != nullptr;
}

void ArchiveDigest::Update(const uint8_t* bytes, size_t size) {
  if (context_ && EVP_DigestUpdate(context_.get(), bytes, size) != 1) context_.reset();
}

std::vector<uint8_t> ArchiveDigest::Finish() {
  if (!context_) return {};
  std::vector<uint8_t> digest(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  if (EVP_DigestFinal_ex(context_.get(), digest.data(), &size) != 1) size = 0;
  digest.resize(size);
  context_.reset();
  return digest;
}

}  // namespace gantry
