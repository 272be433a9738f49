//! The complete operator in one process under virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::too_many_arguments,
    clippy::needless_pass_by_value,
    clippy::similar_names,
    clippy::match_same_arms,
    clippy::unused_self,
    reason = "a harness fails and prints as tests do, and hands on what a server was asked"
)]

mod advice;
mod ask;
mod bulkheads;
mod cluster;
mod deeds;
mod defaults;
mod echo;
mod fields;
mod files;
mod flags;
mod foreign;
mod held;
mod installations;
mod life;
mod long;
mod moment;
mod moved;
mod named;
mod names;
mod newer;
mod oracle;
mod paused;
mod people;
mod permit;
mod platform;
mod random;
mod replay;
mod seam;
mod secrets;
mod settle;
mod siblings;
mod status;
mod sweep;
mod taken;
mod troubles;
mod undeclared;
mod weather;
