//! Child processes that cannot outlive their parent, and free ports for them.

// The demo and the test crate each use only part of this file.
#![allow(dead_code)]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// An error, as a sentence for the person who started the program.
pub type ProcessError = Box<dyn std::error::Error + Send + Sync>;

/// The result of everything that starts, stops or queries a process.
pub type Result<T> = std::result::Result<T, ProcessError>;

/// A wrapper between us and the program. When this process dies, even by SIGKILL, the kernel closes our end of the
/// wrapper's standard input, and the end of file stops the program. `read` is a shell builtin, so no helper process is
/// left when the program exits by itself.
const WRAPPER: &str = r#"
tenths=$1; shift
exec 3<&0 </dev/null
"$@" >&2 3<&- &
program=$!
(
  while read -r _; do :; done
  kill -s TERM $program
  while [ "$tenths" -gt 0 ] && kill -s 0 $program; do sleep 0.1; tenths=$((tenths - 1)); done
  kill -s KILL $program
) <&3 >/dev/null 2>&1 3<&- &
watcher=$!
exec 3<&-
echo $program
exec >/dev/null
wait $program
status=$?
kill $watcher 2>/dev/null
exit $status
"#;

/// Time between SIGTERM and SIGKILL.
const DEFAULT_GRACE: Duration = Duration::from_secs(5);

/// A program and how to start it; it can be started many times.
#[derive(Clone, Debug)]
pub struct ProgramCommand {
    name: String,
    path: PathBuf,
    args: Vec<OsString>,
    env: Vec<(String, String)>,
    log: PathBuf,
    grace: Duration,
}

impl ProgramCommand {
    /// Makes a command for the executable at `path`, called `name` in messages, with both output streams in `log`.
    pub fn new(name: &str, path: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self {
            name: name.to_owned(),
            path: path.into(),
            args: Vec::new(),
            env: Vec::new(),
            log: log.into(),
            grace: DEFAULT_GRACE,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I>(mut self, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the time between SIGTERM and SIGKILL; zero for a program without data worth saving.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Starts the program.
    pub fn start(&self) -> Result<ChildProcess> {
        let log = open_log(&self.log)?;
        let mut command = Command::new("sh");
        command.args(["-c", WRAPPER, "sh", &(self.grace.as_millis() / 100).to_string()]);
        command.arg(&self.path).args(&self.args);
        for (name, _) in std::env::vars_os() {
            // Our programs read these variables as flags, so those of the user's shell must not apply.
            if name.to_string_lossy().starts_with("TENANTRY_") || name == "KUBECONFIG" {
                command.env_remove(name);
            }
        }
        for name in ["NO_PROXY", "no_proxy"] {
            command.env(name, "127.0.0.1,localhost");
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::from(log));
        let mut wrapper =
            command.spawn().map_err(|error| format!("`{}` cannot be started through `sh`: {error}", self.name))?;
        let line = wrapper.stdin.take();
        let pid = read_pid(&mut wrapper)
            .ok_or_else(|| format!("`{}` cannot be started; see {}", self.name, self.log.display()))?;
        Ok(ChildProcess { program: self.clone(), wrapper, line, pid })
    }
}

fn open_log(log: &Path) -> Result<File> {
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .map_err(|error| format!("{} cannot be written: {error}", log.display()).into())
}

fn read_pid(wrapper: &mut Child) -> Option<u32> {
    let mut line = String::new();
    BufReader::new(wrapper.stdout.take()?).read_line(&mut line).ok()?;
    line.trim().parse().ok()
}

/// A running program. It stops when this value is dropped or when this process dies.
#[derive(Debug)]
pub struct ChildProcess {
    program: ProgramCommand,
    wrapper: Child,
    line: Option<ChildStdin>,
    pid: u32,
}

impl ChildProcess {
    /// Returns the process id of the program itself.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the path of the log.
    pub fn log(&self) -> &Path {
        &self.program.log
    }

    /// Sends a signal: `TERM`, `STOP`, `CONT`, ...
    pub fn signal(&self, name: &str) -> Result<()> {
        let sent = Command::new("sh")
            .args(["-c", r#"kill -s "$1" "$2""#, "sh", name, &self.pid.to_string()])
            .stderr(Stdio::null())
            .status()?;
        if sent.success() {
            return Ok(());
        }
        Err(format!("`{}` cannot be sent SIG{name}: it is not running", self.program.name).into())
    }

    /// Kills the program with SIGKILL and returns when it is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.signal("KILL")?;
        self.wrapper.wait()?;
        Ok(())
    }

    /// Stops the program, with SIGKILL after the grace time. Returns its exit status (128 + signal if a signal ended
    /// it).
    pub fn stop(&mut self) -> Result<i32> {
        self.line = None;
        Ok(self.wrapper.wait()?.code().unwrap_or(-1))
    }

    /// Restarts the program, stopping it first if it is still running.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        *self = self.program.clone().start()?;
        Ok(())
    }

    /// Returns whether the program has exited.
    pub fn has_exited(&mut self) -> bool {
        matches!(self.wrapper.try_wait(), Ok(Some(_)) | Err(_))
    }

    /// Waits for the program to exit by itself; `None` if it is still running after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<i32>> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.wrapper.try_wait()? {
                return Ok(Some(status.code().unwrap_or(-1)));
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns an error with the end of the log if the program has exited.
    pub fn check(&mut self) -> Result<()> {
        if self.has_exited() {
            return Err(format!("`{}` has ended: {}", self.program.name, self.log_tail()).into());
        }
        Ok(())
    }

    /// Waits until `ready` returns true; fails if the program exits before that, or after `limit`.
    pub fn wait_until(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let end = Instant::now() + limit;
        while !ready() {
            self.check()?;
            if Instant::now() >= end {
                let (name, words) = (&self.program.name, self.log_tail());
                return Err(format!("`{name}` is not ready after {limit:?}: {words}").into());
            }
            thread::sleep(Duration::from_millis(25));
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let text = fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(15)..].join("\n  ");
        format!("last lines of {}:\n  {last}", log.display())
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // Waiting frees the port and the files before the next program needs them.
        self.line = None;
        let _ = self.wrapper.wait();
    }
}

/// Returns a port of 127.0.0.1 that is free and that this process has not returned before.
pub fn free_port() -> Result<u16> {
    static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut taken = TAKEN.lock().map_err(|_| "the list of ports is lost after a panic")?;
    for _ in 0..1000 {
        // Below the range of ephemeral ports. A port of that range could be taken by an outgoing connection between
        // this check and the moment the program listens on it.
        let port = rand::random_range(20_000..32_000);
        if !taken.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            taken.insert(port);
            return Ok(port);
        }
    }
    Err("no free port on 127.0.0.1 between 20000 and 32000: end what occupies them".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell_command(name: &str, script: &str) -> ProgramCommand {
        let log = std::env::temp_dir().join(format!("tenantry-{}-{name}.log", std::process::id()));
        // Process ids are reused, and the log of an earlier process must not count.
        let _ = fs::remove_file(&log);
        ProgramCommand::new(name, "sh", log).args(["-c", script])
    }

    fn log_text(process: &ChildProcess) -> String {
        fs::read_to_string(process.log()).unwrap_or_default()
    }

    #[test]
    fn the_pid_is_that_of_the_program_and_stop_is_graceful() {
        let script = "trap 'echo ended; exit 7' TERM; echo $$; while :; do sleep 0.05; done";
        let mut process = shell_command("graceful", script).start().unwrap();
        let pid = process.pid();
        process.wait_until(Duration::from_millis(300), || false).unwrap_err();
        assert!(log_text(&process).contains(&pid.to_string()));
        assert!(!process.has_exited());
        assert_eq!(process.stop().unwrap(), 7);
        assert!(log_text(&process).contains("ended"));
    }

    #[test]
    fn what_ignores_sigterm_is_killed_after_its_grace() {
        let script = "trap '' TERM; echo up; while :; do sleep 0.05; done";
        let mut process = shell_command("deaf", script).grace(Duration::from_millis(500)).start().unwrap();
        while !log_text(&process).contains("up") {
            thread::sleep(Duration::from_millis(5));
        }
        let begin = Instant::now();
        assert_eq!(process.stop().unwrap(), 128 + 9);
        assert!(begin.elapsed() >= Duration::from_millis(500));
    }

    #[test]
    fn what_dies_early_is_reported_with_its_last_words() {
        let mut process = shell_command("hasty", "echo no such folder >&2; exit 3").start().unwrap();
        let error = process.wait_until(DEFAULT_GRACE, || false).unwrap_err().to_string();
        assert!(error.contains("`hasty` has ended") && error.contains("no such folder"), "{error}");
        assert_eq!(process.wait(DEFAULT_GRACE).unwrap(), Some(3));
        assert!(process.signal("TERM").is_err());
    }

    #[test]
    fn ports_differ_and_are_free() {
        let ports: BTreeSet<u16> = (0..50).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 50);
    }
}
