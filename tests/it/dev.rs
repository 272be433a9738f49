#![allow(clippy::unwrap_used, dead_code, unused)]
#[path = "../stack/assets.rs"]
pub mod assets;
#[path = "../stack/controlplane.rs"]
pub mod controlplane;
#[path = "../stack/kubectl.rs"]
pub mod kubectl;
#[path = "../stack/process.rs"]
pub mod process;
mod sim;
mod support;
