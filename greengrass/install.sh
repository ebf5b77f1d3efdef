#!/bin/sh
# install.sh FILES WORK ZIP REQUIREMENT…: install wheels of FILES/wheels into a virtual environment in WORK, without network.
#
# WORK/current is a link to the environment. It changes when the new one is complete, so that a device that loses its
# power meanwhile still has the old one. The predecessor may run until the whole deployment is through, or for ever if a
# neighbour's installation fails: its environment is left alone here. The successor removes it, when it serves.
# The nucleus may run this again at any time: what is there is left alone.
set -eu
umask 022
files=$1 work=$2 zip=$3
shift 3

for python in python3 python3.13 python3.12 python3.11 python3.10; do
  if tag=$("$python" -c 'import sys; assert sys.version_info >= (3, 10); print("%d.%d" % sys.version_info[:2])' 2>/dev/null) &&
    [ -e "$files/wheels/python$tag.txt" ]; then
    break
  fi
  tag=
done
if [ -z "$tag" ]; then
  echo "no Python that this artifact has wheels for: $(cd "$files/wheels" && echo python*.txt | sed 's/\.txt//g') wanted" >&2
  exit 1
fi

id=python$tag-$(cut -c 1-12 "$files/wheels/sha256.txt")
if [ ! -e "$work/$id/complete" ]; then
  rm -rf "${work:?}/$id"
  if ! ls "$files"/wheels/*.whl >/dev/null 2>&1; then  # they have gone after an earlier installation
    "$python" -I -m zipfile -e "$zip" "$files"
  fi
  "$python" -I -m venv "$work/$id" || {
    echo "no virtual environment could be made: apt install python3-venv" >&2
    exit 1
  }
  "$work/$id/bin/python" -I -m pip install --quiet --disable-pip-version-check --no-index \
    --find-links "$files/wheels" "$@"
  chmod -R a+rX "$work/$id"
  sync
  touch "$work/$id/complete"
fi
# Whose turn it is: predecessors.py removes what was chosen before.
touch "$work/$id/chosen"
if [ "$(id -u)" = 0 ]; then  # the successor, which is not root, has to remove them
  chown -Rh "$(stat -c %u:%g "$work")" "$work"/python3.*
fi
ln -sfn "$id" "$work/.current.new"
mv -fT "$work/.current.new" "$work/current"
case $files in
  "$work"/*) rm -f "$files"/wheels/*.whl ;;  # hundreds of megabytes that are installed now; the zip still has them
esac
