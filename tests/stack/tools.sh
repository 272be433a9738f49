#!/bin/sh
# Provides the programs that `make test` needs and does not build. It runs first, so that a missing program is reported
# at once and not after half an hour. Root installs Debian's packages with apt-get. Otherwise one line names what to
# install.
set -eu

log=${CARGO_TARGET_DIR:-target}/tools.log
mkdir -p "${log%/*}"

python() { python3 -c 'import ensurepip, sys; assert sys.version_info >= (3, 10)' >/dev/null 2>&1; }

# Prints the missing packages of Debian.
packages() {
  python || echo python3-venv
  for program in git openssl; do "$program" version >/dev/null 2>&1 || echo "$program"; done
}

wanted=$(packages | tr '\n' ' ')
if [ -n "$wanted" ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  echo "installing $wanted with apt-get"
  # shellcheck disable=SC2086
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $wanted; } \
    </dev/null >"$log" 2>&1 || true
fi

missing=
lacks() { missing="$missing${missing:+; }$1"; }
for part in clippy fmt; do
  cargo "$part" --version >/dev/null 2>&1 || lacks "\`cargo $part\` (rustup component add clippy rustfmt)"
done
python || lacks "Python 3.10 or newer with \`venv\` (on Debian, apt-get install python3-venv)"
for program in git openssl; do
  "$program" version >/dev/null 2>&1 || lacks "\`$program\` (on Debian, apt-get install $program)"
done
[ -z "$missing" ] || { echo "\`make test\` needs $missing" >&2; exit 1; }
