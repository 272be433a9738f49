//! What operator and platform need at rest and at work, for the amounts in the chart.

use std::time::Duration;

use super::assets;
use super::controlplane::{ControlPlane, Options};
use super::process::Result;
use super::programs::{self, OperatorOptions, Platform, PlatformOptions, Service};
use super::round::{declare, prepare, resident, usage};

/// How many Clients there are, one after the other.
const SIZES: [usize; 3] = [0, 200, 1000];
/// How long nothing is declared.
const REST: Duration = Duration::from_secs(30);
/// Much oftener than the chart has it, so that a look falls into the rest.
const DRIFT: &str = "10s";

/// Milliseconds of CPU that each has used so far.
fn used(services: [&Service; 2]) -> Result<[f64; 2]> {
    let [first, second] = services.map(|service| usage(service.pid()));
    Ok([first?.0, second?.0])
}

/// Prints the table.
#[allow(clippy::print_stdout, reason = "the table is what the program is for")]
pub fn table() -> Result<()> {
    let folder = assets::target()?.join("bench/rest");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let control_plane = ControlPlane::start(&folder.join("cluster"), &Options::default())?;
    let platform = Platform::start(&folder.join("platform"), &PlatformOptions::default())?;
    let kubectl = control_plane.kubectl("admin")?;
    prepare(&kubectl, &platform)?;
    let mut options = OperatorOptions::new(&control_plane.kubeconfig("admin"), platform.host());
    DRIFT.clone_into(&mut options.drift_interval);
    let operator = programs::start_operator(&folder, &options)?;
    kubectl.run(&["wait", "--for=condition=Ready", "partner/acme", "--timeout=60s"])?;
    println!("                       at work: CPU      at rest: CPU     memory now    memory peak");
    let mut declared = 0;
    for size in SIZES {
        let before = used([&operator, &platform.service])?;
        declare(&kubectl, declared..size)?;
        declared = size;
        #[allow(clippy::cast_precision_loss, reason = "numbers of tenants are small")]
        let wanted = size as f64;
        let ready = ["kind=\"Client\"", "condition=\"Ready\"", "status=\"True\""];
        while operator.metric("tenantry_operator_objects", &ready)? < wanted {
            std::thread::sleep(Duration::from_millis(100));
        }
        std::thread::sleep(Duration::from_secs(1));
        let between = used([&operator, &platform.service])?;
        std::thread::sleep(REST);
        let after = used([&operator, &platform.service])?;
        for (index, service) in [&operator, &platform.service].into_iter().enumerate() {
            let name = ["operator", "platform"][index];
            let (work, rest) = (between[index] - before[index], (after[index] - between[index]) / REST.as_secs_f64());
            let (now, peak) = (resident(service.pid())?, usage(service.pid())?.1);
            println!("{size:>5} clients {name} {work:>7.0} ms {rest:>13.1} m {now:>13.1} MB {peak:>11.1} MB");
        }
    }
    Ok(())
}
