#!/bin/sh
# Runs all tiers named on the command line, even after a failure, and prints a table with their counts. A tier that ran
# no tests has failed. Ignored tests are counted, not hidden.
set -u
. tests/stack/progress.sh

# The same cases in each run, so that a new failure comes from a change; `make nightly` uses other cases.
PROPTEST_RNG_SEED=${TENANTRY_SEED:-0}
export PROPTEST_RNG_SEED

logs=${CARGO_TARGET_DIR:-target}/tiers
rm -rf "$logs"
mkdir -p "$logs"
table=$logs/table
passed=0 failed=0 ignored=0 number=0

# A background process does not receive an interrupt of the terminal.
watcher=
finish() { [ -z "$watcher" ] || kill "$watcher" 2>/dev/null; }
trap finish EXIT
trap 'exit 130' INT TERM

run() {
  case $1 in
    fmt) cargo fmt --check ;;
    lint) cargo clippy --all-targets -- -D warnings ;;
    # A failure in one package hides no failure of the packages after it.
    unit) cargo test --lib --no-fail-fast ;;
    # Names in the code, words in comments and docs.
    words) cargo test --test docs ;;
    # Its check of advisories needs a database from the network; the GitHub workflow runs that check.
    deny) "${CARGO_TARGET_DIR:-target}/tools/bin/cargo-deny" --color never check bans licenses sources ;;
    alerts)
      promtool=${CARGO_TARGET_DIR:-target}/controlplane/promtool
      "$promtool" check rules charts/tenantry/observability/alerts.yaml charts/tenantry/observability/platform.yaml \
        && "$promtool" test rules tests/observability/alerts.yaml tests/observability/platform.yaml
      ;;
    integration) cargo test --test it ;;
    postgres) sh tests/stack/postgres.sh ;;
    docs) RUSTDOCFLAGS='-D warnings' cargo doc --no-deps ;;
    demo) "${CARGO_TARGET_DIR:-target}/debug/examples/stack" demo ;;
    *) echo "\`$1\` is no tier" >&2; return 2 ;;
  esac
}

# Adds up one column of the lines `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
count() {
  sed -n "s/^test result:.* \([0-9][0-9]*\) $2.*/\1/p" "$1" | awk '{ sum += $1 } END { print sum + 0 }'
}

# The output of a tier goes to the terminal and to a file. Its status goes through another file, because a pipe has only
# the status of its last command.
tier() {
  number=$((number + 1))
  echo "== $number of $tiers: $1; $(last_time "tier-$1")"
  log=$logs/$1.log
  begin=$(date +%s)
  : >"$log"
  watch_step "$1" tests "$log" "${PROGRESS_SECONDS:-60}" &
  watcher=$!
  { run "$1" </dev/null 2>&1; echo $? >"$logs/$1.status"; } | tee "$log"
  finish
  watcher=
  status=$(cat "$logs/$1.status")
  seconds=$(($(date +%s) - begin))
  [ "$status" -ne 0 ] || keep_time "tier-$1" "$seconds"
  case $1 in
    unit|words|integration|postgres) good=$(count "$log" passed) bad=$(count "$log" failed) left=$(count "$log" ignored) ;;
    demo) good=$(sed -n 's/^demo: \([0-9]*\) steps passed.*/\1/p' "$log") bad=0 left=0 ;;
    *) good=$((status == 0)) bad=0 left=0 ;;
  esac
  good=${good:-0}
  if [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$good" -eq 0 ]; }; then bad=1; fi
  printf '%-12s %7s %7s %8s %7ss\n' "$1" "$good" "$bad" "$left" "$seconds" >>"$table"
  passed=$((passed + good)) failed=$((failed + bad)) ignored=$((ignored + left))
}

# Prints the failures and their messages again at the end of a long output, where a reader starts.
tell_failures() {
  awk '/^failures:$/ { part++ } part % 2 == 1 && !/^test result:/' "$logs"/*.log | head -n 200
}

tiers=$#
for name in "$@"; do tier "$name"; done

[ "$failed" -eq 0 ] || tell_failures
printf '\n%-12s %7s %7s %8s %8s\n' tier passed failed ignored took
cat "$table"
printf '\n'
if [ "$ignored" -gt 0 ]; then
  echo "$ignored ignored: run each with \`cargo test -- --ignored\`, or mend it"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
