# How far a long step is, in whole lines, so that a log without a terminal can be read. To be read by other scripts.

# What is kept of the steps that ended well: how many seconds each took.
steps=${CARGO_TARGET_DIR:-target}/steps
mkdir -p "$steps"

# Seconds as people say them.
spoken() {
  if [ "$1" -lt 60 ]; then echo "$1 s"; else echo "$(($1 / 60)) min $(($1 % 60)) s"; fi
}

# How long a step took the last time.
last_time() {
  if [ -s "$steps/$1.seconds" ]; then
    echo "the last time it took $(spoken "$(cat "$steps/$1.seconds")")"
  else
    echo 'the first time'
  fi
}

# Keeps how long a step took. One that had next to nothing to do says nothing about the next one.
keep_time() {
  [ "$2" -lt 3 ] || echo "$2" >"$steps/$1.seconds"
}

# How far a step is, by its log: how_far UNIT LOG
how_far() {
  case $1 in
    # Cargo's bar: `Building [===>   ] 12/345: name`.
    crates) tr '\r' '\n' <"$2" | sed -n 's|.*\] \([0-9]*\)/\([0-9]*\)[:( ].*|\1 of \2 crates, |p' | tail -n 1 ;;
    # A line for each package that `go build -v` builds; before them how many there are. What is in Go's cache has no line.
    packages)
      awk '/^packages: / { all = $2; next } all { done++ }
        END { if (done) printf "%d of %d packages, ", done, all }' "$2"
      ;;
    # libtest's lines: `running 12 tests`, and one for each test.
    tests)
      awk '/^running [0-9]+ tests?/ { all += $2 } /^test .* \.\.\. / { done++ }
        END { if (all) printf "%d of %d tests, ", done, all; else printf "compiling, " }' "$2"
      ;;
  esac
}

# Says again and again how far a step is, until it is killed: watch_step NAME UNIT LOG SECONDS
watch_step() {
  begun=$(date +%s)
  # Its child is not to keep the output open once it is killed itself.
  while sleep "$4" >/dev/null 2>&1; do
    echo "-- $1: $(how_far "$2" "$3")$(spoken $(($(date +%s) - begun)))"
  done
}
