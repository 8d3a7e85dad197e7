// Projects of file systems and their quotas; ioctl_xfs_fsgetxattr(2), quotactl(2). The commands are XFS's; ext4 takes them too.
#include <errno.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "system.h"

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

namespace gantry {

namespace {

constexpr uint64_t kBlock = 512;

Napi::Value Throw(const Napi::CallbackInfo& info, const char* call, const std::string& path) {
  SystemError(info.Env(), errno, call, path).ThrowAsJavaScriptException();
  return info.Env().Undefined();
}

Fd OpenFolder(const std::string& path) {
  return Fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

long Quotactl(const Fd& fd, int command, uint32_t project, void* data) {
  return syscall(SYS_quotactl_fd, fd.get(), static_cast<unsigned>(QCMD(command, PRJQUOTA)), project, data);
}

Napi::Value SetProject(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString().Utf8Value();
  const Fd fd = OpenFolder(path);
  if (!fd.valid()) return Throw(info, "open", path);
  fsxattr attributes;
  if (ioctl(fd.get(), FS_IOC_FSGETXATTR, &attributes) != 0) return Throw(info, "FS_IOC_FSGETXATTR", path);
  attributes.fsx_projid = info[1].ToNumber().Uint32Value();
  attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
  if (ioctl(fd.get(), FS_IOC_FSSETXATTR, &attributes) != 0) return Throw(info, "FS_IOC_FSSETXATTR", path);
  return info.Env().Undefined();
}

Napi::Value ProjectOf(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString().Utf8Value();
  const Fd fd = OpenFolder(path);
  if (!fd.valid()) return Throw(info, "open", path);
  fsxattr attributes;
  if (ioctl(fd.get(), FS_IOC_FSGETXATTR, &attributes) != 0) return Throw(info, "FS_IOC_FSGETXATTR", path);
  Napi::Object project = Napi::Object::New(info.Env());
  project.Set("id", Napi::Number::New(info.Env(), attributes.fsx_projid));
  project.Set("inherited", Napi::Boolean::New(info.Env(), attributes.fsx_xflags & FS_XFLAG_PROJINHERIT));
  return project;
}

Napi::Value ProjectQuotaState(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString().Utf8Value();
  const Fd fd = OpenFolder(path);
  if (!fd.valid()) return Throw(info, "open", path);
  fs_quota_statv state{};
  state.qs_version = FS_QSTATV_VERSION1;
  if (Quotactl(fd, Q_XGETQSTATV, 0, &state) != 0) return Throw(info, "Q_XGETQSTATV", path);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("counted", Napi::Boolean::New(info.Env(), state.qs_flags & FS_QUOTA_PDQ_ACCT));
  result.Set("enforced", Napi::Boolean::New(info.Env(), state.qs_flags & FS_QUOTA_PDQ_ENFD));
  return result;
}

Napi::Value ProjectQuota(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString().Utf8Value();
  const Fd fd = OpenFolder(path);
  if (!fd.valid()) return Throw(info, "open", path);
  fs_disk_quota quota{};
  // What has no quota is all zero; XFS says so by ENOENT.
  if (Quotactl(fd, Q_XGETQUOTA, info[1].ToNumber().Uint32Value(), &quota) != 0 && errno != ENOENT) {
    return Throw(info, "Q_XGETQUOTA", path);
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("used", Napi::Number::New(info.Env(), static_cast<double>(quota.d_bcount * kBlock)));
  result.Set("files", Napi::Number::New(info.Env(), static_cast<double>(quota.d_icount)));
  result.Set("limit", Napi::Number::New(info.Env(), static_cast<double>(quota.d_blk_hardlimit * kBlock)));
  return result;
}

Napi::Value SetProjectQuota(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString().Utf8Value();
  const Fd fd = OpenFolder(path);
  if (!fd.valid()) return Throw(info, "open", path);
  const uint32_t project = info[1].ToNumber().Uint32Value();
  fs_disk_quota quota{};
  quota.d_version = FS_DQUOT_VERSION;
  quota.d_flags = FS_PROJ_QUOTA;
  quota.d_fieldmask = FS_DQ_BHARD | FS_DQ_BSOFT;
  quota.d_id = project;
  quota.d_blk_hardlimit = static_cast<uint64_t>(info[2].ToNumber().DoubleValue()) / kBlock;
  if (Quotactl(fd, Q_XSETQLIM, project, &quota) != 0) return Throw(info, "Q_XSETQLIM", path);
  return info.Env().Undefined();
}

}  // namespace

void InitProjectQuota(Napi::Env env, Napi::Object exports) {
  exports.Set("setProject", Napi::Function::New(env, SetProject));
  exports.Set("projectOf", Napi::Function::New(env, ProjectOf));
  exports.Set("projectQuotaState", Napi::Function::New(env, ProjectQuotaState));
  exports.Set("projectQuota", Napi::Function::New(env, ProjectQuota));
  exports.Set("setProjectQuota", Napi::Function::New(env, SetProjectQuota));
}

}  // namespace gantry
