//! Settings that every new tenant has although nobody chose them. Written into a manifest, they would be enforced for
//! ever.

use tenantry_client::TenantInspection;
use tenantry_core::{Field, Value};

/// Switches that are off in a new tenant. A platform that shows none of them means the same.
const SWITCHES_OFF: [Field; 8] = [
    Field::SmsVoiceNotification,
    Field::RemoteAccess,
    Field::CliRecording,
    Field::ResourceDecommission,
    Field::TwoFactorAuthentication,
    Field::BlockDuplicateCloudAccounts,
    Field::SkipUserConsentForm,
    Field::ShowCopyClipboard,
];

/// Business hours of a new client. They can only be declared together.
const DEFAULT_HOURS: [(Field, &str); 4] = [
    (Field::BusinessStart, "09:00"),
    (Field::BusinessEnd, "17:00"),
    (Field::BusinessFirstDay, "Monday"),
    (Field::BusinessLastDay, "Friday"),
];

/// Decides which settings are left out.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewTenantDefaults {
    writes_all: bool,
}

impl NewTenantDefaults {
    /// Creates the rule. If `is_written` is true, no setting is left out.
    pub(super) const fn new(is_written: bool) -> Self {
        Self { writes_all: is_written }
    }

    /// Returns whether a setting is left out because it still has its value from creation.
    pub(super) fn should_omit(self, field: Field, inspection: &TenantInspection) -> bool {
        !self.writes_all && is_new_tenant_default(field, inspection)
    }
}

fn is_new_tenant_default(field: Field, inspection: &TenantInspection) -> bool {
    let is = |field: Field, value: &Value| inspection.observed.value(field) == Some(value);
    if DEFAULT_HOURS.iter().any(|(hour, _)| *hour == field) {
        return DEFAULT_HOURS.iter().all(|(hour, text)| is(*hour, &Value::text(text)));
    }
    match field {
        Field::PolicyPciDss => is(field, &Value::Flag(true)),
        field if SWITCHES_OFF.contains(&field) => is(field, &Value::Flag(false)),
        _ => false,
    }
}
