//! Logins: where from, with which password, and the pages.

mod address;
mod pages;
mod policy;
mod screens;
