//! Measures the operator against a bare load generator that sends the same requests, on the same control plane and
//! platform, in the same run: wall time, CPU, memory and writes for each tenant.
//!
//! `BENCH_TENANTS` (default 1000) and `BENCH_ROUNDS` (default 3) set the size. The two subjects alternate, and each
//! round starts without data. The program prints medians. CPU and memory come from `/proc`, counts from the servers'
//! own counters.
//!
//! `rest` measures operator and platform with few and many Clients instead: `make footprint`.

#[path = "../stack/assets.rs"]
pub mod assets;
#[path = "../stack/controlplane.rs"]
pub mod controlplane;
pub mod generate;
#[path = "../stack/http.rs"]
pub mod http;
pub mod idle;
#[path = "../stack/kubectl.rs"]
pub mod kubectl;
#[path = "../stack/process.rs"]
pub mod process;
#[path = "../stack/programs.rs"]
pub mod programs;
pub mod round;
#[path = "../stack/tenancy.rs"]
pub mod tenancy;

use std::process::ExitCode;

use process::Result;
use round::{BenchSubject, RoundFigures};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        Some("generate") => generate::run_generator(&arguments[1..]),
        Some("rest") => idle::print_table(),
        _ => compare_subjects(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn env_number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[allow(clippy::print_stdout, reason = "the table is what the program is for")]
fn compare_subjects() -> Result<()> {
    let (tenants, rounds) = (env_number("BENCH_TENANTS", 1000), env_number("BENCH_ROUNDS", 3));
    let mut all: [Vec<RoundFigures>; 2] = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for (contender, figures) in [BenchSubject::Generator, BenchSubject::Operator].into_iter().zip(&mut all) {
            let one = round::run_round(contender, tenants)?;
            eprintln!("round {} {contender:?}: {one:?}", round + 1);
            figures.push(one);
        }
    }
    let [generator, operator] = all.map(|figures| median_figures(&figures));
    println!("{tenants} clients, {rounds} rounds, medians; times in ms for each tenant");
    println!(
        "{:<16} {:>8} {:>8} {:>9} {:>8} {:>8} {:>8}",
        "", "wall s", "cpu ms", "peak MB", "writes", "events", "creates"
    );
    for (name, one) in [("bare generator", &generator), ("operator", &operator)] {
        println!(
            "{name:<16} {:>8.2} {:>8.2} {:>9.1} {:>8.2} {:>8.2} {:>8.3}",
            one.wall, one.cpu, one.memory, one.writes, one.events, one.creates
        );
    }
    println!(
        "{:<16} {:>8.2} {:>8.2} {:>9.2} {:>8.2} {:>8.2} {:>8.3}",
        "ratio",
        operator.wall / generator.wall,
        operator.cpu / generator.cpu,
        operator.memory / generator.memory,
        operator.writes / generator.writes,
        operator.events / generator.events,
        operator.creates / generator.creates
    );
    Ok(())
}

fn median_figures(figures: &[RoundFigures]) -> RoundFigures {
    let of = |pick: fn(&RoundFigures) -> f64| {
        let mut values: Vec<f64> = figures.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    RoundFigures {
        wall: of(|one| one.wall),
        cpu: of(|one| one.cpu),
        memory: of(|one| one.memory),
        writes: of(|one| one.writes),
        events: of(|one| one.events),
        creates: of(|one| one.creates),
    }
}
