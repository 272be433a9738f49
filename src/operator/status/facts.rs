//! What a pass learnt and did, from which status is made.

use tokio::sync::OwnedMutexGuard;

use crate::api::{ClientCounts, ConnectionStatus, EffectiveSetting, TenantStatus, UnmanagedSetting};
use crate::object::{digest, effective, no_longer_managed};
use crate::operator::apply::Done;
use crate::operator::dereference::Referenced;
use crate::plan::{Desired, Echoes, Effective, Field, MarkSeen, Observed, Outcome, Seen, Written};

/// What a pass learnt and did.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Id found or made in this pass.
    pub(crate) unique_id: Option<String>,
    /// Whether an earlier object's tenant was taken up again.
    pub(crate) is_reattached: bool,
    /// Whether an existing tenant was taken over in this pass.
    pub(crate) is_adopted: bool,
    /// What was done.
    pub(crate) done: Done,
    /// The tenant as it was read last.
    pub(crate) observed: Option<Observed>,
    /// Counts of a Partner's clients.
    pub(crate) clients: Option<ClientCounts>,
    /// The turn to create under this name, or to take this tenant over; held until status is written.
    pub(crate) turn: Option<OwnedMutexGuard<()>>,
    /// Forms in which the platform keeps what was written, as this pass learnt.
    pub(crate) echoes: Echoes,
    /// Whether something that must be exact was written and is not read back as such.
    pub(crate) is_unconfirmed: bool,
    pub(super) effective: Option<Vec<EffectiveSetting>>,
    pub(super) digest: Option<String>,
    pub(super) connection: Option<ConnectionStatus>,
    /// Images of the tenant that are as declared and that a later read does not show as such.
    images: Vec<Field>,
    /// What status records of earlier writes.
    written: Written,
    /// The settings that hold.
    pub(super) settings: Effective,
}

/// What a pass knows before it looks for the tenant.
pub(crate) struct Known {
    /// Whether the platform has the extensions.
    pub(crate) extensions: bool,
    /// What status records of earlier writes.
    pub(crate) written: Written,
}

impl Facts {
    /// Facts of a pass that only read.
    pub(crate) fn of(observed: Option<Observed>) -> Self {
        Self { observed, ..Self::default() }
    }

    /// Keeps what holds for the tenant and where it stands.
    pub(crate) fn know(&mut self, referenced: &Referenced, desired: &Desired, known: Known) {
        let Known { extensions, written } = known;
        let Referenced { platform, place, .. } = referenced;
        self.connection = Some(ConnectionStatus {
            host: platform.host(),
            tenant_id: platform.tenant_id().to_owned(),
            parent_id: Some(place.parent().to_owned()),
            extensions: Some(extensions),
        });
        self.digest = Some(digest(desired));
        self.effective = Some(effective(desired));
        self.written = written;
        self.settings = desired.effective.clone();
    }

    /// What status records of earlier writes.
    pub(crate) const fn written(&self) -> &Written {
        &self.written
    }

    /// Keeps a moment that was noted as about to be sent.
    pub(crate) fn noted_moment(&mut self, moment: String) {
        self.written.passwords_set_before = Some(moment);
    }

    /// What holds for the tenant, as status will show it.
    pub(crate) fn effective(&self) -> &[EffectiveSetting] {
        self.effective.as_deref().unwrap_or_default()
    }

    /// Keeps which declared images the platform serves: they count as written.
    pub(crate) fn keep_images(&mut self, observed: &Observed) {
        let written = self.settings.written().filter(|(field, value, _)| {
            observed.seen.get(field) == Some(&Seen::Unreadable) && observed.serves(*field, value)
        });
        self.images = written.map(|(field, _, _)| field).collect();
    }

    /// Keeps what was read.
    pub(crate) fn seen(&mut self, observed: &Observed) {
        self.unique_id = Some(observed.unique_id.clone());
        self.observed = Some(observed.clone());
    }

    /// Security settings that were declared before this pass and no longer are.
    pub(super) fn no_longer_managed(&self, before: &TenantStatus, outcome: &Outcome) -> Vec<UnmanagedSetting> {
        match (outcome, &self.observed) {
            (Outcome::Settled(_), Some(observed)) => no_longer_managed(before, &self.settings, observed),
            _ => before.no_longer_managed.clone(),
        }
    }

    /// Whether the platform does not show what was written: never, or not in a form that can be read.
    fn is_hidden(&self, field: Field) -> bool {
        let unreadable = self.observed.as_ref().map(|observed| &observed.unknown.unreadable);
        field.is_write_only() || unreadable.is_none_or(|unreadable| unreadable.contains_key(&field))
    }

    /// How often the mark was written without being shown since.
    fn marks_after(&self) -> i64 {
        if self.observed.as_ref().is_some_and(|observed| observed.mark != MarkSeen::None) {
            return 0;
        }
        let before = self.written.marks;
        before.saturating_add(i64::from(self.done.created.is_some())).saturating_add(i64::from(self.done.is_marked))
    }

    /// The record of write-only settings as it will stand after this pass.
    pub(crate) fn written_after(&self) -> Written {
        let Done { written, is_suspended, is_activated, .. } = &self.done;
        let fields: Vec<Field> = written.iter().map(|change| change.field).chain(self.images.iter().copied()).collect();
        let mut after = self.written.after(&fields, &self.settings, |field| self.is_hidden(field));
        after.suspended_by_us = (after.suspended_by_us || *is_suspended) && !is_activated;
        after.echoes.extend(self.echoes.clone());
        after.marks = self.marks_after();
        after
    }
}
