# Sourced: where the programs are that the tests need of the machine. `target` is the absolute path of the build's folder.

given_path=$PATH
# Sets PATH anew, since an installation brings folders. What was unpacked comes first: it is there only where what is
# installed is missing, too old or does not start. Of several versions of PostgreSQL the newest counts; Debian keeps the
# programs that only a server needs in a folder for each.
find_programs() {
  PATH=$target/machine/bin:$given_path
  for programs in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV); do PATH=$PATH:$programs; done
}
