//! The driver of the browsers, one for the test process.
//!
//! `WebDriver` is JSON over HTTP, and `session.rs` has the few commands that the tests need. Of the crates that
//! implement it, one turns on `preserve_order` of `serde_json` in every program of the same build, and the other is
//! under the MPL.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use crate::assets;
use crate::process::{ChildProcess, ProgramCommand, Result, free_port};
use crate::support::test_folder;

/// How to install the browser.
const INSTALL_HINT: &str = "Chromium or its driver is missing: run `make browser`";
/// A driver starts within this time, even on a busy machine.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// A driver that ends leaves its browsers running. They stay in its process group, so the script kills the group.
const PROCESS_GROUP_SCRIPT: &str = r#"trap 'kill -s KILL 0' TERM EXIT; "$@" & wait $!"#;

/// A running driver and the browser that it starts.
#[derive(Debug)]
pub(super) struct BrowserDriver {
    _process: ChildProcess,
    /// The URL on which it listens.
    pub(super) url: String,
    /// Path of the browser.
    pub(super) browser: PathBuf,
}

/// Returns the driver, which the first caller starts. It ends with this process, also when the process crashes.
pub(super) fn shared_driver() -> &'static BrowserDriver {
    // A failure is kept as well: otherwise each test would wait again for a driver that cannot start.
    static DRIVER: OnceLock<std::result::Result<BrowserDriver, String>> = OnceLock::new();
    match DRIVER.get_or_init(|| BrowserDriver::start().map_err(|error| error.to_string())) {
        Ok(driver) => driver,
        Err(error) => panic!("{error}"),
    }
}

impl BrowserDriver {
    fn start() -> Result<Self> {
        let (browser, driver) = (find_program("CHROMIUM", "chromium")?, find_program("CHROMEDRIVER", "chromedriver")?);
        let folder = test_folder("browser")?;
        let port = free_port()?;
        let mut process = ProgramCommand::new("chromedriver", "setsid", folder.join("chromedriver.log"))
            .args(["sh", "-c", PROCESS_GROUP_SCRIPT, "sh"])
            .args([driver])
            .args([format!("--port={port}")])
            // For the files that a browser writes outside its profile.
            .env("HOME", &folder.display().to_string())
            .start()?;
        let url = format!("http://127.0.0.1:{port}");
        let status = format!("{url}/status");
        process.wait_until(START_TIMEOUT, || send_request("GET", &status).is_ok())?;
        Ok(Self { _process: process, url, browser })
    }
}

/// Returns the program that a variable names, or the installed program of a name.
fn find_program(variable: &str, name: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    assets::find_on_machine(name).ok_or_else(|| INSTALL_HINT.into())
}

/// Sends a request to the driver without a runtime and waits for the start of the answer. The driver requires HTTP/1.1.
pub(super) fn send_request(method: &str, url: &str) -> Result<()> {
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or("no URL")?;
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(START_TIMEOUT))?;
    write!(stream, "{method} /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    if answer == *b"HTTP/1.1 200" { Ok(()) } else { Err(String::from_utf8_lossy(&answer).into()) }
}
