#!/bin/sh
# Runs one long step, and prints its name, its progress and how long it took the last time: step.sh NAME UNIT COMMAND...
# UNIT is what progress.sh counts: `crates`, `packages`, `tests`, or `nothing`. STEPS may name all remaining steps. The
# output of the step goes to a log, which is printed if the step fails.
set -u
. tests/stack/progress.sh
name=$1 unit=$2
shift 2
log=$steps/$name.log

# Cargo draws its progress bar only on terminals, unless it is given a width.
if [ "$unit" = crates ]; then export CARGO_TERM_PROGRESS_WHEN=always CARGO_TERM_PROGRESS_WIDTH=100; fi

place=
number=0
for step in ${STEPS:-}; do
  number=$((number + 1))
  [ "$step" != "$name" ] || place="[$number of $(echo "$STEPS" | wc -w)] "
done

watcher=
finish() { [ -z "$watcher" ] || kill "$watcher" 2>/dev/null; }
trap finish EXIT
trap 'exit 130' INT TERM
begin=$(date +%s)
: >"$log"
# A step without work ends before anything is printed about it.
(
  sleep 2 >/dev/null 2>&1
  echo "$place$name: $(last_time "$name")"
  watch_step "$name" "$unit" "$log" "${PROGRESS_SECONDS:-20}"
) &
watcher=$!
"$@" >"$log" 2>&1 </dev/null
status=$?
finish
took=$(($(date +%s) - begin))
if [ "$status" -ne 0 ]; then
  tr '\r' '\n' <"$log" | grep -v '^ *Building \[' | tail -n 80 >&2
  echo "$name failed after $(spoken "$took"); all it said is in $log" >&2
  exit "$status"
fi
keep_time "$name" "$took"
[ "$took" -lt 3 ] || echo "$place$name is done after $(spoken "$took")"
