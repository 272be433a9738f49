#!/bin/sh
# Breaks the code in random places, and shows the defects that no test notices: mutants-wide.sh SAMPLE SEED
# The mutants are those of cargo-mutants for plan, operator and the platform's people, login and store. The unit tests
# and the contract tests check them; tests that need an API server are too slow for so many. After an early exit, the
# next run with the same SAMPLE and SEED continues if the code is the same.
set -u
. tests/stack/progress.sh

sample=$1 seed=$2
root=$(pwd)
target=$(cd "${CARGO_TARGET_DIR:-$root/target}" && pwd)
tools=$target/tools/bin
work=$target/mutants-wide
tree=$work/tree
# Changed code has different mutants under the same numbers, and different results.
code=$(git ls-files --cached --others --exclude-standard -- src tests Cargo.toml Cargo.lock | sort | while IFS= read -r file; do
  [ ! -f "$file" ] || sha256sum "$file"
done | sha256sum | cut -c1-12)
chosen=$work/$sample-$seed-$code
results=$chosen/results
export CARGO_TARGET_DIR="$work/target"
# The copy is not a repository, and patches must not be applied to the repository that contains it.
export GIT_CEILING_DIRECTORIES="$work"
# Linking is faster without debug symbols.
export CARGO_PROFILE_DEV_DEBUG=0

# Time limit of the tests: a mutant may make a test wait for ever.
LIMIT=${LIMIT:-900}
# Random tests run fewer cases than usual, because each mutant runs all of them.
export TENANTRY_CASES="${TENANTRY_CASES:-60}"

copy() {
  rm -rf "$tree"
  mkdir -p "$tree" "$CARGO_TARGET_DIR" "$chosen"
  git ls-files --cached --others --exclude-standard | while IFS= read -r file; do
    [ -f "$file" ] || continue
    mkdir -p "$tree/$(dirname "$file")"
    cp -p "$file" "$tree/$file"
  done
  ln -sfn "$target/controlplane" "$CARGO_TARGET_DIR/controlplane"
}

# Writes one file per mutant of the sample: its name in the first line, then its patch.
choose() {
  "$tools/cargo-mutants" mutants --list --json --diff \
    --workspace -f 'crates/tenantry-core/src/**' -f 'src/**' -f 'crates/tenantry-platform/src/people/**' \
    -f 'crates/tenantry-platform/src/people.rs' -f 'crates/tenantry-platform/src/login_policy/**' \
    -f 'crates/tenantry-platform/src/login_policy.rs' -f 'crates/tenantry-platform/src/store/**' \
    -f 'crates/tenantry-platform/src/store.rs' >"$chosen/all.json" || return 1
  python3 - "$chosen" "$sample" "$seed" <<'END'
import json, pathlib, random, sys
folder, sample, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
mutants = json.loads((folder / "all.json").read_text())
mutants.sort(key=lambda one: one["name"])
drawn = random.Random(seed).sample(mutants, min(sample, len(mutants)))
for number, one in enumerate(drawn, 1):
    # Its header names the mutant where a patch names the file.
    hunks = one["diff"].split("\n", 2)[2]
    header = f"--- a/{one['file']}\n+++ b/{one['file']}\n"
    (folder / f"{number:04}.patch").write_text(one["name"] + "\n\n" + header + hunks)
print(f"{len(drawn)} of {len(mutants)} mutants, seed {seed}")
END
}

# The unit tests and the contract tests for a file. The tests of remedies start API servers and are left out.
tests_of() {
  case $1 in
    crates/tenantry-platform/*) units=tenantry-platform contract='platform:: --skip status_advice:: --skip connect::' ;;
    *) units='tenantry-core tenantry-operator' contract='sim:: connect::' ;;
  esac
}

# Prints whether the tests notice the mutant. The unit tests run first, because they build faster.
judge() {
  packages=$(for name in $units; do printf -- '--package %s ' "$name"; done)
  for tests in "$packages--lib -- " "--test it -- $contract"; do
    # shellcheck disable=SC2086
    if ! cargo test --quiet ${tests%% -- *} --no-run >"$work/log" 2>&1; then echo unbuildable; return; fi
    # shellcheck disable=SC2086
    timeout "$LIMIT" cargo test --quiet $tests >"$work/log" 2>&1
    case $? in
      0) ;;
      124) echo 'caught (too slow)'; return ;;
      *) echo "caught ($(sed -n 's/^    \([a-z_0-9:]*\)$/\1/p' "$work/log" | head -n 1))"; return ;;
    esac
  done
  echo survived
}

copy
choose || exit 1
cd "$tree" || exit 1
touch "$results"
if ! grep -q '^0000 ' "$results"; then
  echo 'the code as it is'
  # Some contract tests start these programs.
  cargo build --quiet --bins
  units='tenantry-core tenantry-operator tenantry-platform' contract='sim:: connect:: platform:: --skip status_advice::'
  verdict=$(judge)
  [ "$verdict" = survived ] || { tail -n 40 "$work/log" >&2; echo "the code as it is: $verdict; mend that first" >&2; exit 1; }
  echo '0000 green' >>"$results"
fi
for patch in "$chosen"/[0-9]*.patch; do
  number=$(basename "$patch" .patch)
  ! grep -q "^$number " "$results" || continue
  begin=$(date +%s)
  tests_of "$(sed -n 's/^+++ b\///p' "$patch")"
  git apply "$patch" || { echo "$number does not fit: $(head -n 1 "$patch")" | tee -a "$results"; continue; }
  verdict=$(judge)
  git apply -R "$patch"
  echo "$number $verdict: $(head -n 1 "$patch")" | tee -a "$results"
  echo "-- $number of $sample, $(spoken $(($(date +%s) - begin)))"
done
count() { grep -c "^[0-9]* $1" "$results"; }
echo "mutants-wide: $(count caught) caught, $(count survived) survived, $(count unbuildable) do not compile; all in $results"
grep '^[0-9]* survived' "$results"
exit 0
