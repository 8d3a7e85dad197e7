#!/bin/sh
# A configuration alone is to be served.
set -e
case $1 in *.yaml | *.yml) set -- docker-registry serve "$@" ;; esac
exec "$@"
