//! What the programs of Tenantry share while they run: the time of day, the build that they are, logging, and the messages
//! of API errors.

#[cfg(feature = "kube")]
mod api_error;
pub mod build;
pub mod clock;
pub mod telemetry;

#[cfg(feature = "kube")]
pub use api_error::api_error_message;
