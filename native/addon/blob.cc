// The addon's BlobReader: the bytes of a layer blob, piece by piece, decompressed and hashed in another thread.
#include <errno.h>
#include <fcntl.h>

#include <memory>

#include "blob-reader.h"

namespace gantry {

namespace {

constexpr napi_type_tag kTypeTag = {0x0d3f5c1e6b2a4978, 0x9a61c7e2f0b84d35};

class BlobReaderObject : public Napi::ObjectWrap<BlobReaderObject> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "BlobReader",
                       {InstanceMethod<&BlobReaderObject::Allow>("allow"),
                        InstanceMethod<&BlobReaderObject::Next>("next"),
                        InstanceMethod<&BlobReaderObject::Position>("position"),
                        InstanceMethod<&BlobReaderObject::Digest>("digest"),
                        InstanceMethod<&BlobReaderObject::Close>("close")});
  }

  explicit BlobReaderObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BlobReaderObject>(info) {
    const std::string compression = info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : "";
    ArchiveDigest digest;
    if (!info[0].IsNumber() || (compression != "gzip" && compression != "none") || !info[2].IsString() ||
        !digest.Start(info[2].As<Napi::String>())) {
      Napi::TypeError::New(info.Env(),
                           "a BlobReader takes a descriptor, 'gzip' or 'none', and 'sha256' or 'sha512'")
          .ThrowAsJavaScriptException();
      return;
    }
    Fd file(fcntl(info[0].As<Napi::Number>().Int32Value(), F_DUPFD_CLOEXEC, 0));
    if (!file.valid()) {
      SystemError(info.Env(), errno, "fcntl").ThrowAsJavaScriptException();
      return;
    }
    using Compression = BlobReader::Compression;
    auto reader = std::make_shared<BlobReader>(
        std::move(file), compression == "gzip" ? Compression::kGzip : Compression::kNone, std::move(digest));
    const int error = reader->Start();
    if (error != 0) {
      SystemError(info.Env(), error, "pthread_create").ThrowAsJavaScriptException();
      return;
    }
    reader_ = std::move(reader);
    info.This().As<Napi::Object>().TypeTag(&kTypeTag);
    auto* owner = new std::shared_ptr<uint8_t>(reader_->memory());
    memory_ = Napi::Persistent(Napi::ArrayBuffer::New(
        info.Env(), owner->get(), BlobReader::kMemorySize,
        [](Napi::Env, void*, std::shared_ptr<uint8_t>* held) { delete held; }, owner));
  }
  ~BlobReaderObject() override { Stop(); }

  const std::shared_ptr<BlobReader>& reader() const { return reader_; }

 private:
  Napi::Value Allow(const Napi::CallbackInfo& info) {
    if (!info[0].IsNumber() || !info[1].IsBoolean() || info[0].As<Napi::Number>().Int64Value() < 0) {
      Napi::TypeError::New(info.Env(), "allow takes a count of bytes and a boolean").ThrowAsJavaScriptException();
    } else if (reader_) {
      reader_->Allow(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()), info[1].As<Napi::Boolean>());
    }
    return info.Env().Undefined();
  }

  Napi::Value Next(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!reader_) {
      SystemError(env, EBADF, "pread").ThrowAsJavaScriptException();
      return env.Undefined();
    }
    BlobReader::Piece piece;
    switch (reader_->Next(piece)) {
      case BlobReader::Found::kPiece:
        return Napi::Uint8Array::New(env, piece.size, memory_.Value(), piece.offset);
      case BlobReader::Found::kEnd:
        isAtEnd_ = true;
        return Napi::String::New(env, "end");
      case BlobReader::Found::kStarved:
        return Napi::String::New(env, "starved");
      case BlobReader::Found::kNothing:
        return Napi::String::New(env, "nothing");
      case BlobReader::Found::kSystemError:
        SystemError(env, reader_->error(), "pread").ThrowAsJavaScriptException();
        return env.Undefined();
      case BlobReader::Found::kFileError: {
        const auto& [error, syscall, path] = reader_->fileFault();
        const Napi::Error thrown = SystemError(env, error, syscall, path);
        thrown.Set("entry", Napi::Buffer<char>::Copy(env, path.data(), path.size()));
        thrown.ThrowAsJavaScriptException();
        return env.Undefined();
      }
      case BlobReader::Found::kMalformed:
        break;
    }
    const Napi::Error error = Napi::Error::New(env, reader_->problem());
    error.Set("code", Napi::String::New(env, "MALFORMED"));
    error.ThrowAsJavaScriptException();
    return env.Undefined();
  }

  Napi::Value Position(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), reader_ ? static_cast<double>(reader_->position()) : 0);
  }

  Napi::Value Digest(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!reader_ || !isAtEnd_ || reader_->digest().empty()) {
      Napi::Error::New(env, "there is no digest before the end").ThrowAsJavaScriptException();
      return env.Undefined();
    }
    return Napi::Buffer<uint8_t>::Copy(env, reader_->digest().data(), reader_->digest().size());
  }

  Napi::Value Close(const Napi::CallbackInfo& info) {
    Stop();
    memory_.Reset();
    return info.Env().Undefined();
  }

  // A root folder may have the reader too.
  void Stop() {
    if (reader_) reader_->Stop();
    reader_.reset();
  }

  std::shared_ptr<BlobReader> reader_;
  bool isAtEnd_ = false;
  Napi::Reference<Napi::ArrayBuffer> memory_;
};

}  // namespace

std::shared_ptr<BlobReader> BlobReaderOf(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTypeTag)) return nullptr;
  return BlobReaderObject::Unwrap(value.As<Napi::Object>())->reader();
}

void InitBlob(Napi::Env env, Napi::Object exports) { exports.Set("BlobReader", BlobReaderObject::Define(env)); }

}  // namespace gantry
