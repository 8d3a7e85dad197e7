{
  "targets": [
    {
      "target_name": "gantry",
      "sources": [
        "addon/addon.cc",
        "addon/archive-digest.cc",
        "addon/blob-reader.cc",
        "addon/blob.cc",
        "addon/crc32.cc",
        "addon/control-group.cc",
        "addon/descriptors.cc",
        "addon/detached-mount.cc",
        "addon/file-queue.cc",
        "addon/filesystem.cc",
        "addon/filesystem-entry.cc",
        "addon/filesystem-metadata.cc",
        "addon/filesystem-remove.cc",
        "addon/filesystem-resolve.cc",
        "addon/group-calls.cc",
        "addon/gzip.cc",
        "addon/host-file.cc",
        "addon/inflate-fast.cc",
        "addon/inflate-table.cc",
        "addon/inflate.cc",
        "addon/landlock.cc",
        "addon/mount.cc",
        "addon/poll-watch.cc",
        "addon/process.cc",
        "addon/program-run.cc",
        "addon/program.cc",
        "addon/project-quota.cc",
        "addon/tree-copier.cc",
        "addon/tree-copy.cc",
        "addon/tree-read.cc",
        "addon/tree-usage.cc"
      ],
      "include_dirs": ["<!@(node -p \"require('node-addon-api').include_dir\")"],
      "defines": [
        "NAPI_VERSION=9",
        "NAPI_DISABLE_CPP_EXCEPTIONS",
        "NODE_ADDON_API_DISABLE_DEPRECATED",
        # A worker thread may be ended while it is in a call, and then cannot take an exception: no reason to abort the process.
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
      ],
      "cflags_cc": ["-std=c++20", "-Wall", "-Wextra", "-Werror", "-O3", "-fvisibility=hidden"]
    }
  ]
}
