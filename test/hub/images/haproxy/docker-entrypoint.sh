#!/bin/sh
# In the foreground, as a master with workers, so that SIGUSR1 lets connections end.
set -e
if [ "$1" = haproxy ]; then
  shift
  set -- haproxy -W -db "$@"
fi
exec "$@"
