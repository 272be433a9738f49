//! Tests of the operator on a real API server and a real platform: what a user declares, sees and gets.

mod authority;
mod bad_input;
mod credential_recovery;
mod deletion;
mod documented_only;
mod limits;
mod management;
mod namespaces;
mod newer_definitions;
mod proxy;
mod reconcile;
mod secrets;
