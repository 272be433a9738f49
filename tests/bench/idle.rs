//! Measures what operator and platform need when idle and when busy, for the resource requests in the chart.

use std::time::Duration;

use super::assets;
use super::controlplane::{ControlPlane, ControlPlaneOptions};
use super::process::Result;
use super::programs::{self, OperatorOptions, PlatformOptions, PlatformProcess, ServiceProcess};
use super::round::{cpu_and_peak_memory, declare_clients, install_prerequisites, resident_memory};

/// Numbers of Clients that are measured in turn.
const CLIENT_COUNTS: [usize; 3] = [0, 200, 1000];
/// Duration of the idle phase.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// Much more frequent than the chart's default, so that a drift check falls into the idle phase.
const DRIFT_INTERVAL: &str = "10s";

/// Returns the CPU time that each service has used, in milliseconds.
fn cpu_times(services: [&ServiceProcess; 2]) -> Result<[f64; 2]> {
    let [first, second] = services.map(|service| cpu_and_peak_memory(service.pid()));
    Ok([first?.0, second?.0])
}

/// Prints the table.
#[allow(clippy::print_stdout, reason = "the table is what the program is for")]
pub fn print_table() -> Result<()> {
    let folder = assets::target()?.join("bench/rest");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let control_plane = ControlPlane::start(&folder.join("cluster"), &ControlPlaneOptions::default())?;
    let platform = PlatformProcess::start(&folder.join("platform"), &PlatformOptions::default())?;
    let kubectl = control_plane.kubectl("admin")?;
    install_prerequisites(&kubectl, &platform)?;
    let mut options = OperatorOptions::new(&control_plane.kubeconfig("admin"), platform.host());
    DRIFT_INTERVAL.clone_into(&mut options.drift_interval);
    let operator = programs::start_operator(&folder, &options)?;
    kubectl.run(&["wait", "--for=condition=Ready", "partner/acme", "--timeout=60s"])?;
    println!("                       at work: CPU      at rest: CPU     memory now    memory peak");
    let mut declared = 0;
    for size in CLIENT_COUNTS {
        let before = cpu_times([&operator, &platform.service])?;
        declare_clients(&kubectl, declared..size)?;
        declared = size;
        #[allow(clippy::cast_precision_loss, reason = "numbers of tenants are small")]
        let wanted = size as f64;
        let ready = ["kind=\"Client\"", "condition=\"Ready\"", "status=\"True\""];
        while operator.metric("tenantry_operator_objects", &ready)? < wanted {
            std::thread::sleep(Duration::from_millis(100));
        }
        std::thread::sleep(Duration::from_secs(1));
        let between = cpu_times([&operator, &platform.service])?;
        std::thread::sleep(IDLE_TIME);
        let after = cpu_times([&operator, &platform.service])?;
        for (index, service) in [&operator, &platform.service].into_iter().enumerate() {
            let name = ["operator", "platform"][index];
            let (work, rest) =
                (between[index] - before[index], (after[index] - between[index]) / IDLE_TIME.as_secs_f64());
            let (now, peak) = (resident_memory(service.pid())?, cpu_and_peak_memory(service.pid())?.1);
            println!("{size:>5} clients {name} {work:>7.0} ms {rest:>13.1} m {now:>13.1} MB {peak:>11.1} MB");
        }
    }
    Ok(())
}
