#!/bin/sh
# Builds a statically linked program and its image: image.sh PROGRAM. Called by `make image`.
#   IMAGE_KEY      private key in PEM form for the signature; default: a key that is created next to the image
#   IMAGE_PROFILE  Cargo's profile; default: release
#   IMAGE_PROGRAM  the program, if it is already built
#   IMAGE_FOLDER   output folder; default: target/image
set -eu
cd "$(dirname "$0")/../.."

program=$1
target=${CARGO_TARGET_DIR:-target}
profile=${IMAGE_PROFILE:-release}
image=${IMAGE_FOLDER:-$target/image}
host=$(rustc -vV | sed -n 's/^host: //p')

missing() {
  echo "$1 is missing: install $2" >&2
  exit 1
}
for tool in python3 openssl; do
  command -v "$tool" >/dev/null || missing "\`$tool\`" "Python 3 and OpenSSL"
done
case $host in
  x86_64-*-linux-*) architecture=amd64 ;;
  aarch64-*-linux-*) architecture=arm64 ;;
  *) echo "no program for Linux is made on $host: build the Containerfile with podman" >&2; exit 1 ;;
esac
mkdir -p "$image"
echo 'int main(void) { return 0; }' | cc -static -x c -o "$image/.static" - 2>/dev/null \
  || missing 'the static C library' 'libc6-dev (Debian) or glibc-static (Fedora)'
rm "$image/.static"

case $program in
  tenantry-operator) manifest=Cargo.toml folders='' ;;
  tenantry-platform) manifest=crates/tenantry-platform/Cargo.toml folders='--folder data --folder tmp' ;;
esac
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# Uses the last commit and not the current time, so that a rebuild gives the same image. A repository that merely
# contains the sources does not count.
own() {
  [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$(pwd -P)" ] && git "$@" 2>/dev/null
}
revision=${IMAGE_REVISION:-$(own rev-parse HEAD || echo unknown)}
# No commit has second 0, and no program reports it about itself.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(own log -1 --format=%ct || echo 0)}
export SOURCE_DATE_EPOCH
[ "$revision" = unknown ] || export TENANTRY_COMMIT="$revision"

file=${IMAGE_PROGRAM:-$target/$host/$profile/$program}
if [ -z "${IMAGE_PROGRAM:-}" ]; then
  # Folders of this machine are private, and must not change the result.
  remap="--remap-path-prefix=$PWD=/tenantry --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
  RUSTFLAGS="-C target-feature=+crt-static $remap" \
    cargo build --locked --profile "$profile" --target "$host" --package "$program" --bin "$program"
fi

# Mozilla's certificate authorities, as Cargo.lock pins them, because those of this machine are its owner's choice.
roots=$(cargo metadata --locked --format-version 1 | python3 -c '
import json, sys
packages = json.load(sys.stdin)["packages"]
for one in packages:
    if one["name"] == "webpki-root-certs": print(one["version"], one["targets"][0]["src_path"])')

# The tool writes beside the Cargo.toml of every package.
PATH="$PWD/$target/tools/bin:$PATH" cargo cyclonedx --quiet --format json --spec-version 1.5 --manifest-path "$manifest" \
  --target "$host" --override-filename "$program.cdx"
mv "$(dirname "$manifest")/$program.cdx.json" "$image/$program.cdx.json"
rm -f "$program.cdx.json" crates/*/"$program.cdx.json"
libc=$(getconf GNU_LIBC_VERSION 2>/dev/null || echo musl unknown)

key=${IMAGE_KEY:-$image/key.pem}
if [ ! -f "$key" ] && [ -z "${IMAGE_KEY:-}" ]; then
  (umask 077 && openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$key")
fi
openssl pkey -in "$key" -pubout -out "$image/key.pub.pem"
[ -n "${IMAGE_KEY:-}" ] || echo "signed with a key of this folder alone, $key: set IMAGE_KEY to sign for others" >&2

layout=$image/$program
rm -rf "$layout"
python3 packaging/image/image.py build --name "$program" --program "$file" \
  --version "$version" --revision "$revision" --architecture "$architecture" --epoch "$SOURCE_DATE_EPOCH" \
  --roots "${roots#* }" --licence LICENSE --sbom "$image/$program.cdx.json" --key "$key" $folders \
  --linked "webpki-root-certs ${roots%% *} CDLA-Permissive-2.0" --linked "$libc LGPL-2.1-or-later" \
  --linked "rust-std $(rustc -vV | sed -n 's/^release: //p') MIT OR Apache-2.0" "$layout"
rm "$image/$program.cdx.json"
python3 packaging/image/image.py verify --key "$image/key.pub.pem" "$layout"
