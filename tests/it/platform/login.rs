//! Tests of logins: the source address, the password, and the pages.

mod address;
mod again;
mod clipboard;
mod codes;
mod consent;
mod dead_ends;
mod duo;
mod enrolment;
mod factor;
mod grant;
pub(super) mod pages;
mod policy;
mod sampled;
mod screens;
