// Decodes damaged streams with the addon's decoder and with zlib, which have to agree on every byte, on whether the stream is
// good, and on where it ends. To run it by hand, with zlib's headers installed: in this folder, FLAGS being
// `-fsanitize=address,undefined -fno-sanitize-recover=all`, say
//
//   g++ -std=c++20 -O1 -g $FLAGS -I../../addon inflate.cc ../../addon/{gzip,inflate*,crc32}.cc -lz -o /tmp/inflate-fuzz
//   /tmp/inflate-fuzz SEED SECONDS
#include <string.h>
#include <time.h>
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "gzip.h"

using gantry::GzipDecoder;
using gantry::inflate::Decoder;
using gantry::inflate::Input;
using gantry::inflate::kWindowSize;
using gantry::inflate::Output;
using gantry::inflate::Status;
using Bytes = std::vector<uint8_t>;

namespace {

std::mt19937_64 randomness;

size_t Below(size_t bound) { return bound == 0 ? 0 : randomness() % bound; }

struct Outcome {
  Bytes bytes;
  bool isGood = false;
  // Of a good raw stream.
  size_t consumed = 0;
  const char* error = "";
};

constexpr size_t kMostOutput = 2 << 20;

// After so many pieces they become large: each of the output takes its window along.
constexpr size_t kSmallPieces = 150;
constexpr size_t kLargePiece = 1 << 19;

// Memory of exactly that size, so that the sanitizer sees any step beyond it.
struct Exact {
  explicit Exact(size_t size) : bytes(new uint8_t[size]), size(size) {}
  std::unique_ptr<uint8_t[]> bytes;
  size_t size;
};

// Hands the stream over in pieces of random sizes, and takes the output in others.
class Feeder {
 public:
  Feeder(const Bytes& stream, size_t mostIn, size_t mostOut) : stream_(stream), mostIn_(mostIn), mostOut_(mostOut) {}

  template <typename Run>
  Outcome Decode(Run run) {
    Outcome outcome;
    Input in;
    size_t at = 0;
    Exact piece(0);
    for (size_t count = 0;; count++) {
      const size_t most = count < kSmallPieces ? mostOut_ : kLargePiece;
      const size_t window = std::min(outcome.bytes.size(), kWindowSize);
      Exact out(window + 1 + Below(most));
      std::copy(outcome.bytes.end() - static_cast<long>(window), outcome.bytes.end(), out.bytes.get());
      uint8_t* next = out.bytes.get() + window;
      uint8_t* const start = next;
      const Status status = run(in, out.bytes.get(), next, out.bytes.get() + out.size);
      outcome.bytes.insert(outcome.bytes.end(), start, next);
      if (outcome.bytes.size() > kMostOutput) return outcome;
      if (status == Status::kFailed) return outcome;
      if (status == Status::kDone) {
        outcome.isGood = true;
        outcome.consumed = at - static_cast<size_t>(in.end - in.next) - in.count / 8;
        return outcome;
      }
      if (status == Status::kNeedsInput) {
        if (in.next != in.end) abort();
        if (at == stream_.size()) {
          outcome.error = "cut short";
          left = in;
          return outcome;
        }
        piece = Exact(std::min(stream_.size() - at, 1 + Below(count < kSmallPieces ? mostIn_ : kLargePiece)));
        memcpy(piece.bytes.get(), stream_.data() + at, piece.size);
        at += piece.size;
        in.next = piece.bytes.get();
        in.end = in.next + piece.size;
      } else if (next != out.bytes.get() + out.size) {
        abort();
      }
    }
  }

  Input left;

 private:
  const Bytes& stream_;
  size_t mostIn_;
  size_t mostOut_;
};

Outcome DecodeRaw(const Bytes& stream, size_t mostIn, size_t mostOut) {
  auto decoder = std::make_unique<Decoder>();
  decoder->Reset();
  Feeder feeder(stream, mostIn, mostOut);
  Outcome outcome = feeder.Decode([&](Input& in, const uint8_t* floor, uint8_t*& next, uint8_t* end) {
    Output out = {next, end, floor};
    const Status status = decoder->Run(in, out);
    next = out.next;
    return status;
  });
  if (*outcome.error == 0) outcome.error = decoder->error();
  return outcome;
}

Outcome DecodeGzip(const Bytes& stream, size_t mostIn, size_t mostOut) {
  auto decoder = std::make_unique<GzipDecoder>();
  Feeder feeder(stream, mostIn, mostOut);
  Outcome outcome = feeder.Decode([&](Input& in, const uint8_t* floor, uint8_t*& next, uint8_t* end) {
    return decoder->Run(in, floor, next, end);
  });
  outcome.isGood = decoder->MayEnd(feeder.left) && strcmp(outcome.error, "cut short") == 0;
  if (*outcome.error == 0) outcome.error = decoder->error();
  return outcome;
}

// zlib's verdict: on one raw stream, or on members up to the end.
Outcome DecodeWithZlib(const Bytes& stream, bool isGzip) {
  Outcome outcome;
  z_stream z = {};
  if (inflateInit2(&z, isGzip ? 31 : -15) != Z_OK) abort();
  z.next_in = const_cast<uint8_t*>(stream.data());
  z.avail_in = static_cast<unsigned>(stream.size());
  Bytes buffer(65536);
  for (;;) {
    z.next_out = buffer.data();
    z.avail_out = static_cast<unsigned>(buffer.size());
    const int status = inflate(&z, Z_NO_FLUSH);
    outcome.bytes.insert(outcome.bytes.end(), buffer.data(), z.next_out);
    if (status == Z_STREAM_END) {
      outcome.isGood = !isGzip || z.avail_in == 0;
      outcome.consumed = stream.size() - z.avail_in;
      if (outcome.isGood) break;
      inflateReset(&z);
      continue;
    }
    if (status != Z_OK || outcome.bytes.size() > kMostOutput) {
      outcome.error = z.msg ? z.msg : "cut short";
      break;
    }
  }
  inflateEnd(&z);
  return outcome;
}

Bytes Plain() {
  Bytes bytes(Below(4) == 0 ? Below(300000) : Below(3000));
  switch (Below(5)) {
    case 0:
      for (auto& byte : bytes) byte = static_cast<uint8_t>(randomness());
      break;
    case 1: {
      const size_t letters = 1 + Below(20);
      for (auto& byte : bytes) byte = static_cast<uint8_t>('a' + Below(letters));
      break;
    }
    case 2:
      std::fill(bytes.begin(), bytes.end(), static_cast<uint8_t>(randomness()));
      break;
    default:
      // Copies from random distances with noise between them.
      for (size_t at = 0; at < bytes.size();) {
        const size_t length = std::min(bytes.size() - at, 1 + Below(Below(8) == 0 ? 600 : 20));
        const size_t back = std::min(at, 1 + Below(Below(2) == 0 ? 40 : 33000));
        const bool isNoise = at == 0 || Below(3) == 0;
        for (size_t i = 0; i < length; i++, at++) bytes[at] = isNoise ? static_cast<uint8_t>(randomness()) : bytes[at - back];
      }
  }
  return bytes;
}

Bytes Compressed(bool isGzip) {
  const Bytes plain = Plain();
  z_stream z = {};
  static constexpr int strategies[] = {Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED};
  if (deflateInit2(&z, static_cast<int>(Below(10)), Z_DEFLATED, isGzip ? 31 : -15, 1 + static_cast<int>(Below(9)),
                   strategies[Below(5)]) != Z_OK) {
    abort();
  }
  uint8_t extra[] = "extra field";
  uint8_t name[] = "name";
  gz_header header = {};
  if (isGzip && Below(2) == 0) {
    if (Below(2) == 0) header.extra = extra, header.extra_len = sizeof extra;
    if (Below(2) == 0) header.name = name;
    if (Below(2) == 0) header.comment = name;
    header.hcrc = Below(2) == 0;
    deflateSetHeader(&z, &header);
  }
  Bytes out(deflateBound(&z, plain.size()) + 65536);
  z.next_in = const_cast<uint8_t*>(plain.data());
  z.next_out = out.data();
  z.avail_out = static_cast<unsigned>(out.size());
  const size_t cut = Below(plain.size() + 1);
  z.avail_in = static_cast<unsigned>(cut);
  deflate(&z, Below(2) == 0 ? Z_FULL_FLUSH : Z_NO_FLUSH);
  z.avail_in += static_cast<unsigned>(plain.size() - cut);
  deflate(&z, Z_FINISH);
  out.erase(out.end() - z.avail_out, out.end());
  deflateEnd(&z);
  return out;
}

void Damage(Bytes& bytes) {
  for (size_t count = Below(4); count > 0 && !bytes.empty(); count--) {
    // Headers and tables are at the start, so that is where damage tells most.
    const size_t at = Below(2) == 0 ? Below(std::min<size_t>(bytes.size(), 80)) : Below(bytes.size());
    const auto place = bytes.begin() + static_cast<long>(at);
    switch (Below(6)) {
      case 0:
        *place = static_cast<uint8_t>(randomness());
        break;
      case 1:
        bytes.insert(place, static_cast<uint8_t>(randomness()));
        break;
      case 2:
        bytes.erase(place);
        break;
      case 3:
        bytes.resize(at);
        break;
      default:
        *place ^= static_cast<uint8_t>(1u << Below(8));
    }
  }
}

Bytes Stream(bool isGzip) {
  if (Below(20) == 0) {
    Bytes noise(Below(200));
    for (auto& byte : noise) byte = static_cast<uint8_t>(randomness());
    return noise;
  }
  Bytes bytes = Compressed(isGzip);
  if (isGzip && Below(3) == 0) {
    const Bytes more = Compressed(true);
    bytes.insert(bytes.end(), more.begin(), more.end());
  }
  Damage(bytes);
  return bytes;
}

void Save(const Bytes& stream) {
  FILE* file = fopen("/tmp/inflate-fuzz.failed", "wb");
  if (!file) return;
  fwrite(stream.data(), 1, stream.size(), file);
  fclose(file);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  randomness.seed(strtoull(argv[1], nullptr, 10));
  const time_t end = time(nullptr) + atol(argv[2]);
  size_t runs = 0, good = 0;
  static constexpr size_t sizes[] = {1, 3, 40, 700, 5000, 100000, 600000};
  for (; time(nullptr) < end; runs++) {
    const bool isGzip = Below(3) == 0;
    const Bytes stream = Stream(isGzip);
    const size_t mostIn = sizes[Below(7)];
    const size_t mostOut = sizes[Below(7)];
    const Outcome ours = isGzip ? DecodeGzip(stream, mostIn, mostOut) : DecodeRaw(stream, mostIn, mostOut);
    const Outcome theirs = DecodeWithZlib(stream, isGzip);
    good += theirs.isGood;
    const bool agree = ours.isGood == theirs.isGood && ours.bytes == theirs.bytes &&
                       (!ours.isGood || isGzip || ours.consumed == theirs.consumed);
    if (agree || std::min(ours.bytes.size(), theirs.bytes.size()) >= kMostOutput) continue;
    printf("run %zu, %s, %zu bytes: ours %zu bytes %s (%s), zlib %zu bytes %s (%s)\n", runs, isGzip ? "gzip" : "raw",
           stream.size(), ours.bytes.size(), ours.isGood ? "good" : "bad", ours.error, theirs.bytes.size(),
           theirs.isGood ? "good" : "bad", theirs.error);
    Save(stream);
    return 1;
  }
  printf("%zu streams, %zu of them good: no difference\n", runs, good);
  return 0;
}
