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

mod actions;
mod cluster;
mod crash_sweep;
mod defaults;
mod exchange;
mod fields;
mod flags;
mod host_change;
mod idle;
mod image_advice;
mod image_loads;
mod installations;
mod isolation;
mod lasting_faults;
mod long_run;
mod name_taken;
mod neighbours;
mod newer_release;
mod operator_life;
mod oracle;
mod other_platforms;
mod password_reset_time;
mod pause;
mod platform;
mod random;
mod random_faults;
mod read_back;
mod reference_names;
mod replay;
mod request;
mod scripted_faults;
mod scripted_runs;
mod secrets;
mod status;
mod termination_permit;
mod unmanaged_settings;
mod user_actions;
