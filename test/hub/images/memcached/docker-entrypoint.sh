#!/bin/sh
# Options alone are meant for memcached.
set -e
[ "${1#-}" = "$1" ] || set -- memcached "$@"
exec "$@"
