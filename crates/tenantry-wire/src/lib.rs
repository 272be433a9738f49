//! JSON of the tenancy API: one definition for the client (`tenantry-client`) and for the self-hosted platform (`tenantry-platform`).
//!
//! Field names, nesting and capitalisation are the platform's (`rdp2swfState`, `showCopyClipBoard`). Members that only
//! the self-hosted platform has are marked *extension*; `tenantry-platform --documented-only` leaves them out.

mod branding;
mod error;
mod lenient;
mod list;
mod mark;
mod role;
mod tenant;
mod token;
mod user;

pub use branding::{Branding, ImageFile, ImagePaths};
pub use error::{FieldError, OAuthError, PlatformError, code};
pub use list::{ImpactCounts, MinimalTenant, PageEnvelope, TenantSearchItem};
pub use mark::{Mark, MarkError};
pub use role::{ClientRef, IgnoredRef, PermissionRef, PermissionSet, PermissionSetRef, Role, UserRef};
pub use tenant::{
    AccessEndpoint, CreatedTenant, DuoSecurity, IdRef, LifecycleAction, PasswordPolicy, PersonRef, Tenant,
    WireClientDetails, WireTenantState,
};
pub use token::{TokenRequest, TokenResponse};
pub use user::{
    HiddenText, LoginHistoryEntry, LoginTenant, PasswordChange, RoleRef, TwoFactor, User, UserAction, UserNotification,
    UserZone,
};

/// Header that the self-hosted platform sends if its extensions are enabled; absent under `--documented-only`.
pub const EXTENSIONS_HEADER: &str = "x-tenantry-extensions";

/// Format of every timestamp on the wire, for example `2016-08-29T12:05:08+0000`: the offset has no colon.
pub const TIME_FORMAT: &str = "%Y-%m-%dT%H:%M:%S%z";
