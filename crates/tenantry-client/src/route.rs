//! Segments of the routes: of a place and of an id.

use tenantry_core::Place;

/// Returns the segment of the route.
pub(super) const fn route_segment(place: &Place) -> &'static str {
    match place {
        Place::Partners { .. } => "msps",
        Place::Clients { .. } => "clients",
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
