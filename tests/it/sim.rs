//! The whole operator in one process under virtual time.

mod ask;
mod cluster;
mod life;
mod oracle;
mod people;
mod platform;
mod seam;
mod settle;
mod sweep;
