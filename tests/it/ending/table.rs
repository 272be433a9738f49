//! The page about deletion and the code say the same.
