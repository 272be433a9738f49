#!/bin/sh
# Copies the definitions of Flux's kinds from the modules of its controllers into the folder of the argument.
set -eu

out=$1
here=$(cd "$(dirname "$0")" && pwd)

# The source controller is not a requirement of this module, because it does not build from published modules. This
# is its checksum, as it would be in go.sum.
source=github.com/fluxcd/source-controller@v1.9.0
sum=h1:5msg2yyjVYDULZos+2ve8MZzcSqTpusiXmrOeBhc9yY=

cd "$here"
found=$(go mod download -json "$source")
field() { printf '%s\n' "$found" | sed -n "s/^\t\"$1\": \"\(.*\)\",*$/\1/p"; }
if [ "$(field Sum)" != "$sum" ]; then
  echo "$source is not what it was: its sum is $(field Sum) and not $sum" >&2
  exit 1
fi

mkdir -p "$out"
kustomizations=$(go list -m -f '{{.Dir}}' github.com/fluxcd/kustomize-controller)
for module in "$kustomizations" "$(field Dir)"; do
  for file in "$module"/config/crd/bases/*.yaml; do
    # The module cache is read-only, and `cp` would keep this mode.
    cat "$file" >"$out/$(basename "$file")"
  done
done
