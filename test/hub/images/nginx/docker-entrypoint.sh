#!/bin/sh
# Runs what is in /docker-entrypoint.d before the server starts.
set -e
if [ "$1" = nginx ] && [ -d /docker-entrypoint.d ]; then
  for script in /docker-entrypoint.d/*.sh; do
    [ ! -x "$script" ] || "$script"
  done
fi
exec "$@"
