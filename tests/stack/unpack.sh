#!/bin/sh
# Downloads Debian's packages and their missing dependencies, and unpacks them, which needs no rights: unpack.sh FOLDER
# PACKAGE...
# The root of the unpacked files is FOLDER/root.
set -eu

mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
# The script uses its own package lists, because those of the machine may be missing, old or not readable.
state=$folder/apt
trap 'rm -rf "$state"' EXIT
mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/debs" "$folder/root"

apt() {
  # The packages installed on the machine determine what is missing.
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
