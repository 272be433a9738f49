//! Tests of the operator on a real API server and a real platform: what a user declares, sees and gets.

mod authority;
mod bad_input;
mod deletion;
mod documented;
mod healing;
mod life;
mod limits;
mod management;
mod namespaces;
mod newer;
mod proxy;
mod secrets;
