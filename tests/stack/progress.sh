# Progress of a long step, in complete lines, so that a log without a terminal is readable. Sourced by other scripts.

# The duration in seconds of each step that succeeded.
steps=${CARGO_TARGET_DIR:-target}/steps
mkdir -p "$steps"

# Formats seconds for people.
spoken() {
  if [ "$1" -lt 60 ]; then echo "$1 s"; else echo "$(($1 / 60)) min $(($1 % 60)) s"; fi
}

# Prints how long a step took the last time.
last_time() {
  if [ -s "$steps/$1.seconds" ]; then
    echo "the last time it took $(spoken "$(cat "$steps/$1.seconds")")"
  else
    echo 'the first time'
  fi
}

# Records how long a step took. A step that had almost nothing to do does not predict the next one.
keep_time() {
  [ "$2" -lt 3 ] || echo "$2" >"$steps/$1.seconds"
}

# Prints the progress of a step from its log: how_far UNIT LOG
how_far() {
  case $1 in
    # Cargo's progress bar: `Building [===>   ] 12/345: name`.
    crates) tr '\r' '\n' <"$2" | sed -n 's|.*\] \([0-9]*\)/\([0-9]*\)[:( ].*|\1 of \2 crates, |p' | tail -n 1 ;;
    # One line for each package that `go build -v` builds, after a line with their number. A package in Go's cache has
    # no line.
    packages)
      awk '/^packages: / { all = $2; next } all { done++ }
        END { if (done) printf "%d of %d packages, ", done, all }' "$2"
      ;;
    # The lines of libtest: `running 12 tests`, and one for each test.
    tests)
      awk '/^running [0-9]+ tests?/ { all += $2 } /^test .* \.\.\. / { done++ }
        END { if (all) printf "%d of %d tests, ", done, all; else printf "compiling, " }' "$2"
      ;;
  esac
}

# Prints the progress of a step repeatedly until it is killed: watch_step NAME UNIT LOG SECONDS
watch_step() {
  begun=$(date +%s)
  # `sleep` must not keep the output open after this process is killed.
  while sleep "$4" >/dev/null 2>&1; do
    echo "-- $1: $(how_far "$2" "$3")$(spoken $(($(date +%s) - begun)))"
  done
}
