//! Which policy a person's password is held to.

use crate::platform::login::policy::Rules;
use crate::platform::settings;
use crate::platform::store::{Kind, Record};

/// Milliseconds that a password set by somebody else is good for: as long as the documented invitation.
pub(in crate::platform) const INVITATION: i64 = 10 * 24 * 60 * 60 * 1000;

/// The rules of a tenant's people: a client's are held to its partner's.
pub(in crate::platform) fn rules(tenant: &Record) -> Rules {
    let partner = tenant.parent.as_ref().filter(|_| tenant.kind == Kind::Client);
    Rules::of(&settings::policy_of(partner.map_or(&tenant.settings, |partner| &partner.settings)))
}
