//! What is written: the files of the workspace, names in the code, and words in comments and docs. Nothing is built or
//! started for it.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails by panicking")]

mod files;
mod sources;
mod words;
