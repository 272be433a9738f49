#!/bin/sh
# Provides the programs that the tests need on this machine: machine.sh browser|postgres
# Installed programs are used. Root installs missing ones with apt-get. Other users unpack Debian's packages into
# target/machine and use them from there. If neither works, one line names what to install.
set -eu
# The output of apt-get and dpkg goes to a log, our own messages to the caller.
exec 3>&1

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/machine"
target=$(cd "$target" && pwd)
home=$target/machine/$1
log=$home.log
. tests/stack/path.sh

# Each program must start: a program whose libraries are missing counts as missing.
runs() {
  find_programs
  for program in "$@"; do "$program" --version >/dev/null 2>&1 </dev/null || return 1; done
}

# Returns whether the program that is found has this major version or a newer one.
is_at_least() {
  found=$("$2" --version 2>/dev/null | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
  [ "${found:-0}" -ge "$1" ]
}

case $1 in
  browser)
    packages='chromium chromium-driver fonts-dejavu-core'
    needed='Chromium and its driver'
    is_there() { runs "${CHROMIUM:-chromium}" "${CHROMEDRIVER:-chromedriver}"; }
    ;;
  postgres)
    packages=postgresql
    needed='PostgreSQL 15 or newer'
    is_there() { runs initdb postgres psql pg_dump pg_restore pg_basebackup && is_at_least 15 postgres; }
    ;;
  *) echo "machine.sh: \`$1\` is neither \`browser\` nor \`postgres\`" >&2; exit 2 ;;
esac

is_installed() {
  unpacked=
  if is_there; then found=0; else found=1; fi
  unpacked=$target/machine/bin:
  return "$found"
}

# Removes the wrappers of earlier packages. Their paths are absolute, so they remain after a folder was moved or
# cleaned.
forget() {
  for wrapper in "$target"/machine/bin/*; do
    if grep -qs "^exec '.*/machine/$1/root/" "$wrapper"; then rm -f "$wrapper"; fi
  done
}

with_apt() {
  [ "$(id -u)" -eq 0 ] || return 1
  echo "installing $packages with apt-get (about a minute)" >&3
  # shellcheck disable=SC2086
  apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $packages
}

# Writes a wrapper that starts an unpacked program with its libraries and fonts: wrap PROGRAM [LINE]
wrap() {
  cat >"$target/machine/bin/$(basename "$1")" <<END
#!/bin/sh
LD_LIBRARY_PATH='$libraries'\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
FONTCONFIG_FILE='$home/fonts.conf'
export LD_LIBRARY_PATH FONTCONFIG_FILE
${2:-}
exec '$1' "\$@"
END
  chmod +x "$target/machine/bin/$(basename "$1")"
}

into_target() {
  echo "unpacking $packages and what they need into $home (about a minute)" >&3
  rm -rf "$home"
  forget "$1"
  # shellcheck disable=SC2086
  sh tests/stack/unpack.sh "$home" $packages || return 1
  libraries=$(find "$home/root" -name '*.so*' -exec dirname {} + | sort -u | tr '\n' ':')
  libraries=${libraries%:}
  mkdir -p "$target/machine/bin"
  cat >"$home/fonts.conf" <<END
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir>
  <dir>$home/root/usr/share/fonts</dir>
  <cachedir>$home/fonts</cachedir>
</fontconfig>
END
  case $1 in
    browser)
      # Chromium's sandbox needs a user namespace or a setuid program, and an unpacked program is not setuid.
      wrap "$home/root/usr/lib/chromium/chromium" 'unshare --user true 2>/dev/null || set -- --no-sandbox "$@"'
      wrap "$home/root/usr/bin/chromedriver"
      ;;
    postgres) for program in "$home"/root/usr/lib/postgresql/*/bin/*; do wrap "$program"; done ;;
  esac
}

if is_installed; then
  forget "$1"
  exit
fi
is_there && exit
if command -v apt-get >/dev/null; then
  for way in with_apt into_target; do
    { "$way" "$1" || true; } </dev/null >"$log" 2>&1
    is_there && exit
  done
fi
forget "$1"
echo "\`make test\` needs $needed: on Debian, apt-get install $packages$([ ! -f "$log" ] || echo "; $log says more")" >&2
exit 1
