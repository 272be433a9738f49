//! Does what a cluster does for a program that has exited: restarts it, with a longer back-off each time.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::process::Result;
use super::programs::ServiceProcess;

/// First delay before a restart.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Maximum delay.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// After running this long, a program counts as started successfully, and the next delay is short again.
const STABLE_RUN_TIME: Duration = Duration::from_mins(1);

/// A service that is restarted whenever it exits.
pub struct RestartedService {
    service: ServiceProcess,
    name: &'static str,
    folder: PathBuf,
    started: Instant,
    pause: Duration,
    due: Option<Instant>,
}

impl RestartedService {
    /// Manages a running service, and writes its process id to `folder/name.pid`.
    pub fn new(service: ServiceProcess, name: &'static str, folder: &Path) -> Result<Self> {
        let revived =
            Self { service, name, folder: folder.to_owned(), started: Instant::now(), pause: FIRST_PAUSE, due: None };
        revived.write_pid()?;
        Ok(revived)
    }

    /// Returns its URL.
    pub fn url(&self) -> &str {
        self.service.url()
    }

    /// Restarts the service if it has exited and its delay is over.
    pub fn restart_if_ended(&mut self) -> Result<()> {
        if !self.service.process().has_exited() {
            return Ok(());
        }
        let now = Instant::now();
        let Some(due) = self.due else {
            if self.started.elapsed() >= STABLE_RUN_TIME {
                self.pause = FIRST_PAUSE;
            }
            self.due = Some(now + self.pause);
            return self.append_log(&format!("`{}` has ended: it starts again after {:?}", self.name, self.pause));
        };
        if now < due {
            return Ok(());
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        (self.started, self.due) = (now, None);
        match self.service.restart_now() {
            Ok(()) => self.write_pid(),
            // The executable is missing for a moment while it is rebuilt.
            Err(error) => self.append_log(&format!("`{}` does not start: {error}", self.name)),
        }
    }

    fn write_pid(&self) -> Result<()> {
        let path = self.folder.join(format!("{}.pid", self.name));
        let written = fs::write(&path, format!("{}\n", self.service.pid()));
        written.map_err(|error| format!("{} cannot be written: {error}", path.display()).into())
    }

    fn append_log(&self, line: &str) -> Result<()> {
        let mut options = OpenOptions::new();
        let mut log = options.create(true).append(true).open(self.folder.join("supervisor.log"))?;
        writeln!(log, "{line}")?;
        Ok(())
    }
}
