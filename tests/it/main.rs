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
#[path = "../crdgen/definitions.rs"]
pub mod definitions;
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
mod api_validation;
mod browser;
mod build_info;
mod build_prerequisites;
mod chart;
mod cli;
mod cluster_restore;
mod connect;
mod crds;
mod deletion;
mod digests;
mod docs_pages;
mod encoded_images;
mod faults;
mod field_matrix;
mod gitops;
mod image;
mod kubectl_explain;
mod leader_election;
mod many_clients;
mod metrics_and_audit;
mod mutants;
mod observability;
mod operator;
mod page_commands;
mod platform;
mod product_statements;
mod secrets_not_exposed;
mod sim;
mod status_advice;
mod support;
mod test_index;
mod user_mistakes;
