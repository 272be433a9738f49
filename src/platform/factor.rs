//! The second factor of people.

pub(super) mod duo;
