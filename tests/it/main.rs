//! All integration tests are modules of this one test crate, so that they link once.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a helper of a test fails by panicking")]

#[path = "../stack/assets.rs"]
pub mod assets;
#[path = "../crdgen/values.rs"]
pub mod chart_page;
#[path = "../stack/console.rs"]
mod console;
#[path = "../stack/controlplane.rs"]
pub mod controlplane;
#[path = "../stack/http.rs"]
pub mod http;
#[path = "../stack/kubectl.rs"]
pub mod kubectl;
#[path = "../crdgen/plugin.rs"]
pub mod plugin;
#[path = "../stack/process.rs"]
pub mod process;
#[path = "../stack/programs.rs"]
pub mod programs;
#[path = "../stack/proxy.rs"]
pub mod proxy;
#[path = "../crdgen/reference.rs"]
pub mod reference;
#[path = "../stack/tenancy.rs"]
pub mod tenancy;

pub mod world;

mod admission;
mod browser;
mod built;
mod chart;
mod cli;
mod connect;
mod consoles;
mod crds;
mod encoders;
mod ending;
mod explain;
mod faults;
mod fields;
mod fleet;
mod gitops;
mod hex;
mod image;
mod lease;
mod machine;
mod mistakes;
mod mutants;
mod observability;
mod operator;
mod pages;
mod platform;
mod remedies;
mod restore;
mod rooms;
mod rules;
mod secrecy;
mod seeds;
mod shown;
mod sim;
mod support;
mod telling;
