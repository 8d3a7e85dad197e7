#!/bin/sh
# As root it gives the data to redis and starts anew as that user. Options alone are meant for redis-server.
set -e
case ${1:-} in -* | *.conf) set -- redis-server "$@" ;; esac
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
  find . ! -user redis -exec chown redis {} +
  exec gosu redis "$0" "$@"
fi
exec "$@"
