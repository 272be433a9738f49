//! One stack per build folder: which process runs it, who may stop it, and how the next run starts clean.
//!
//! The supervisor is a separate process that owns everything else. It holds a lock that the kernel releases however the
//! supervisor dies. Until it receives `keep`, it exits with the process that started it.

use std::fs::{self, File, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::assets;
use super::full_stack::RunningStack;
use super::process::Result;

/// Interval of checks whether everything is still running.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// Maximum time for another run to start or stop.
const OTHER_RUN_TIMEOUT: Duration = Duration::from_mins(1);

/// Returns the folder of the stack's files for its users.
pub fn stack_folder() -> Result<PathBuf> {
    Ok(assets::target()?.join("demo"))
}

/// A supervisor that this process started and that exits with it.
pub struct SupervisorHandle(Child);

impl SupervisorHandle {
    /// Keeps the stack running after this process exits.
    pub fn keep_running(mut self) -> Result<()> {
        let mut line = self.0.stdin.take().ok_or("the supervisor has no standard input")?;
        writeln!(line, "keep")?;
        // The supervisor answers after it has recorded this, so this process may then exit safely.
        let mut answer = String::new();
        if let Some(output) = self.0.stdout.take() {
            BufReader::new(output).read_line(&mut answer)?;
        }
        if answer.trim() == "kept" { Ok(()) } else { Err("the stack has ended early".into()) }
    }

    /// Stops the stack and waits until it is gone.
    pub fn stop_and_wait(mut self) -> Result<()> {
        drop(self.0.stdin.take());
        self.0.wait()?;
        Ok(())
    }
}

/// Starts a stack; `None` if a stack that was left running exists.
pub fn start_stack() -> Result<Option<SupervisorHandle>> {
    let lock = open_lock()?;
    let end = Instant::now() + OTHER_RUN_TIMEOUT;
    while !try_lock(&lock)? {
        let (_, kept) = read_lock_holder()?;
        if kept {
            return Ok(None);
        }
        if Instant::now() >= end {
            return Err("another run is still at work: wait for it, or run `make down`".into());
        }
        thread::sleep(Duration::from_millis(100));
    }
    // The state of a killed run says nothing about the next one.
    lock.set_len(0)?;
    lock.unlock()?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("supervise")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // An interrupt in the terminal must not reach the supervisor; it exits when its standard input closes.
        .process_group(0)
        .spawn()?;
    let mut output = BufReader::new(child.stdout.take().ok_or("the supervisor has no output")?);
    let mut said = String::new();
    output.read_line(&mut said)?;
    if said.trim() == "ready" {
        child.stdout = Some(output.into_inner());
        return Ok(Some(SupervisorHandle(child)));
    }
    output.read_to_string(&mut said)?;
    child.wait()?;
    Err(said.trim().into())
}

/// Stops the running stack; `false` if there is none.
pub fn stop_stack() -> Result<bool> {
    let lock = open_lock()?;
    if try_lock(&lock)? {
        return Ok(false);
    }
    let (pid, _) = read_lock_holder()?;
    Command::new("sh").args(["-c", r#"kill -s TERM "$1""#, "sh", &pid]).status()?;
    let end = Instant::now() + OTHER_RUN_TIMEOUT;
    while !try_lock(&lock)? {
        if Instant::now() >= end {
            return Err(format!("the supervisor (process {pid}) does not end: kill it").into());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(true)
}

/// Runs the supervisor, which prints `ready` or the error on standard output.
pub fn supervise() -> Result<()> {
    match run_supervisor() {
        Ok(()) => Ok(()),
        Err(error) => {
            // A waiting parent reads this. If there is none, the error is in the file.
            let _ = writeln!(std::io::stdout(), "{error}");
            let _ = fs::write(stack_folder()?.join("supervisor.log"), format!("{error}\n"));
            Err(error)
        }
    }
}

fn run_supervisor() -> Result<()> {
    let lock = open_lock()?;
    if !try_lock(&lock)? {
        return Err("another run was faster: try again".into());
    }
    write_state(&lock, "starting")?;
    let started = Arc::new(AtomicBool::new(false));
    let (sender, events) = mpsc::channel();
    listen_to_parent(sender.clone(), Arc::clone(&started), lock.try_clone()?);
    listen_to_signals(sender, Arc::clone(&started))?;
    let folder = stack_folder()?;
    empty_folder(&folder)?;
    let mut whole = RunningStack::start(&folder)?;
    started.store(true, Ordering::SeqCst);
    writeln!(std::io::stdout(), "ready")?;
    let ended = loop {
        match events.recv_timeout(CHECK_INTERVAL) {
            Err(RecvTimeoutError::Timeout) => match whole.restart_ended() {
                Ok(()) => {}
                Err(error) => break Err(error),
            },
            _ => break Ok(()),
        }
    };
    // Nobody must use the access data of a stack that is gone.
    fs::remove_file(folder.join("env"))?;
    drop(whole);
    ended
}

/// Stops the stack when the parent exits, unless the parent has sent `keep`.
fn listen_to_parent(sender: Sender<()>, started: Arc<AtomicBool>, lock: File) {
    thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        if read.is_ok() && line.trim() == "keep" && write_state(&lock, "kept").is_ok() {
            let _ = writeln!(std::io::stdout(), "kept");
            // After `keep`, nothing more comes from the parent.
            return;
        }
        end_supervision(&sender, &started);
    });
}

fn listen_to_signals(sender: Sender<()>, started: Arc<AtomicBool>) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || {
        let waited: Result<()> = runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            Ok(())
        });
        drop(waited);
        end_supervision(&sender, &started);
    });
    Ok(())
}

fn end_supervision(sender: &Sender<()>, started: &AtomicBool) {
    if !started.load(Ordering::SeqCst) {
        // Everything that was started exits with this process.
        std::process::exit(1);
    }
    let _ = sender.send(());
}

fn open_lock() -> Result<File> {
    let target = assets::target()?;
    fs::create_dir_all(&target)?;
    let path = target.join("demo.lock");
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    let opened = options.open(&path);
    opened.map_err(|error| format!("{} cannot be opened: {error}", path.display()).into())
}

fn try_lock(lock: &File) -> Result<bool> {
    match lock.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn write_state(mut lock: &File, state: &str) -> Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{} {state}", std::process::id())?;
    Ok(())
}

/// Returns the process that holds the lock, and whether it was left running on purpose.
fn read_lock_holder() -> Result<(String, bool)> {
    let path = assets::target()?.join("demo.lock");
    for _ in 0..50 {
        let text = fs::read_to_string(&path)?;
        if let Some((pid, state)) = text.trim().split_once(' ') {
            return Ok((pid.to_owned(), state == "kept"));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(format!("{} is held by an unknown process: end it", path.display()).into())
}

/// Empties the folder. An earlier run that is stopping may still write to it, so this is retried.
fn empty_folder(folder: &PathBuf) -> Result<()> {
    for _ in 0..50 {
        if !folder.exists() || fs::remove_dir_all(folder).is_ok() {
            fs::create_dir_all(folder)?;
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    Err(format!("{} cannot be emptied: remove it", folder.display()).into())
}
