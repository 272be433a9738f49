//! Where tenants live: under which parent, on which route.

use crate::plan::TenantKind;

/// The tenants under one parent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Partners of a service provider; the public API documents only the read of a single one.
    Partners {
        /// Unique id of the service provider.
        sp: String,
    },
    /// Clients of a partner.
    Clients {
        /// Unique id of the partner.
        msp: String,
    },
}

impl Place {
    /// Returns the kind of the tenants in this place.
    pub const fn kind(&self) -> TenantKind {
        match self {
            Self::Partners { .. } => TenantKind::Partner,
            Self::Clients { .. } => TenantKind::Client,
        }
    }

    /// Returns the unique id of the parent tenant.
    pub fn parent_id(&self) -> &str {
        match self {
            Self::Partners { sp } => sp,
            Self::Clients { msp } => msp,
        }
    }

    /// Returns the segment of the route.
    pub(super) const fn route_segment(&self) -> &'static str {
        match self {
            Self::Partners { .. } => "msps",
            Self::Clients { .. } => "clients",
        }
    }
}

/// Returns whether a text can be the id of a tenant. An id becomes a segment of a path: with `..` or an empty id, a
/// request would reach another route, and an update would become a create.
pub(super) fn is_tenant_id(text: &str) -> bool {
    let ours = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=128).contains(&text.len()) && text.bytes().all(ours) && !RESERVED_SEGMENTS.contains(&text)
}

/// Segments of the API in the position of an id.
const RESERVED_SEGMENTS: [&str; 3] = ["client", "minimal", "search"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_one_segment_is_an_id() {
        for id in ["msp_92", "client_1", "69883", "6b4a5f03-7d49-4915-9792-2d964806cbd1"] {
            assert!(is_tenant_id(id), "{id}");
        }
        for text in ["", ".", "..", "a/b", "a b", "minimal", "search", "%2e%2e", "a?b", &"x".repeat(129)] {
            assert!(!is_tenant_id(text), "{text}");
        }
    }
}
