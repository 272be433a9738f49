# Sourced: where the programs are that the tests need of the machine. `target` is the absolute path of the build's folder.

unpacked=$target/machine/bin:
# The Makefile puts it there for what it starts.
given_path=${PATH#"$unpacked"}
# Sets PATH anew, since an installation brings folders. What was unpacked comes first, for it stands in for something that is
# installed and too old; machine.sh removes it where it hides what is good. Of several versions of PostgreSQL the newest
# counts; Debian keeps the programs that only a server needs in a folder for each.
find_programs() {
  PATH=$unpacked$given_path
  for programs in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV); do PATH=$PATH:$programs; done
}
