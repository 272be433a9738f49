#!/bin/sh
# Puts a program at a path: debian.sh PROGRAM PACKAGE PATH
# An installed program is linked. Otherwise Debian's package is unpacked next to it, because installing it may start a
# server.
set -eu
program=$1 package=$2 path=$3

if found=$(command -v "$program"); then
  ln -sf "$found" "$path"
  exit
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if command -v apt-get >/dev/null && sh tests/stack/unpack.sh "$folder" "$package" >/dev/null 2>&1; then
  mv "$folder/root/usr/bin/$program" "$path"
else
  echo "\`$program\` is missing: install Debian's package $package" >&2
  exit 1
fi
