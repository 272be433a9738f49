//! One test crate, one link: every integration test is a module of it.
mod connect;
#[cfg(feature = "platform")]
mod fields;
#[cfg(feature = "platform")]
mod platform;
