//! The demo: a Partner and its Clients from the first `kubectl apply` to the last termination.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::full_stack::StackConnectionInfo;
use super::kubectl::Kubectl;
use super::process::Result;
use super::tenancy::{self, TenancyApi};
use super::terminal::{format_command, print_block, print_line};
use super::{approvals, lifecycle, readme, resilience, supervisor, termination};

/// Maximum time that the demo waits for anything.
pub const STEP_TIMEOUT: Duration = Duration::from_secs(30);

/// A step: its description and its function.
type DemoStep = (&'static str, fn(&mut Demo) -> Result<()>);

/// The steps in order.
const STEPS: &[DemoStep] = &[
    ("declare a Partner and two Clients", lifecycle::apply_examples),
    ("they become Ready", lifecycle::check_ready),
    ("list them", lifecycle::check_list),
    ("somebody logs in to the platform for the first time", lifecycle::log_in),
    ("somebody changes a tenant behind its back: it is put right", lifecycle::check_drift_correction),
    ("change what is declared", lifecycle::change_spec),
    ("a risky change waits for approval", approvals::approve_ip_rule),
    ("a tenant that was clicked together is taken over, not doubled", approvals::adopt_manual_tenant),
    ("suspend a tenant", lifecycle::suspend_tenant),
    ("make it active again", lifecycle::activate_tenant),
    ("remove a Client: with policy Retain its tenant lives on", termination::retain_client),
    ("terminate the Partner: held, because that tenant still lives", termination::block_partner_deletion),
    ("declare the Client again: the same tenant, nothing created", termination::reattach_client),
    ("terminate a Client, think again, and it is active as before", approvals::cancel_termination),
    ("terminate the Clients, confirmed", termination::terminate_clients),
    ("now the Partner goes too", termination::finish_partner_termination),
    ("what the platform holds at the end", termination::check_tombstones),
    ("the ten commands of the README, with what they print", readme::check_readme),
    ("the plugin answers as `kubectl tenantry`", resilience::check_plugin),
    ("operator and platform are killed: both come back", resilience::kill_and_recover),
    ("a namespace is deleted: it ends", resilience::delete_namespace),
];

/// State shared by the steps.
pub struct Demo {
    /// The administrator's `kubectl`.
    pub kubectl: Kubectl,
    /// The platform's API.
    pub tenancy: TenancyApi,
    /// Unique ids of `acme`, `globex`, `initech` and `umbrella`, once they exist.
    pub ids: [String; 4],
    /// Number of assertions that passed.
    passed_checks: Cell<usize>,
}

/// Starts a stack, runs the steps and stops the stack (`KEEP=1` leaves it running).
pub fn run_demo() -> Result<()> {
    let begin = Instant::now();
    print_line("starting a control plane, a platform and an operator: about ten seconds");
    let Some(stack) = supervisor::start_stack()? else {
        return Err("a stack is running that was left running: end it with `make down`".into());
    };
    print_line(format!("control plane, platform and operator are ready after {:.1?}", begin.elapsed()));
    let played = play_steps();
    let folder = supervisor::stack_folder()?;
    let log = if played.is_err() { log_tail(&folder.join("tenantry-operator.log")) } else { String::new() };
    if std::env::var_os("KEEP").is_some_and(|value| value == "1") {
        stack.keep_running()?;
        print_line(format!("left running: . {}; `make down` ends it", folder.join("env").display()));
    } else {
        stack.stop_and_wait()?;
    }
    let held = played.map_err(|error| {
        let folder = folder.display();
        format!("{error}\n{log}the logs are in {folder}; `KEEP=1 make demo` leaves it running")
    })?;
    let (steps, took) = (STEPS.len(), begin.elapsed());
    print_line(format!("\ndemo: {steps} steps passed, {held} assertions held, {took:.1?}"));
    Ok(())
}

/// Returns the end of a log, because nobody can open the file after an unattended run.
fn log_tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(20)..].join("\n  ");
    format!("last lines of {}:\n  {last}\n", log.display())
}

fn play_steps() -> Result<usize> {
    let access = StackConnectionInfo::read(&supervisor::stack_folder()?)?;
    let key = (access.client_id.as_str(), access.client_secret.as_str());
    let mut demo = Demo {
        kubectl: Kubectl::new(&access.kubeconfig)?,
        tenancy: TenancyApi::connect(&access.platform_url, &access.tenant_id, key)?,
        ids: Default::default(),
        passed_checks: Cell::new(0),
    };
    for (number, (title, step)) in (1..).zip(STEPS) {
        print_line(format!("\n{number}. {title}"));
        step(&mut demo).map_err(|error| format!("step {number} ({title}): {error}"))?;
    }
    Ok(demo.passed_checks.get())
}

impl Demo {
    /// Runs `kubectl` and prints the command and its output.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        print_line(format!("  $ {}", format_command("kubectl", args)));
        let answer = self.kubectl.run(args)?;
        print_block(&answer);
        Ok(answer)
    }

    /// Waits for a condition. On a timeout, the error contains the status of the objects.
    pub fn wait_for_condition(&self, condition: &str, objects: &[&str]) -> Result<()> {
        let limit = format!("--timeout={}s", STEP_TIMEOUT.as_secs());
        let mut args = vec!["wait", condition];
        args.extend(objects);
        args.push(&limit);
        self.kubectl(&args).map_err(|error| {
            let conditions = "{range .status.conditions[*]}{.type}={.status} ({.reason}) {.message}{\"\\n\"}{end}";
            let told: String = objects
                .iter()
                .filter_map(|object| {
                    Some(format!("{object}:\n{}", self.kubectl.read_json_path(object, conditions).ok()?))
                })
                .collect();
            format!("{error}\n{told}")
        })?;
        Ok(())
    }

    /// Prints the phase of an object and its conditions that are True.
    pub fn print_status(&self, object: &str) -> Result<()> {
        let path = "{.status.phase}{range .status.conditions[?(@.status==\"True\")]}, {.type} ({.reason}){end}";
        print_line(format!("  {object}: {}", self.kubectl.read_json_path(object, path)?));
        Ok(())
    }

    /// Returns the unique id in an object's status.
    pub fn unique_id(&self, object: &str) -> Result<String> {
        self.kubectl.read_json_path(object, "{.status.uniqueId}")
    }

    /// Returns the path of a Client's tenant in the platform's API.
    pub fn client_path(&self, id: &str) -> String {
        format!("{}/clients/{id}", self.ids[0])
    }

    /// Reads a tenant from the platform and prints it.
    pub fn print_tenant(&self, path: &str) -> Result<Value> {
        let tenant = self.tenancy.get(path)?;
        print_line(format!("  platform: {}", tenancy::format_tenant(&tenant)));
        Ok(tenant)
    }

    /// Asserts that two values are equal.
    pub fn assert_same<A, B>(&self, what: &str, found: &A, wanted: &B) -> Result<()>
    where
        A: PartialEq<B> + std::fmt::Debug + ?Sized,
        B: std::fmt::Debug + ?Sized,
    {
        if found == wanted {
            return self.assert_true(&format!("{what}: {wanted:?}"), true);
        }
        Err(format!("expected {what}: {wanted:?}, found {found:?}").into())
    }

    /// Asserts a fact.
    pub fn assert_true(&self, what: &str, is: bool) -> Result<()> {
        if !is {
            return Err(format!("expected {what}").into());
        }
        self.passed_checks.set(self.passed_checks.get() + 1);
        print_line(format!("  ok: {what}"));
        Ok(())
    }

    /// Retries until the assertion holds, or fails after a timeout.
    pub fn assert_eventually(&self, what: &str, mut is: impl FnMut() -> Result<bool>) -> Result<()> {
        let begin = Instant::now();
        while !is()? {
            if begin.elapsed() > STEP_TIMEOUT {
                return Err(format!("expected within {STEP_TIMEOUT:?}: {what}").into());
            }
            thread::sleep(Duration::from_millis(100));
        }
        self.assert_true(&format!("{what} (after {:.1?})", begin.elapsed()), true)
    }
}
