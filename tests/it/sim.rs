//! The whole operator in one process under virtual time.

mod ask;
mod cluster;
mod life;
mod oracle;
mod platform;
mod seam;
mod slice;
