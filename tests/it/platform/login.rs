//! Logins: where from, with which password, and the pages.

mod address;
mod factor;
mod pages;
mod policy;
mod screens;
