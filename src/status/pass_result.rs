//! What a pass learnt and did; status is built from it.

use tenantry_api::{ClientCounts, ConnectionStatus, EffectiveSetting, TenantStatus, UnmanagedSetting};
use tenantry_core::object::{effective_settings, find_unmanaged_settings, settings_digest};
use tenantry_core::{
    DesiredTenant, EffectiveSettings, Field, NormalisedForms, ObservedMark, ObservedTenant, ObservedValue, PassOutcome,
    WriteRecord,
};
use tokio::sync::OwnedMutexGuard;

use crate::apply_plan::AppliedSteps;
use crate::resolve_references::TenantReferences;

/// What a pass learnt and did.
#[derive(Debug, Default)]
pub(crate) struct PassResult {
    /// Id that this pass found or created.
    pub(crate) unique_id: Option<String>,
    /// Whether the pass re-attached to the tenant of an earlier object.
    pub(crate) is_reattached: bool,
    /// Whether this pass adopted an existing tenant.
    pub(crate) is_adopted: bool,
    /// What was done.
    pub(crate) applied: AppliedSteps,
    /// The tenant as it was read last.
    pub(crate) observed: Option<ObservedTenant>,
    /// Counts of a Partner's clients.
    pub(crate) client_counts: Option<ClientCounts>,
    /// The lock for creating under this name or adopting this tenant; held until status is written.
    pub(crate) create_lock: Option<OwnedMutexGuard<()>>,
    /// Normalised forms of written values, as this pass learnt them.
    pub(crate) normalised_forms: NormalisedForms,
    /// Whether something that must be exact was written and does not read back exactly.
    pub(crate) is_unconfirmed: bool,
    pub(super) effective: Option<Vec<EffectiveSetting>>,
    pub(super) digest: Option<String>,
    pub(super) connection: Option<ConnectionStatus>,
    /// Images that are as declared and that a later read cannot show as such.
    served_images: Vec<Field>,
    /// The record of earlier writes in status.
    former_writes: WriteRecord,
    /// The effective settings.
    pub(super) settings: EffectiveSettings,
}

/// What a pass knows before the lookup of the tenant.
pub(crate) struct PassInputs {
    /// Whether the platform has the extensions.
    pub(crate) extensions: bool,
    /// The record of earlier writes in status.
    pub(crate) written: WriteRecord,
}

impl PassResult {
    /// Builds the result of a pass that only read.
    pub(crate) fn from_observed(observed: Option<ObservedTenant>) -> Self {
        Self { observed, ..Self::default() }
    }

    /// Records the desired tenant and its place.
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

    /// Returns the record of earlier writes in status.
    pub(crate) const fn former_writes(&self) -> &WriteRecord {
        &self.former_writes
    }

    /// Records the moment that is about to be sent.
    pub(crate) fn set_sent_password_time(&mut self, moment: String) {
        self.former_writes.passwords_set_before = Some(moment);
    }

    /// Returns the effective settings, as status shows them.
    pub(crate) fn effective_settings(&self) -> &[EffectiveSetting] {
        self.effective.as_deref().unwrap_or_default()
    }

    /// Records which declared images the platform serves: they count as written.
    pub(crate) fn record_served_images(&mut self, observed: &ObservedTenant) {
        let written = self.settings.written_settings().filter(|(field, value, _)| {
            observed.values.get(field) == Some(&ObservedValue::Unreadable) && observed.is_served(*field, value)
        });
        self.served_images = written.map(|(field, _, _)| field).collect();
    }

    /// Records the observed tenant.
    pub(crate) fn record_observed(&mut self, observed: &ObservedTenant) {
        self.unique_id = Some(observed.unique_id.clone());
        self.observed = Some(observed.clone());
    }

    /// Returns the security settings that were declared before this pass and no longer are.
    pub(super) fn unmanaged_settings_after(
        &self,
        before: &TenantStatus,
        outcome: &PassOutcome,
    ) -> Vec<UnmanagedSetting> {
        match (outcome, &self.observed) {
            (PassOutcome::Settled(_), Some(observed)) => find_unmanaged_settings(before, &self.settings, observed),
            _ => before.no_longer_managed.clone(),
        }
    }

    /// Returns whether the platform does not show this field: never, or not in a form that can be read.
    fn is_hidden(&self, field: Field) -> bool {
        let unreadable = self.observed.as_ref().map(|observed| &observed.unknown.unreadable);
        field.is_write_only() || unreadable.is_none_or(|unreadable| unreadable.contains_key(&field))
    }

    /// Returns how often the mark was written since a read last showed it.
    fn mark_count_after(&self) -> i64 {
        if self.observed.as_ref().is_some_and(|observed| observed.mark != ObservedMark::None) {
            return 0;
        }
        let before = self.former_writes.unconfirmed_marks;
        before
            .saturating_add(i64::from(self.applied.created_id.is_some()))
            .saturating_add(i64::from(self.applied.is_marked))
    }

    /// Returns the record of writes as of the end of this pass.
    pub(crate) fn writes_after(&self) -> WriteRecord {
        let AppliedSteps { written, is_suspended, is_activated, .. } = &self.applied;
        let fields: Vec<Field> =
            written.iter().map(|change| change.field).chain(self.served_images.iter().copied()).collect();
        let mut after = self.former_writes.after_writing(&fields, &self.settings, |field| self.is_hidden(field));
        after.was_suspended_by_operator = (after.was_suspended_by_operator || *is_suspended) && !is_activated;
        after.normalised_forms.extend(self.normalised_forms.clone());
        after.unconfirmed_marks = self.mark_count_after();
        after
    }
}
