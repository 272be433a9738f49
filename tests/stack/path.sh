# Sourced by other scripts: where to find the programs that the tests need on this machine. `target` is the absolute
# path of the build folder.

unpacked=$target/machine/bin:
# The Makefile adds this folder for the commands that it starts.
given_path=${PATH#"$unpacked"}
# Sets PATH again, because an installation adds folders. Unpacked programs come first, because they replace installed
# ones that are too old; machine.sh removes an unpacked program that hides a good one. Of several versions of PostgreSQL
# the newest is used; Debian has one folder per version for the programs that only a server needs.
find_programs() {
  PATH=$unpacked$given_path
  for programs in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV); do PATH=$PATH:$programs; done
}
