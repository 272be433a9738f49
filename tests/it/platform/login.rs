//! Tests of logins: the source address, the password, and the pages.

mod clipboard;
mod consent;
mod dead_ends;
mod denial_sampling;
mod duo;
mod enrolment;
mod one_time_codes;
pub(super) mod pages;
mod password_policy;
mod reauthentication;
mod screens;
mod second_factor;
mod source_ip;
mod token_grant;
