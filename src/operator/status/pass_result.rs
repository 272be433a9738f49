//! What a pass learnt and did, from which status is made.

use tokio::sync::OwnedMutexGuard;

use crate::api::{ClientCounts, ConnectionStatus, EffectiveSetting, TenantStatus, UnmanagedSetting};
use crate::object::{effective_settings, find_unmanaged_settings, settings_digest};
use crate::operator::apply::AppliedSteps;
use crate::operator::dereference::TenantReferences;
use crate::plan::{
    DesiredTenant, EffectiveSettings, Field, NormalisedForms, ObservedMark, ObservedTenant, ObservedValue, PassOutcome,
    WriteRecord,
};

/// What a pass learnt and did.
#[derive(Debug, Default)]
pub(crate) struct PassResult {
    /// Id found or made in this pass.
    pub(crate) unique_id: Option<String>,
    /// Whether an earlier object's tenant was taken up again.
    pub(crate) is_reattached: bool,
    /// Whether an existing tenant was taken over in this pass.
    pub(crate) is_adopted: bool,
    /// What was done.
    pub(crate) applied: AppliedSteps,
    /// The tenant as it was read last.
    pub(crate) observed: Option<ObservedTenant>,
    /// Counts of a Partner's clients.
    pub(crate) client_counts: Option<ClientCounts>,
    /// The turn to create under this name, or to take this tenant over; held until status is written.
    pub(crate) create_lock: Option<OwnedMutexGuard<()>>,
    /// Forms in which the platform keeps what was written, as this pass learnt.
    pub(crate) echoes: NormalisedForms,
    /// Whether something that must be exact was written and is not read back as such.
    pub(crate) is_unconfirmed: bool,
    pub(super) effective: Option<Vec<EffectiveSetting>>,
    pub(super) digest: Option<String>,
    pub(super) connection: Option<ConnectionStatus>,
    /// Images of the tenant that are as declared and that a later read does not show as such.
    served_images: Vec<Field>,
    /// What status records of earlier writes.
    former_writes: WriteRecord,
    /// The settings that hold.
    pub(super) settings: EffectiveSettings,
}

/// What a pass knows before it looks for the tenant.
pub(crate) struct PassInputs {
    /// Whether the platform has the extensions.
    pub(crate) extensions: bool,
    /// What status records of earlier writes.
    pub(crate) written: WriteRecord,
}

impl PassResult {
    /// Facts of a pass that only read.
    pub(crate) fn from_observed(observed: Option<ObservedTenant>) -> Self {
        Self { observed, ..Self::default() }
    }

    /// Keeps what holds for the tenant and where it stands.
    pub(crate) fn record_desired(&mut self, referenced: &TenantReferences, desired: &DesiredTenant, known: PassInputs) {
        let PassInputs { extensions, written } = known;
        let TenantReferences { platform, place, .. } = referenced;
        self.connection = Some(ConnectionStatus {
            host: platform.host(),
            tenant_id: platform.tenant_id().to_owned(),
            parent_id: Some(place.parent_id().to_owned()),
            extensions: Some(extensions),
        });
        self.digest = Some(settings_digest(desired));
        self.effective = Some(effective_settings(desired));
        self.former_writes = written;
        self.settings = desired.effective.clone();
    }

    /// What status records of earlier writes.
    pub(crate) const fn former_writes(&self) -> &WriteRecord {
        &self.former_writes
    }

    /// Keeps a moment that was noted as about to be sent.
    pub(crate) fn record_sent_moment(&mut self, moment: String) {
        self.former_writes.passwords_set_before = Some(moment);
    }

    /// What holds for the tenant, as status will show it.
    pub(crate) fn effective_settings(&self) -> &[EffectiveSetting] {
        self.effective.as_deref().unwrap_or_default()
    }

    /// Keeps which declared images the platform serves: they count as written.
    pub(crate) fn record_served_images(&mut self, observed: &ObservedTenant) {
        let written = self.settings.written_settings().filter(|(field, value, _)| {
            observed.values.get(field) == Some(&ObservedValue::Unreadable) && observed.is_served(*field, value)
        });
        self.served_images = written.map(|(field, _, _)| field).collect();
    }

    /// Keeps what was read.
    pub(crate) fn record_observed(&mut self, observed: &ObservedTenant) {
        self.unique_id = Some(observed.unique_id.clone());
        self.observed = Some(observed.clone());
    }

    /// Security settings that were declared before this pass and no longer are.
    pub(super) fn no_longer_managed(&self, before: &TenantStatus, outcome: &PassOutcome) -> Vec<UnmanagedSetting> {
        match (outcome, &self.observed) {
            (PassOutcome::Settled(_), Some(observed)) => find_unmanaged_settings(before, &self.settings, observed),
            _ => before.no_longer_managed.clone(),
        }
    }

    /// Whether the platform does not show what was written: never, or not in a form that can be read.
    fn is_hidden(&self, field: Field) -> bool {
        let unreadable = self.observed.as_ref().map(|observed| &observed.unknown.unreadable);
        field.is_write_only() || unreadable.is_none_or(|unreadable| unreadable.contains_key(&field))
    }

    /// How often the mark was written without being shown since.
    fn mark_count_after(&self) -> i64 {
        if self.observed.as_ref().is_some_and(|observed| observed.mark != ObservedMark::None) {
            return 0;
        }
        let before = self.former_writes.unconfirmed_marks;
        before
            .saturating_add(i64::from(self.applied.created_id.is_some()))
            .saturating_add(i64::from(self.applied.is_marked))
    }

    /// The record of write-only settings as it will stand after this pass.
    pub(crate) fn writes_after(&self) -> WriteRecord {
        let AppliedSteps { written, is_suspended, is_activated, .. } = &self.applied;
        let fields: Vec<Field> =
            written.iter().map(|change| change.field).chain(self.served_images.iter().copied()).collect();
        let mut after = self.former_writes.after_writing(&fields, &self.settings, |field| self.is_hidden(field));
        after.suspended_by_us = (after.suspended_by_us || *is_suspended) && !is_activated;
        after.normalised_forms.extend(self.echoes.clone());
        after.unconfirmed_marks = self.mark_count_after();
        after
    }
}
