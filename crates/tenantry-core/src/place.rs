//! Where tenants live: under which parent, on which route.

use super::fields::TenantKind;

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
}
