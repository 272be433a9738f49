#!/bin/sh
# Puts promtool at the path that is named: the one that is installed, else the one of Debian's package `prometheus`,
# unpacked beside it. Installing the package would start a server.
set -eu

if found=$(command -v promtool); then
  ln -sf "$found" "$1"
  exit
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
download() { apt-get -q download prometheus >/dev/null 2>&1; }
if download || { apt-get -q update >/dev/null 2>&1 && download; }; then
  dpkg-deb --extract prometheus_*.deb .
  mv usr/bin/promtool "$1"
else
  echo "\`promtool\` is missing: install Debian's package prometheus" >&2
  exit 1
fi
