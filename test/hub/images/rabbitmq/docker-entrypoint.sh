#!/bin/sh
# As root it gives the data to rabbitmq and starts anew as that user.
set -e
if [ "$1" = rabbitmq-server ] && [ "$(id -u)" = 0 ]; then
  find /var/lib/rabbitmq /var/log/rabbitmq ! -user rabbitmq -exec chown rabbitmq {} +
  exec gosu rabbitmq "$0" "$@"
fi
# The wrapper that Debian has in PATH starts as root only.
[ "$1" != rabbitmq-server ] || { shift; set -- /usr/lib/rabbitmq/bin/rabbitmq-server "$@"; }
exec "$@"
