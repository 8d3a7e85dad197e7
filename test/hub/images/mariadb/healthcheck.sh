#!/bin/sh
exec mariadb-admin --user=root --password="$MARIADB_ROOT_PASSWORD" ping
