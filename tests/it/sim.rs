//! The whole operator in one process under virtual time.

mod ask;
mod cluster;
mod deeds;
mod life;
mod long;
mod named;
mod oracle;
mod people;
mod platform;
mod random;
mod replay;
mod seam;
mod settle;
mod sweep;
mod weather;
