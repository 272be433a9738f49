//! The page about Git names what is there.
