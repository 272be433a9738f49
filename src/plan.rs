//! Pure decisions: what is declared, what that means for a tenant, what differs, what to do, what to say.
//!
//! Nothing here reads a clock, draws a random number or talks to anybody: times, ids and answers are arguments.

mod adoption;
mod approval;
mod creates;
mod declared;
mod diff;
mod digest;
mod echo;
#[cfg(test)]
mod explore;
mod fields;
mod identity;
mod image;
mod inherit;
pub mod lease;
mod observed;
mod packages;
mod pause;
mod record;
mod removal;
mod secret;
mod shown;
mod value;
mod verdict;

pub use adoption::{Owner, Ownership, adopt, owned_in_another_cluster};
pub use approval::{PASSWORD_POLICY_ADVICE, Proposal, must_wait, needs_approval, propose};
pub use creates::{Creates, Leave};
pub use declared::{
    ImageRead, Invalid, Material, Payload, Settings, add_on_set, client, client_defaults, package_set, partner,
};
pub use diff::{Change, Desired, Difference, Plan, Step, diff};
pub use digest::Digest;
pub use echo::{COUNTED_WITHIN, Echo, Echoes, MOST_WRITES, NewWrite, OwnWrite, Part, Read, Reading, VISIBLE_WITHIN};
pub use fields::{Field, Form, Kind, Risk, Rule};
pub use identity::{Candidate, Identity, Intent, MarkSeen, Names, SentMoment, identify, is_short_of, short_mark};
pub use image::{ImageKind, ImageRule, judge as judge_image};
pub use inherit::{Effective, Origin, beyond_locked, inherit, own};
pub use observed::{Observed, Seen, Served, TenantLife, Unknown};
pub use packages::{ClientUse, Lacking, still_used, within, without_add_ons};
pub use pause::Pause;
pub use record::{RecordKey, Written, is_legacy_digest};
pub use removal::{
    Author, Booked, Children, ClockReading, Clocks, EVIDENCE_KEY, Entry, Going, Hold, Kept, Ledger, Limits, Permit,
    Release, Removal, RemovalIntent, Rules, Statement, Surroundings, Tenant, Walk, confirm_digest, evidence,
    evidence_names, how_to_confirm, is_evidence, kept_settings, offered_until, removal,
};
pub use secret::{AppliedSecrets, SecretRead, SecretSource};
pub use shown::{LONGEST_SHOWN, is_same_shown, shown, summary};
pub use value::Value;
pub use verdict::{ConditionState, Outcome, Report, Situation, Standing, Truth, Writes, phase, verdict};
