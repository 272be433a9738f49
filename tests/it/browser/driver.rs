//! The driver of the browsers: one for the whole test process.
//!
//! `WebDriver` is JSON over HTTP, and the little that the tests need of it is in `session.rs`: of the crates that speak it
//! one turns on `preserve_order` of `serde_json` in every program that is built beside the tests, the other is under the MPL.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use crate::assets;
use crate::process::{ChildProcess, ProgramCommand, Result, free_port};
use crate::support::test_folder;

/// Where the browsers come from.
const INSTALL_HINT: &str = "Chromium or its driver is missing: run `make browser`";
/// A driver starts within this, however busy the machine is.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// Browsers stay in their driver's process group, and a driver that is ended leaves them running: the group goes whole.
const PROCESS_GROUP_SCRIPT: &str = r#"trap 'kill -s KILL 0' TERM EXIT; "$@" & wait $!"#;

/// A running driver and the browser that it starts.
#[derive(Debug)]
pub(super) struct BrowserDriver {
    _process: ChildProcess,
    /// Where it listens.
    pub(super) url: String,
    /// Path of the browser.
    pub(super) browser: PathBuf,
}

/// The driver, started by the first test that asks for it. It ends with this process, however that ends.
pub(super) fn shared_driver() -> &'static BrowserDriver {
    // The failure is kept too: each test would else wait anew for what cannot start.
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
            // What a browser writes outside its profile.
            .env("HOME", &folder.display().to_string())
            .start()?;
        let url = format!("http://127.0.0.1:{port}");
        let status = format!("{url}/status");
        process.wait_until(START_TIMEOUT, || send_request("GET", &status).is_ok())?;
        Ok(Self { _process: process, url, browser })
    }
}

/// The program that a variable names, or the one of that name which the machine has.
fn find_program(variable: &str, name: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    assets::find_on_machine(name).ok_or_else(|| INSTALL_HINT.into())
}

/// Asks the driver without a runtime, and waits for the beginning of its answer. It wants version 1.1.
pub(super) fn send_request(method: &str, url: &str) -> Result<()> {
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or("no URL")?;
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(START_TIMEOUT))?;
    write!(stream, "{method} /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    if answer == *b"HTTP/1.1 200" { Ok(()) } else { Err(String::from_utf8_lossy(&answer).into()) }
}
