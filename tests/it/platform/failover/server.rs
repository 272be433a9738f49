//! PostgreSQL servers that a test starts itself.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The user of a server if the test runs as root, as which PostgreSQL refuses to run.
const NOBODY_UID: u32 = 65534;

/// A PostgreSQL server on loopback. It ends with the test.
pub(super) struct PostgresServer {
    folder: PathBuf,
    pub(super) port: u16,
    child: Child,
}

/// Returns a command for a program of the server, as a user who may run it.
fn postgres_program(name: &str) -> Command {
    let found = crate::assets::find_on_machine(name);
    let mut command = Command::new(found.unwrap_or_else(|| panic!("`{name}` is missing: run `make postgres`")));
    if is_root() {
        command.uid(NOBODY_UID).gid(NOBODY_UID);
    }
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}

#[track_caller]
fn run_command(command: &mut Command) {
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

fn server_folder() -> PathBuf {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    // The path is short, because the path of a socket must be.
    let path = std::env::temp_dir().join(format!("tenantry-pg-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    if is_root() {
        std::os::unix::fs::chown(&path, Some(NOBODY_UID), Some(NOBODY_UID)).unwrap();
    }
    path
}

impl PostgresServer {
    /// Returns the URL of a server's database as the platform takes it.
    pub(super) fn url(port: u16) -> String {
        format!("postgres://tests@127.0.0.1:{port}/postgres")
    }

    /// Starts a server that a standby can follow.
    pub(super) fn start_primary() -> Self {
        let folder = server_folder();
        let data = folder.join("data");
        run_command(
            postgres_program("initdb")
                .args(["--username", "tests", "--auth", "trust", "--no-sync", "--pgdata"])
                .arg(data),
        );
        Self::start(folder)
    }

    /// Starts a server that follows another.
    pub(super) fn start_standby(primary: &Self) -> Self {
        let folder = server_folder();
        let from = [
            "--host",
            "127.0.0.1",
            "--username",
            "tests",
            "--no-sync",
            "--checkpoint",
            "fast",
            "--write-recovery-conf",
        ];
        let port = primary.port.to_string();
        run_command(
            postgres_program("pg_basebackup").args(from).args(["--port", &port, "--pgdata"]).arg(folder.join("data")),
        );
        Self::start(folder)
    }

    fn start(folder: PathBuf) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let mut command = postgres_program("postgres");
        command.arg("-D").arg(folder.join("data")).arg("-k").arg(&folder);
        // Nothing here has to survive a crash of the machine.
        command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-c", "fsync=off"]);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let server = Self { folder, port, child };
        for _ in 0..300 {
            let asked =
                postgres_program("pg_isready").args(["-h", "127.0.0.1", "-p", &port.to_string()]).output().unwrap();
            if asked.status.success() {
                return server;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("{}", std::fs::read_to_string(server.folder.join("log")).unwrap());
    }

    pub(super) async fn pool(&self) -> sqlx::AnyPool {
        sqlx::any::install_default_drivers();
        sqlx::AnyPool::connect(&Self::url(self.port)).await.unwrap()
    }

    /// Executes statements with `psql`.
    pub(super) async fn execute_sql(&self, statements: &'static str) {
        let url = Self::url(self.port);
        tokio::task::spawn_blocking(move || {
            run_command(postgres_program("psql").args([
                "--quiet",
                "--set",
                "ON_ERROR_STOP=1",
                "--command",
                statements,
                &url,
            ]));
        })
        .await
        .unwrap();
    }

    /// Kills the server, like a machine that loses power.
    pub(super) fn kill(&mut self) {
        let all = self.processes();
        self.child.kill().unwrap();
        send_signal("-KILL", &all);
        self.child.wait().unwrap();
    }

    pub(super) fn promote(&self) {
        run_command(postgres_program("pg_ctl").args(["promote", "--pgdata"]).arg(self.folder.join("data")));
    }

    pub(super) fn freeze(&self) {
        send_signal("-STOP", &self.processes());
    }

    pub(super) fn thaw(&self) {
        send_signal("-CONT", &self.processes());
    }

    /// Returns the process ids of the server and its children.
    fn processes(&self) -> Vec<u32> {
        let own = self.child.id();
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let made = numbers.filter(|number| parent_process(*number) == Some(own));
        std::iter::once(own).chain(made).collect()
    }
}

fn parent_process(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat")).ok()?;
    stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()
}

/// Sends a signal to processes of this test's own server, by their ids.
fn send_signal(which: &str, processes: &[u32]) {
    // A process that has already ended needs no signal.
    let _ = Command::new("kill").arg(which).args(processes.iter().map(u32::to_string)).stderr(Stdio::null()).status();
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.thaw();
        let _ = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
