//! Pure decisions: what is declared, what that means for a tenant, what differs, what to do and what to report.
//!
//! Nothing here reads a clock, draws a random number or does I/O: times, ids and answers are arguments.

mod adoption;
mod approval;
mod conditions;
mod create_guard;
mod declared;
mod deletion;
mod diff;
mod digest;
#[cfg(test)]
mod explorer;
mod fields;
mod image;
mod inherit;
pub mod leader_election;
pub mod object;
mod observed;
mod own_write;
mod packages;
mod pause;
mod place;
mod secret_setting;
mod status_value;
mod tenant_identity;
mod value;
mod write_record;

pub use adoption::{OwnerStatus, Ownership, check_adoption, other_cluster_message};
pub use approval::{PASSWORD_POLICY_ADVICE, Proposal, is_awaiting_approval, needs_approval, propose_plan};
pub use conditions::{
    ConditionState, ConditionStatus, DriftHandling, PassOutcome, PriorReadiness, SettledTenant, StatusReport,
    conditions_for, phase_of,
};
pub use create_guard::{CreateDecision, CreateGuard};
pub use declared::{
    ConfigMapEntry, DeclaredSettings, InvalidSetting, ResolvedReferences, SettingsPayload, add_on_set,
    client_default_settings, client_settings, package_set, partner_settings,
};
pub use deletion::{
    ClockReading, ConfirmationAuthor, ContainerDeletion, DeletionContext, DeletionHold, DeletionIntent, DeletionPass,
    DeletionRules, DeletionStep, DeletionTarget, EVIDENCE_KEY, EvidenceState, EvidenceStatement, FinalizerRelease,
    LedgerEntry, LedgerState, PartnerClients, ServerClocks, TerminationLedger, TerminationLimits, TerminationPermit,
    build_evidence, confirm_digest, confirmation_block, confirmation_offered_until, evidence_names, evidence_settings,
    is_evidence, next_deletion_step,
};
pub use diff::{DesiredTenant, Plan, PlanStep, SettingChange, SettingDifference, diff};
pub use digest::Digest;
pub use fields::{Field, InheritanceRule, Risk, TenantKind, ValueType};
pub use image::{ImageFormat, ImageRule, check_image as judge_image};
pub use inherit::{EffectiveSettings, ValueOrigin, find_locked_violations, inherit_settings, own_settings};
pub use observed::{LifecycleState, ObservedTenant, ObservedValue, ServedImage, UnknownAnswers};
pub use own_write::{
    MAX_WRITES, NormalisedForm, NormalisedForms, OwnWrite, READ_LAG_LIMIT, ReadBack, ReadBackResult, TenantProperty,
    WRITE_COUNT_WINDOW, WriteAttempt,
};
pub use packages::{ClientUse, MissingAddOn, check_within_partner, clients_still_using, switches_without_add_ons};
pub use pause::Pause;
pub use place::Place;
pub use secret_setting::{AppliedSecrets, SecretLookup, SecretSource};
pub use status_value::{MAX_STATUS_VALUE_BYTES, is_same_status_value, summarise_long_value, to_status_value};
pub use tenant_identity::{
    Intent, ObservedMark, SentPasswordTime, TenantCandidate, TenantMatch, TenantNames, identify_tenant,
    is_short_mark_of, short_mark,
};
pub use value::Value;
pub use write_record::{RecordKey, WriteRecord, is_legacy_digest};
