//! One test crate, one link: every integration test is a module of it.

#[path = "../stack/assets.rs"]
pub mod assets;
#[path = "../stack/controlplane.rs"]
pub mod controlplane;
mod fleet;
#[path = "../stack/http.rs"]
pub mod http;
#[path = "../stack/kubectl.rs"]
pub mod kubectl;
mod operator;
mod platform;
#[path = "../stack/process.rs"]
pub mod process;
#[path = "../stack/programs.rs"]
pub mod programs;
mod secrecy;
#[path = "../stack/tenancy.rs"]
pub mod tenancy;
pub mod world;
