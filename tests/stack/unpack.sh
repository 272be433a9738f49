#!/bin/sh
# Fetches Debian's packages, and what they need that is not installed, and unpacks all of it, which takes no rights:
# unpack.sh FOLDER PACKAGE... FOLDER/root is then the root of their files.
set -eu

mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
# The lists of packages are our own, since those of the machine may be missing, old or closed to us.
state=$folder/apt
trap 'rm -rf "$state"' EXIT
mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/debs" "$folder/root"

apt() {
  # What is installed on the machine decides what is missing.
  apt-get -qq -o Debug::NoLocking=1 -o APT::Sandbox::User=root -o Dir::State="$state" \
    -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$state/cache" "$@"
}

apt update
apt install --yes --no-install-recommends --print-uris "$@" >"$state/uris"
names=$(sed -n "s/^'[^']*' \([^_]*\)_.*/\1/p" "$state/uris")
cd "$state/debs"
# shellcheck disable=SC2086
apt download ${names:-"$@"}
for package in *.deb; do dpkg-deb --extract "$package" "$folder/root"; done
