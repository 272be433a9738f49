//! The cutoff before which a password is too old.

use tenantry_wire::Tenant;

use super::Problems;
use crate::error::quote;
use crate::time;

/// How far a client's clock may be ahead, in milliseconds, when the client means "now".
const MAX_CLOCK_SKEW: i64 = 60_000;

/// Merges a cutoff. It never moves back: an earlier cutoff changes nothing.
pub(super) fn merge_cutoff(next: &mut Tenant, wanted: Option<String>, problems: &mut Problems) {
    const FIELD: &str = "changePasswordsSetBefore";
    let Some(wanted) = wanted.filter(|wanted| !wanted.trim().is_empty()) else { return };
    match time::parse_span(&wanted) {
        None => {
            let message = format!("{} is not a time such as 2016-08-29T12:05:08+0000", quote(&wanted));
            problems.refuse(FIELD, message);
        }
        Some((moment, _)) if moment > time::now() + MAX_CLOCK_SKEW => {
            problems.refuse(FIELD, "The time is more than 60 seconds ahead; nobody can have a password that is newer");
        }
        Some((moment, _)) if moment > cutoff_of(next).unwrap_or_default() => {
            next.change_passwords_set_before = Some(time::to_wire(moment));
        }
        Some(_) => {}
    }
}

fn cutoff_of(tenant: &Tenant) -> Option<i64> {
    time::parse_span(tenant.change_passwords_set_before.as_deref()?).map(|(moment, _)| moment)
}

/// Returns the cutoff for a tenant's people: the later one of its own and its partner's.
pub(crate) fn password_cutoff(own: &Tenant, partner: Option<&Tenant>) -> Option<i64> {
    cutoff_of(own).max(partner.and_then(cutoff_of))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant_with_cutoff(moment: &str) -> Tenant {
        Tenant { change_passwords_set_before: Some(moment.to_owned()), ..Tenant::default() }
    }

    #[test]
    fn the_later_moment_of_a_client_and_its_partner_holds() {
        let (early, late) =
            (tenant_with_cutoff("2026-01-01T00:00:00+0000"), tenant_with_cutoff("2026-01-02T00:00:00+0000"));
        let late_at = cutoff_of(&late);
        assert_eq!(password_cutoff(&early, Some(&late)), late_at);
        assert_eq!(password_cutoff(&late, Some(&early)), late_at);
        assert_eq!(password_cutoff(&Tenant::default(), Some(&late)), late_at);
        assert_eq!(password_cutoff(&Tenant::default(), None), None);
    }
}
