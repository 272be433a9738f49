//! One round: no data at the start, many Clients, one subject.

use std::fmt::Write;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use super::assets;
use super::controlplane::{ControlPlane, ControlPlaneOptions, install_kinds};
use super::kubectl::Kubectl;
use super::process::{ChildProcess, ProgramCommand, Result};
use super::programs::{self, OperatorOptions, PlatformOptions, PlatformProcess};
use super::tenancy::TenancyApi;

/// The program that is measured.
#[derive(Clone, Copy, Debug)]
pub enum BenchSubject {
    /// The bare load generator.
    Generator,
    /// The operator.
    Operator,
}

/// Results of one round.
#[derive(Clone, Debug)]
pub struct RoundFigures {
    /// Seconds from the start of the subject to the last tenant.
    pub wall: f64,
    /// Milliseconds of CPU per tenant.
    pub cpu: f64,
    /// Peak resident memory in MB.
    pub memory: f64,
    /// Object writes per tenant.
    pub writes: f64,
    /// Events per tenant.
    pub events: f64,
    /// Creates on the platform per tenant.
    pub creates: f64,
}

/// Runs one round without data at the start.
pub fn run_round(subject: BenchSubject, tenants: usize) -> Result<RoundFigures> {
    let folder = assets::target()?.join("bench").join(format!("{subject:?}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let control_plane = ControlPlane::start(
        &folder.join("cluster"),
        &ControlPlaneOptions { durable: true, ..ControlPlaneOptions::default() },
    )?;
    let platform = PlatformProcess::start(&folder.join("platform"), &PlatformOptions::default())?;
    let kubectl = control_plane.kubectl("admin")?;
    let credential = &platform.credential;
    let key = (credential.client_id.as_str(), credential.client_secret.as_str());
    let tenancy = TenancyApi::connect(&credential.url, &credential.tenant_id, key)?;
    install_prerequisites(&kubectl, &platform)?;
    let options = OperatorOptions {
        drift_interval: "10m".to_owned(),
        ..OperatorOptions::new(&control_plane.kubeconfig("admin"), platform.host())
    };
    let partner = {
        let _first = programs::start_operator(&folder, &options)?;
        kubectl.run(&["wait", "--for=condition=Ready", "partner/acme", "--timeout=60s"])?;
        kubectl.read_json_path("partner/acme", "{.status.uniqueId}")?
    };
    declare_clients(&kubectl, 0..tenants)?;
    let before = read_server_counters(&kubectl, &tenancy)?;
    let (wall, cpu, memory) = match subject {
        BenchSubject::Operator => run_operator(&folder, &options, tenants)?,
        BenchSubject::Generator => run_generator(&folder, &options, &platform, &partner)?,
    };
    let after = read_server_counters(&kubectl, &tenancy)?;
    #[allow(clippy::cast_precision_loss, reason = "numbers of tenants are small")]
    let each = |index: usize| (after[index] - before[index]) / tenants as f64;
    #[allow(clippy::cast_precision_loss, reason = "numbers of tenants are small")]
    let cpu = cpu / tenants as f64;
    Ok(RoundFigures { wall, cpu, memory, writes: each(0), events: each(1), creates: each(2) })
}

/// Installs the CRDs, a connection and a Partner.
pub fn install_prerequisites(kubectl: &Kubectl, platform: &PlatformProcess) -> Result<()> {
    install_kinds(kubectl)?;
    kubectl.run(&["create", "namespace", "tenantry-system"])?;
    let credential = &platform.credential;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "platform", "namespace": "default"},
        "stringData": {
            "url": credential.url, "tenantId": credential.tenant_id,
            "clientId": credential.client_id, "clientSecret": credential.client_secret,
        },
    });
    let partner = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Partner", "metadata": {"name": "acme", "namespace": "default"},
        "spec": {"connectionSecretRef": {"name": "platform"}, "details": {"name": "Acme"}},
    });
    kubectl.run_with(&["apply", "-f", "-"], &format!("{secret}\n---\n{partner}"))?;
    Ok(())
}

/// Declares the Clients with these numbers.
pub fn declare_clients(kubectl: &Kubectl, numbers: Range<usize>) -> Result<()> {
    let mut text = String::new();
    if numbers.is_empty() {
        return Ok(());
    }
    for number in numbers {
        let client = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client",
            "metadata": {"name": format!("c{number}"), "namespace": "default"},
            "spec": {"partnerRef": {"name": "acme"}, "details": {"name": format!("Client {number}"), "city": "Berlin"}},
        });
        writeln!(text, "---\n{client}")?;
    }
    kubectl.run_with(&["create", "-f", "-"], &text)?;
    Ok(())
}

/// Returns object writes, events and creates, from the servers' own counters.
fn read_server_counters(kubectl: &Kubectl, tenancy: &TenancyApi) -> Result<[f64; 3]> {
    let text = kubectl.run(&["get", "--raw", "/metrics"])?;
    let writes = |group: &str| -> f64 {
        text.lines()
            .filter(|line| line.starts_with("apiserver_request_total{") && line.contains(&format!("group=\"{group}\"")))
            .filter(|line| {
                ["PATCH", "APPLY", "PUT", "POST"].iter().any(|verb| line.contains(&format!("verb=\"{verb}\"")))
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    };
    Ok([writes("tenantry.dev"), writes("events.k8s.io"), f64::from(u32::try_from(tenancy.create_counts()?.clients)?)])
}

fn run_operator(folder: &std::path::Path, options: &OperatorOptions, tenants: usize) -> Result<(f64, f64, f64)> {
    let begin = Instant::now();
    let mut operator = programs::start_operator(folder, options)?;
    #[allow(clippy::cast_precision_loss, reason = "numbers of tenants are small")]
    let wanted = tenants as f64;
    let done = ["kind=\"Client\"", "outcome=\"AsDeclared\""];
    while operator.metric("tenantry_operator_reconciles_total", &done)? < wanted {
        if begin.elapsed() > Duration::from_mins(10) {
            return Err("the operator did not come to an end in ten minutes".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let wall = begin.elapsed().as_secs_f64();
    let (cpu, memory) = cpu_and_peak_memory(operator.process().pid())?;
    // Events are sent in the background. The counters are read after they have arrived.
    std::thread::sleep(Duration::from_secs(1));
    Ok((wall, cpu, memory))
}

fn run_generator(
    folder: &std::path::Path,
    options: &OperatorOptions,
    platform: &PlatformProcess,
    partner: &str,
) -> Result<(f64, f64, f64)> {
    let credential = &platform.credential;
    let report = folder.join("generator.json");
    let begin = Instant::now();
    let mut process: ChildProcess =
        ProgramCommand::new("generator", std::env::current_exe()?, folder.join("generator.log"))
            .args(["generate", &options.kubeconfig.display().to_string(), &credential.url, partner])
            .args([&credential.client_id, &credential.client_secret, &report.display().to_string()])
            .start()?;
    let status = process.wait(Duration::from_mins(10))?;
    if status != Some(0) {
        return Err(format!("the generator failed: {}", fs::read_to_string(process.log()).unwrap_or_default()).into());
    }
    let wall = begin.elapsed().as_secs_f64();
    let usage: [f64; 2] = serde_json::from_str(&fs::read_to_string(PathBuf::from(&report))?)?;
    Ok((wall, usage[0], usage[1]))
}

/// Returns the CPU time in milliseconds and the peak resident memory in MB of a process.
pub fn cpu_and_peak_memory(pid: u32) -> Result<(f64, f64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Clock ticks of 10 ms. User and system time are fields 14 and 15 of the line, 12 and 13 after the name.
    let ticks: f64 = fields.get(11).unwrap_or(&"0").parse::<f64>()? + fields.get(12).unwrap_or(&"0").parse::<f64>()?;
    Ok((ticks * 10.0, read_memory_field(pid, "VmHWM:")?))
}

/// Returns the current resident memory of a process in MB.
pub fn resident_memory(pid: u32) -> Result<f64> {
    read_memory_field(pid, "VmRSS:")
}

fn read_memory_field(pid: u32, field: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    let kilobytes: f64 = line.split_whitespace().nth(1).unwrap_or("0").parse()?;
    Ok(kilobytes / 1024.0)
}
