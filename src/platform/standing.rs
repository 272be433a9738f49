//! What a suspended or ended tenant still answers.

use super::error::Error;
use super::store::Record;
use crate::wire::State;

/// What is asked under a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Reads, lists, branding reads.
    Read,
    /// Who was there, and that none of them is active any more.
    ReadPeople,
    /// Activate, suspend, terminate.
    Lifecycle,
    /// Everything else.
    Write,
}

/// 410 where the tenant of the path, or the partner above it, is out of service: a suspended one answers reads and
/// lifecycle calls, an ended one only who its people were.
pub(super) fn admit(tenant: &Record, act: Act) -> Result<(), Error> {
    let above = tenant.parent.as_ref().map(|parent| (parent.unique_id.as_str(), parent.state));
    let own = (tenant.unique_id.as_str(), tenant.state);
    for (id, state) in std::iter::once(own).chain(above) {
        match (state, act) {
            (State::Terminated, Act::Read | Act::Lifecycle | Act::Write) => {
                return Err(Error::Gone(format!("Tenant {id} is terminated; nothing under it is available")));
            }
            (State::Suspended, Act::Write) => {
                return Err(Error::Gone(format!(
                    "Tenant {id} is suspended; activate it before changing anything under it"
                )));
            }
            (_, Act::ReadPeople) | (State::Active, _) | (State::Suspended, Act::Read | Act::Lifecycle) => {}
        }
    }
    Ok(())
}
