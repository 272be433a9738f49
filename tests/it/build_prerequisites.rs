//! Tests of the checks that `make test` makes before it builds anything.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{assets, support};

/// Programs that the scripts themselves need. The scripts do not check for them.
const BASIC_PROGRAMS: [&str; 16] = [
    "basename", "cat", "chmod", "dirname", "find", "grep", "head", "ls", "mkdir", "rm", "sed", "sh", "sort", "tr",
    "touch", "env",
];
const POSTGRES: [&str; 6] = ["initdb", "postgres", "psql", "pg_dump", "pg_restore", "pg_basebackup"];

/// A machine on which only what a test installs is present.
struct Machine {
    programs: PathBuf,
    target: PathBuf,
}

fn write_program(file: &Path, script: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Machine {
    fn new(name: &str) -> Self {
        let folder = support::test_folder(name).unwrap();
        let (programs, target) = (folder.join("programs"), folder.join("target"));
        fs::create_dir_all(&programs).unwrap();
        for name in BASIC_PROGRAMS {
            let found = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(name));
            symlink(found.iter().find(|file| file.exists()).unwrap(), programs.join(name)).unwrap();
        }
        let machine = Self { programs, target };
        machine.install_program("id", "echo 0");
        machine
    }

    fn install_program(&self, name: &str, script: &str) {
        write_program(&self.programs.join(name), script);
    }

    /// Writes the wrapper of an unpacked program that no longer exists. Returns its path.
    fn write_stale_wrapper(&self, kind: &str, name: &str) -> PathBuf {
        let wrapper = self.target.join("machine/bin").join(name);
        write_program(&wrapper, &format!("exec '{}/machine/{kind}/root/usr/bin/{name}' \"$@\"", self.target.display()));
        wrapper
    }

    fn run_script(&self, script: &[&str]) -> Output {
        // As in the Makefile.
        let path = format!("{}:{}", self.target.join("machine/bin").display(), self.programs.display());
        let mut command = Command::new("/bin/sh");
        command.args(script).current_dir(assets::root()).env_clear().env("PATH", path);
        command.env("CARGO_TARGET_DIR", &self.target).output().unwrap()
    }
}

fn output_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn wrappers_of_unpacked_programs_that_are_gone_hide_nothing_that_is_installed() {
    let machine = Machine::new("stale-wrappers");
    for name in POSTGRES {
        machine.install_program(name, &format!("echo '{name} (PostgreSQL) 16.1'"));
    }
    let stale = POSTGRES.map(|name| machine.write_stale_wrapper("postgres", name));
    let other = machine.write_stale_wrapper("browser", "chromium");
    let ran = machine.run_script(&["tests/stack/machine.sh", "postgres"]);
    assert!(ran.status.success(), "{}", output_text(&ran));
    assert!(stale.iter().all(|wrapper| !wrapper.exists()) && other.exists());
}

#[test]
fn what_cannot_be_installed_or_unpacked_leaves_no_wrapper() {
    for has_apt in [false, true] {
        let machine = Machine::new(&format!("no-browser-{has_apt}"));
        if has_apt {
            machine.install_program("apt-get", "exit 100");
        }
        let stale = ["chromium", "chromedriver"].map(|name| machine.write_stale_wrapper("browser", name));
        let ran = machine.run_script(&["tests/stack/machine.sh", "browser"]);
        assert_eq!(ran.status.code(), Some(1));
        assert!(output_text(&ran).contains("needs Chromium and its driver"), "{}", output_text(&ran));
        assert!(stale.iter().all(|wrapper| !wrapper.exists()), "with apt-get: {has_apt}");
    }
}

#[test]
fn a_wrapper_of_a_program_that_is_gone_is_no_program() {
    let machine = Machine::new("wrappers");
    let wrapper = machine.write_stale_wrapper("browser", "chromium");
    assert!(assets::is_stale(&wrapper));
    write_program(&machine.target.join("machine/browser/root/usr/bin/chromium"), "echo Chromium 140");
    assert!(!assets::is_stale(&wrapper));
    machine.install_program("chromium", "exec '/usr/lib/chromium/none' \"$@\"");
    assert!(!assets::is_stale(&machine.programs.join("chromium")), "not one of ours");
}

#[test]
fn what_is_not_built_is_looked_for_before_all_else_and_named_in_one_line() {
    let machine = Machine::new("tools");
    let ran = machine.run_script(&["tests/stack/tools.sh"]);
    assert_eq!(ran.status.code(), Some(1));
    let all = output_text(&ran);
    assert_eq!(all.lines().count(), 1, "{all}");
    for word in ["`cargo clippy`", "`cargo fmt`", "python3-venv", "`git`", "`openssl`"] {
        assert!(all.contains(word), "{all}");
    }
    for name in ["cargo", "git", "openssl"] {
        machine.install_program(name, "exit 0");
    }
    machine.install_program("python3", "exit 1");
    let ran = machine.run_script(&["tests/stack/tools.sh"]);
    assert!(!ran.status.success() && !output_text(&ran).contains("cargo"), "{}", output_text(&ran));

    // As root, the script installs Debian's packages.
    let python = machine.programs.join("python3");
    machine.install_program(
        "apt-get",
        &format!("case \"$*\" in *python3-venv*) echo '#!/bin/sh' >'{}' ;; esac", python.display()),
    );
    let ran = machine.run_script(&["tests/stack/tools.sh"]);
    assert!(ran.status.success(), "{}", output_text(&ran));

    let makefile = fs::read_to_string(assets::root().join("Makefile")).unwrap();
    assert!(makefile.contains("\ntest: tools "), "`make test` looks for them first");
}
