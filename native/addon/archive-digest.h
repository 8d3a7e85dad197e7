// The digest of an uncompressed archive, by the OpenSSL that Node.js has.
#pragma once

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include <memory>
#include <string>
#include <vector>

namespace gantry {

class ArchiveDigest {
 public:
  // False for an algorithm that is neither sha256 nor sha512, or cannot be had.
  bool Start(const std::string& algorithm);
  // Nothing, unless started.
  void Update(const uint8_t* bytes, size_t size);
  // Ends it. Empty if it was not started, or something went wrong on the way.
  std::vector<uint8_t> Finish();

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

}  // namespace gantry
