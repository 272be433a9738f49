#!/bin/sh
# Puts a program at a path: the one that is installed, else the one of Debian's package, unpacked beside it, since
# installing it may start a server: debian.sh PROGRAM PACKAGE PATH
set -eu
program=$1 package=$2 path=$3

if found=$(command -v "$program"); then
  ln -sf "$found" "$path"
  exit
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
download() { apt-get -q download "$package" >/dev/null 2>&1; }
if download || { apt-get -q update >/dev/null 2>&1 && download; }; then
  dpkg-deb --extract "$package"_*.deb .
  mv "usr/bin/$program" "$path"
else
  echo "\`$program\` is missing: install Debian's package $package" >&2
  exit 1
fi
