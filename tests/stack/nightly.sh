#!/bin/sh
# Runs the tests that are too long for each change, with a new seed. A failing case is written to
# `proptest-regressions` of its package, and each run of `make test` repeats it from then on: commit the file.
set -u
. tests/stack/progress.sh

# Above the seeds that CI uses. SEED repeats an earlier night.
seed=${SEED:-$(($(od -An -N4 -tu4 /dev/urandom) % 1000000000 + 1000))}
echo "nightly: seed $seed; \`make nightly SEED=$seed\` plays this night again"
export TENANTRY_SEED="$seed" PROPTEST_RNG_SEED="$seed"

failed=
part() {
  echo "== $1; $(last_time "nightly-$1")"
  begin=$(date +%s)
  if "$1"; then
    keep_time "nightly-$1" "$(($(date +%s) - begin))"
  else
    failed="$failed $1"
  fi
}

# Uses the profile that is fast enough for so many cases.
played() { cargo test --quiet --profile measure --test it -- --nocapture "$1"; }

long() { TENANTRY_STEPS=${STEPS:-200000} played sim::long_run; }
random() { TENANTRY_CASES=${CASES:-20000} played sim::random; }
fuzz() { TENANTRY_CASES=${FUZZ_CASES:-1000} played platform::fuzz; }
strangers() { TENANTRY_CASES=${FUZZ_CASES:-200} played platform::people::tenant_isolation; }
unit() { cargo test --quiet --profile measure --lib --no-fail-fast; }
mutants() { sh tests/stack/mutants.sh; }

# PARTS runs only some of them.
for name in ${PARTS:-long random fuzz strangers unit mutants}; do part "$name"; done

kept=$(git status --porcelain --untracked-files=all -- '*proptest-regressions/*' | sed 's/^...//')
[ -z "$kept" ] || printf 'kept, to be committed with the fix:\n%s\n' "$kept"
echo "nightly: seed $seed, failed: ${failed:-nothing}"
[ -z "$failed" ]
