//! What a cluster does for a program that has ended: it starts the program again, and waits longer each time.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::process::Result;
use super::programs::ServiceProcess;

/// The pause before a program is started again.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A program that ran for this long has not failed at its start: the next pause is short again.
const STABLE_RUN_TIME: Duration = Duration::from_mins(1);

/// A service that is started again whenever it has ended.
pub struct RestartedService {
    service: ServiceProcess,
    name: &'static str,
    folder: PathBuf,
    started: Instant,
    pause: Duration,
    due: Option<Instant>,
}

impl RestartedService {
    /// Takes over a running service, and writes its process id to `folder/name.pid`.
    pub fn new(service: ServiceProcess, name: &'static str, folder: &Path) -> Result<Self> {
        let revived =
            Self { service, name, folder: folder.to_owned(), started: Instant::now(), pause: FIRST_PAUSE, due: None };
        revived.write_pid()?;
        Ok(revived)
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        self.service.url()
    }

    /// Starts it again if it has ended and its pause is over.
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
            // A program that is being built anew is missing for a moment.
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
