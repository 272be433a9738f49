//! One test crate, one link: every integration test is a module of it.
#[cfg(feature = "platform")]
mod platform;
