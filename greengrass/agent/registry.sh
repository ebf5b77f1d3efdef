#!/bin/sh
# registry.sh WORK: make the folder where model components register, for the user that owns the folder WORK.
set -eu
umask 022
if [ ! -d "$EDGE_AGENT_REGISTRY" ]; then
  mkdir -p "$(dirname "$EDGE_AGENT_REGISTRY")"
  new=$EDGE_AGENT_REGISTRY.$$
  mkdir "$new"
  [ "$(id -u)" != 0 ] || chown "$(stat -c %u:%g "$1")" "$new"
  chmod 2775 "$new"
  mv -T "$new" "$EDGE_AGENT_REGISTRY"
fi
