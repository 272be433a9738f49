//! The demo: a Partner and its Clients from the first `kubectl apply` to the last termination.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::kubectl::Kubectl;
use super::process::Result;
use super::screen::{block, command, say};
use super::tenancy::{self, Tenancy};
use super::whole::Access;
use super::{ending, guarded, life, readme, supervisor, survival};

/// How long anything that the demo waits for may take.
pub const LIMIT: Duration = Duration::from_secs(30);

/// One step: what it shows, and how.
type Step = (&'static str, fn(&mut Demo) -> Result<()>);

/// The life in order.
const STEPS: &[Step] = &[
    ("declare a Partner and two Clients", life::apply),
    ("they become Ready", life::ready),
    ("list them", life::list),
    ("somebody logs in to the platform for the first time", life::log_in),
    ("somebody changes a tenant behind its back: it is put right", life::drift),
    ("change what is declared", life::change),
    ("a risky change waits for approval", guarded::approve),
    ("a tenant that was clicked together is taken over, not doubled", guarded::adopt),
    ("suspend a tenant", life::suspend),
    ("make it active again", life::activate),
    ("remove a Client: with policy Retain its tenant lives on", ending::retain),
    ("terminate the Partner: held, because that tenant still lives", ending::held),
    ("declare the Client again: the same tenant, nothing created", ending::reattach),
    ("terminate a Client, think again, and it is active as before", guarded::cancel),
    ("terminate the Clients, confirmed", ending::clients),
    ("now the Partner goes too", ending::partner),
    ("what the platform holds at the end", ending::tombstones),
    ("the ten commands of the README, with what they print", readme::play),
    ("the plugin answers as `kubectl tenantry`", survival::plugin),
    ("operator and platform are killed: both come back", survival::killed),
    ("a namespace is deleted: it ends", survival::namespace),
];

/// What the steps share.
pub struct Demo {
    /// The administrator's `kubectl`.
    pub kubectl: Kubectl,
    /// The platform's API.
    pub tenancy: Tenancy,
    /// The unique ids of `acme`, `globex`, `initech` and `umbrella`, once they have some.
    pub ids: [String; 4],
    /// The assertions made so far.
    held: Cell<usize>,
}

/// Starts a stack, plays the steps and ends it again (`KEEP=1`: leaves it running).
pub fn run() -> Result<()> {
    let begin = Instant::now();
    say("starting a control plane, a platform and an operator: about ten seconds");
    let Some(stack) = supervisor::start()? else {
        return Err("a stack is running that was left running: end it with `make down`".into());
    };
    say(format!("control plane, platform and operator are ready after {:.1?}", begin.elapsed()));
    let played = play();
    let folder = supervisor::folder()?;
    let log = if played.is_err() { tail(&folder.join("tenantry-operator.log")) } else { String::new() };
    if std::env::var_os("KEEP").is_some_and(|value| value == "1") {
        stack.keep()?;
        say(format!("left running: . {}; `make down` ends it", folder.join("env").display()));
    } else {
        stack.stop()?;
    }
    let held = played.map_err(|error| {
        let folder = folder.display();
        format!("{error}\n{log}the logs are in {folder}; `KEEP=1 make demo` leaves it running")
    })?;
    let (steps, took) = (STEPS.len(), begin.elapsed());
    say(format!("\ndemo: {steps} steps passed, {held} assertions held, {took:.1?}"));
    Ok(())
}

/// The end of a log: where the demo runs unattended, nobody can open the file afterwards.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(20)..].join("\n  ");
    format!("last lines of {}:\n  {last}\n", log.display())
}

fn play() -> Result<usize> {
    let access = Access::read(&supervisor::folder()?)?;
    let key = (access.client_id.as_str(), access.client_secret.as_str());
    let mut demo = Demo {
        kubectl: Kubectl::new(&access.kubeconfig)?,
        tenancy: Tenancy::connect(&access.platform_url, &access.tenant_id, key)?,
        ids: Default::default(),
        held: Cell::new(0),
    };
    for (number, (title, step)) in (1..).zip(STEPS) {
        say(format!("\n{number}. {title}"));
        step(&mut demo).map_err(|error| format!("step {number} ({title}): {error}"))?;
    }
    Ok(demo.held.get())
}

impl Demo {
    /// Runs `kubectl`, printing the command and its answer.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        say(format!("  $ {}", command("kubectl", args)));
        let answer = self.kubectl.run(args)?;
        block(&answer);
        Ok(answer)
    }

    /// Waits for a condition; when it does not come, the error says what the objects tell.
    pub fn wait(&self, condition: &str, objects: &[&str]) -> Result<()> {
        let limit = format!("--timeout={}s", LIMIT.as_secs());
        let mut args = vec!["wait", condition];
        args.extend(objects);
        args.push(&limit);
        self.kubectl(&args).map_err(|error| {
            let conditions = "{range .status.conditions[*]}{.type}={.status} ({.reason}) {.message}{\"\\n\"}{end}";
            let told: String = objects
                .iter()
                .filter_map(|object| Some(format!("{object}:\n{}", self.kubectl.read(object, conditions).ok()?)))
                .collect();
            format!("{error}\n{told}")
        })?;
        Ok(())
    }

    /// Prints the conditions of an object that says something.
    pub fn status(&self, object: &str) -> Result<()> {
        let path = "{.status.phase}{range .status.conditions[?(@.status==\"True\")]}, {.type} ({.reason}){end}";
        say(format!("  {object}: {}", self.kubectl.read(object, path)?));
        Ok(())
    }

    /// The unique id that an object's status tells.
    pub fn unique_id(&self, object: &str) -> Result<String> {
        self.kubectl.read(object, "{.status.uniqueId}")
    }

    /// The path of a Client's tenant in the platform's API.
    pub fn client(&self, id: &str) -> String {
        format!("{}/clients/{id}", self.ids[0])
    }

    /// What the platform says about a tenant, printed.
    pub fn platform(&self, path: &str) -> Result<Value> {
        let tenant = self.tenancy.get(path)?;
        say(format!("  platform: {}", tenancy::line(&tenant)));
        Ok(tenant)
    }

    /// Asserts that two values are the same.
    pub fn same<A, B>(&self, what: &str, found: &A, wanted: &B) -> Result<()>
    where
        A: PartialEq<B> + std::fmt::Debug + ?Sized,
        B: std::fmt::Debug + ?Sized,
    {
        if found == wanted {
            return self.holds(&format!("{what}: {wanted:?}"), true);
        }
        Err(format!("expected {what}: {wanted:?}, found {found:?}").into())
    }

    /// Asserts a fact.
    pub fn holds(&self, what: &str, is: bool) -> Result<()> {
        if !is {
            return Err(format!("expected {what}").into());
        }
        self.held.set(self.held.get() + 1);
        say(format!("  ok: {what}"));
        Ok(())
    }

    /// Asks again until the answer is yes.
    pub fn eventually(&self, what: &str, mut is: impl FnMut() -> Result<bool>) -> Result<()> {
        let begin = Instant::now();
        while !is()? {
            if begin.elapsed() > LIMIT {
                return Err(format!("expected within {LIMIT:?}: {what}").into());
            }
            thread::sleep(Duration::from_millis(100));
        }
        self.holds(&format!("{what} (after {:.1?})", begin.elapsed()), true)
    }
}
