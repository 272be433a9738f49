//! Members that other servers write in several forms.

use serde::{Deserialize, Deserializer};

/// Reads a member that may be `null`; `null` means the same as an absent member.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}
