#!/bin/sh
# Breaks the code on purpose, one defect of tests/mutants at a time, and checks that the tests named in it fail. First
# each of these tests must pass on the unchanged code. `mutants.sh NAME...` runs only the defects whose file name
# contains NAME.
set -u

root=$(pwd)
work=${CARGO_TARGET_DIR:-$root/target}/mutants
tree=$work/tree
built=${CARGO_TARGET_DIR:-$root/target}/controlplane
export CARGO_TARGET_DIR="$work/target"
# The copy is not a repository, and patches must not be applied to the repository that contains it.
export GIT_CEILING_DIRECTORIES="$work"

copy() {
  rm -rf "$tree"
  mkdir -p "$tree"
  # Tracked and uncommitted files, without build output.
  git ls-files --cached --others --exclude-standard | while IFS= read -r file; do
    [ -f "$file" ] || continue
    mkdir -p "$tree/$(dirname "$file")"
    cp -p "$file" "$tree/$file"
  done
}

# The package of a unit test: its name begins with the name of its crate.
package_of() { printf '%s' "${1%%::*}" | tr _ -; }

# Builds what a test needs. Unit tests are part of their package; the others start the programs.
build_for() {
  case $1 in
    it::*) cargo build --quiet --bins && cargo test --quiet --test it --no-run ;;
    *) cargo test --quiet --package "$(package_of "$1")" --lib --no-run ;;
  esac
}

tests_of() { sed -n 's/^test: //p' "$1"; }

# Runs a test by its name, which begins with its crate.
play() {
  case $1 in
    it::*) cargo test --quiet --test it -- --exact "${1#it::}" ;;
    *) cargo test --quiet --package "$(package_of "$1")" --lib -- --exact "${1#*::}" ;;
  esac
}

ran() { grep -q "^test result: .*[1-9][0-9]* $1" "$2"; }

chosen() {
  [ $# -gt 1 ] || return 0
  patch=$1
  shift
  for name in "$@"; do case $(basename "$patch") in *"$name"*) return 0 ;; esac; done
  return 1
}

copy
mkdir -p "$CARGO_TARGET_DIR"
ln -sfn "$built" "$CARGO_TARGET_DIR/controlplane"
cd "$tree" || exit 1
log=$work/log
red=0 missed=0
for patch in tests/mutants/*.patch; do
  chosen "$patch" "$@" || continue
  for test in $(tests_of "$patch"); do
    if ! { build_for "$test" && play "$test"; } >"$log" 2>&1 || ! ran passed "$log"; then
      tail -n 20 "$log" >&2
      echo "\`$test\` is not green on the code as it is: mend that first" >&2
      exit 1
    fi
  done
done
for patch in tests/mutants/*.patch; do
  chosen "$patch" "$@" || continue
  echo "$(basename "$patch" .patch): $(head -n 1 "$patch")"
  git apply "$patch" || { echo "  it does not fit the code any more: make it anew" >&2; missed=$((missed + 1)); continue; }
  for test in $(tests_of "$patch"); do
    if ! build_for "$test" >"$log" 2>&1; then
      tail -n 20 "$log" >&2
      echo "  it does not compile: make it anew" >&2
      missed=$((missed + 1))
    elif play "$test" >"$log" 2>&1; then
      echo "  survived: $test" && missed=$((missed + 1))
    elif ran failed "$log"; then
      echo "  red: $test" && red=$((red + 1))
    else
      echo "  neither green nor red: $test" && missed=$((missed + 1))
    fi
  done
  git apply -R "$patch"
done
echo "mutants: $red tests turned red, $missed did not"
[ "$missed" -eq 0 ] && [ "$red" -gt 0 ]
