#!/bin/sh
# Breaks the code in places that chance chooses, and shows what no test notices: mutants-wide.sh SAMPLE SEED
# The mutants are those of cargo-mutants over plan, operator and the platform's people, login and store. The unit tests and
# the contract tests judge them: what needs an API server is too slow for so many. Where the process ends early, the next
# one with the same SAMPLE and SEED goes on, if the code is the same.
set -u
. tests/stack/progress.sh

sample=$1 seed=$2
root=$(pwd)
target=$(cd "${CARGO_TARGET_DIR:-$root/target}" && pwd)
tools=$target/tools/bin
work=$target/mutants-wide
tree=$work/tree
# Other code has other mutants under the same numbers, and other verdicts.
code=$(git ls-files --cached --others --exclude-standard -- src tests Cargo.toml Cargo.lock | sort | while IFS= read -r file; do
  [ ! -f "$file" ] || sha256sum "$file"
done | sha256sum | cut -c1-12)
chosen=$work/$sample-$seed-$code
results=$chosen/results
export CARGO_TARGET_DIR="$work/target"
# The copy is no repository, and patches are not to be fitted into the one around it.
export GIT_CEILING_DIRECTORIES="$work"
# What is not linked with symbols for a debugger is linked sooner.
export CARGO_PROFILE_DEV_DEBUG=0

# How long the tests may take: a mutant may make one of them wait for ever.
LIMIT=${LIMIT:-900}
# Random tests play fewer cases than elsewhere: each mutant plays them all.
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

# One file for each mutant of the sample: its name in the first line, then its patch.
choose() {
  "$tools/cargo-mutants" mutants --list --json --diff \
    -f 'src/plan/**' -f 'src/plan.rs' -f 'src/operator/**' -f 'src/operator.rs' -f 'src/platform/people/**' \
    -f 'src/platform/people.rs' -f 'src/platform/login/**' -f 'src/platform/login.rs' -f 'src/platform/store/**' \
    -f 'src/platform/store.rs' >"$chosen/all.json" || return 1
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

# The unit tests and the contract tests of the part that a file belongs to. Those of remedies start API servers.
tests_of() {
  case $1 in
    src/platform*) units=platform:: contract='platform:: --skip remedies::' ;;
    *) units='plan:: operator:: object::' contract='sim:: connect::' ;;
  esac
}

# Whether the tests notice; the unit tests first, since they are built sooner.
judge() {
  for tests in "--lib -- $units" "--test it -- $contract"; do
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
  # The programs that some contract tests start.
  cargo build --quiet --bins
  units='plan:: operator:: object:: platform::' contract='sim:: connect:: platform:: --skip remedies::'
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
