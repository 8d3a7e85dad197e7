#!/bin/bash
# As root it gives the data folder to mysql and starts anew as that user, who makes the system tables at the first start.
set -eu
if [ "${1:-}" = mariadbd ] && [ "$(id -u)" = 0 ]; then
  chown mysql:mysql /var/lib/mysql /run/mysqld
  exec gosu mysql "$BASH_SOURCE" "$@"
fi
if [ "${1:-}" = mariadbd ] && [ ! -d /var/lib/mysql/mysql ]; then
  : "${MARIADB_ROOT_PASSWORD:?must be set: it becomes the password of root}"
  mariadb-install-db --datadir=/var/lib/mysql --auth-root-authentication-method=normal --skip-test-db >/dev/null
  mariadbd --bootstrap --skip-networking <<SQL
FLUSH PRIVILEGES;
ALTER USER root@localhost IDENTIFIED BY '$MARIADB_ROOT_PASSWORD';
SQL
fi
exec "$@"
