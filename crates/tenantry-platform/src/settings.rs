//! Changes of a tenant's settings: checked field by field and merged, with every problem named.
//!
//! An absent member is unchanged, an empty text or list clears, an object merges member by member, a list replaces.

mod api_endpoint;
mod ip_allowlist;
mod packages;
mod password_cutoff;
mod password_policy;

use tenantry_wire::{DuoSecurity, FieldError, IdRef, Mark, PasswordPolicy, Tenant, WireClientDetails};

use super::error::{ApiError, field_error, quote};
use super::limits;
use super::reference_data;
use super::store::{TenantLevel, TenantRecord};

pub(super) use super::name_normalization::validate_name;
pub(super) use api_endpoint::{api_server, host_name};
pub(super) use packages::{
    add_ons_of, apply_add_on_switches, dropped_packages, ensure_within_own_packages, has_add_on, packages_of,
};
pub(super) use password_cutoff::password_cutoff;

/// Problems found in a request.
#[derive(Default)]
pub(super) struct Problems {
    named: Vec<FieldError>,
    /// Number of problems beyond those that an answer names.
    more: usize,
}

impl Problems {
    /// Adds the problem of an unacceptable field.
    pub(super) fn refuse(&mut self, name: impl Into<String>, message: impl Into<String>) {
        self.refuse_with(name, || message.into());
    }

    /// Adds a problem whose message is expensive: it is built only for problems that the answer names.
    pub(super) fn refuse_with(&mut self, name: impl Into<String>, message: impl FnOnce() -> String) {
        if self.named.len() < limits::MAX_REPORTED_PROBLEMS {
            self.named.push(field_error(name, message()));
        } else {
            self.more += 1;
        }
    }

    /// Returns all problems in one error, so that one answer names every field; if there are very many, the first ones.
    pub(super) fn finish(mut self) -> Result<(), ApiError> {
        if self.more > 0 {
            let message = format!("{} more problems are not named; solve these first", self.more);
            self.named.push(field_error("body", message));
        }
        if self.named.is_empty() { Ok(()) } else { Err(ApiError::Fields(self.named)) }
    }
}

/// Returns the settings of a new tenant before its request is merged.
pub(super) fn initial_settings(kind: TenantLevel) -> Tenant {
    Tenant {
        packages: Some(vec![tenantry_catalog::Package::HybridDiscoveryAndMonitoring.wire_name().to_owned()]),
        add_ons: Some(Vec::new()),
        password_policy: (kind != TenantLevel::Client).then(password_policy::pci_dss_policy),
        client_details: (kind == TenantLevel::Client).then(office_hours),
        ..Tenant::default()
    }
}

/// Returns the settings of a new child: what its parent passes down, merged with the request.
pub(super) fn create_settings(parent: &TenantRecord, change: Tenant) -> Result<Tenant, ApiError> {
    let kind = parent.kind.level_below();
    let mut start = initial_settings(kind);
    if kind == TenantLevel::Client {
        start.country.clone_from(&parent.settings.country);
        start.time_zone.clone_from(&parent.settings.time_zone);
    }
    update_settings(kind, &start, &parent.settings, change)
}

/// Returns the settings after a change. `parent` limits a client's packages and supplies its password policy.
pub(super) fn update_settings(
    kind: TenantLevel,
    current: &Tenant,
    parent: &Tenant,
    mut change: Tenant,
) -> Result<Tenant, ApiError> {
    let mut problems = Problems::default();
    let mut next = current.clone();
    merge_texts(&mut next, &mut change, &mut problems);
    merge_flags(&mut next, &change);
    password_cutoff::merge_cutoff(&mut next, change.change_passwords_set_before.take(), &mut problems);
    merge_location_fields(&mut next, &mut change, &mut problems);
    merge_references(&mut next, &change, &mut problems);
    if let Some(duo) = change.duo_security.take() {
        merge_duo(next.duo_security.get_or_insert_default(), duo, &mut problems);
    }
    match kind {
        TenantLevel::Client => merge_client_settings(&mut next, &mut change, parent, &mut problems),
        TenantLevel::Partner | TenantLevel::ServiceProvider => {
            merge_partner_settings(&mut next, &mut change, &mut problems);
        }
    }
    let bound = (kind == TenantLevel::Client).then_some(parent);
    packages::merge_packages(&mut next, (change.packages, change.add_ons), bound, &mut problems);
    problems.finish()?;
    Ok(next)
}

/// Checks that the parts of a mark can be separated again.
pub(super) fn check_mark(mark: &Mark) -> Result<(), ApiError> {
    let Mark { cluster, kind, namespace, name, uid } = mark;
    for (part, text) in [("cluster", cluster), ("kind", kind), ("namespace", namespace), ("name", name), ("uid", uid)] {
        if text.is_empty() || text.len() > 253 || text.contains('/') || text.chars().any(char::is_control) {
            let message = "The text must have 1 to 253 characters and no slash";
            return Err(ApiError::field(format!("managedBy.{part}"), message));
        }
    }
    Ok(())
}

/// Removes the extensions from a request or an answer.
pub(super) fn strip_extensions(tenant: &mut Tenant) {
    tenant.managed_by = None;
    tenant.status = None;
    tenant.terminated_time = None;
    tenant.revision = None;
    tenant.notification_email = None;
    tenant.alt_email = None;
    tenant.access_endpoint = None;
    tenant.block_duplicate_cloud_accounts = None;
    tenant.skip_user_consent_form = None;
    tenant.change_passwords_set_before = None;
    if let Some(duo) = &mut tenant.duo_security {
        (duo.integration_key, duo.secret_key) = (None, None);
    }
}

/// Merges a text: an absent one is unchanged, an empty one clears.
pub(super) fn merge_text(current: &mut Option<String>, change: Option<String>) {
    if let Some(text) = change {
        *current = Some(text).filter(|text| !text.trim().is_empty());
    }
}

fn merge_texts(next: &mut Tenant, change: &mut Tenant, problems: &mut Problems) {
    for (name, most, slot, value) in [
        ("extOrgId", limits::MAX_NAME_CHARS, &mut next.ext_org_id, change.ext_org_id.take()),
        ("address", limits::MAX_LONG_TEXT_CHARS, &mut next.address, change.address.take()),
        ("city", limits::MAX_NAME_CHARS, &mut next.city, change.city.take()),
        ("state", limits::MAX_NAME_CHARS, &mut next.state, change.state.take()),
        ("zip", limits::MAX_ZIP_CHARS, &mut next.zip, change.zip.take()),
        ("phoneNumber", limits::MAX_TELEPHONE_CHARS, &mut next.phone_number, change.phone_number.take()),
        ("phoneExtension", limits::MAX_TELEPHONE_CHARS, &mut next.phone_extension, change.phone_extension.take()),
        ("mobileNumber", limits::MAX_TELEPHONE_CHARS, &mut next.mobile_number, change.mobile_number.take()),
        ("notificationEmail", limits::MAX_EMAIL_CHARS, &mut next.notification_email, change.notification_email.take()),
        ("altEmail", limits::MAX_EMAIL_CHARS, &mut next.alt_email, change.alt_email.take()),
    ] {
        let Some(value) = value else { continue };
        if value.chars().count() > most {
            problems.refuse(name, format!("The text is longer than {most} characters"));
        } else if value.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\r' | '\t')) {
            problems.refuse(name, "The text has control characters");
        } else if name.ends_with("Email") && !value.trim().is_empty() && !is_email(&value) {
            problems.refuse(name, "The text is not an e-mail address");
        } else {
            merge_text(slot, Some(value));
        }
    }
}

/// Returns whether a text has the form of an e-mail address.
pub(super) fn is_email(text: &str) -> bool {
    let parts: Vec<&str> = text.split('@').collect();
    matches!(parts[..], [local, domain] if !local.is_empty() && !domain.is_empty())
        && !text.chars().any(|character| character.is_whitespace() || character.is_control())
}

fn merge_flags(next: &mut Tenant, change: &Tenant) {
    for (slot, value) in [
        (&mut next.rdp2swf_state, change.rdp2swf_state),
        (&mut next.enable_cli_recording, change.enable_cli_recording),
        (&mut next.show_copy_clip_board, change.show_copy_clip_board),
        (&mut next.resource_decommission, change.resource_decommission),
        (&mut next.two_factor_authentication, change.two_factor_authentication),
        (&mut next.skip_user_consent_form, change.skip_user_consent_form),
    ] {
        *slot = value.or(*slot);
    }
}

fn merge_location_fields(next: &mut Tenant, change: &mut Tenant, problems: &mut Problems) {
    match change.country.take() {
        None => {}
        Some(country) if country.trim().is_empty() => next.country = None,
        Some(country) => match tenantry_catalog::find_country(&country) {
            Some(name) => next.country = Some(name.to_owned()),
            None => problems.refuse(
                "country",
                format!("The country {} is not known; /api/v2/cfg/countries lists names and codes", quote(&country)),
            ),
        },
    }
    match change.time_zone.take() {
        Some(zone) if !zone.trim().is_empty() && !reference_data::is_timezone(zone.trim()) => problems.refuse(
            "timeZone",
            format!("The time zone {} is not an IANA name; /api/v2/cfg/timezones lists them", quote(&zone)),
        ),
        zone => merge_text(&mut next.time_zone, zone.map(|zone| zone.trim().to_owned())),
    }
    if let Some(list) = change.white_listed_ips.take() {
        match ip_allowlist::normalize_allowlist(&list) {
            Ok(list) => next.white_listed_ips = Some(list).filter(|list| !list.is_empty()),
            Err(message) => problems.refuse("whiteListedIps", message),
        }
    }
}

/// Merges channel and operations centre. The number 0 clears, because an absent number is unchanged.
fn merge_references(next: &mut Tenant, change: &Tenant, problems: &mut Problems) {
    let known = [
        ("channel", &change.channel, &mut next.channel, reference_data::CHANNELS, "channels"),
        ("nocDetails", &change.noc_details, &mut next.noc_details, reference_data::NOCS, "nocs"),
    ];
    for (name, wanted, slot, table, list) in known {
        match wanted {
            None => {}
            Some(IdRef { id: 0, .. }) => *slot = None,
            Some(IdRef { id, .. }) if table.iter().any(|row| row.id == *id) => {
                *slot = Some(IdRef { id: *id, ..IdRef::default() });
            }
            Some(IdRef { id, .. }) => problems.refuse(
                format!("{name}.id"),
                format!("The number {id} is not known; /api/v2/cfg/tenants/{list} lists them"),
            ),
        }
    }
}

fn merge_duo(current: &mut DuoSecurity, change: DuoSecurity, problems: &mut Problems) {
    for (name, slot, value) in [
        ("integrationKey", &mut current.integration_key, change.integration_key),
        ("secretKey", &mut current.secret_key, change.secret_key),
        ("apiHostName", &mut current.api_host_name, change.api_host_name),
    ] {
        let fits = |value: &String| value.len() <= 255 && !value.trim().contains(char::is_whitespace);
        if value.as_ref().is_some_and(|value| !fits(value)) {
            problems.refuse(format!("duoSecurity.{name}"), "The text must have at most 255 characters and no blanks");
        } else {
            merge_text(slot, value);
        }
    }
}

fn merge_partner_settings(next: &mut Tenant, change: &mut Tenant, problems: &mut Problems) {
    if let Some(policy) = change.password_policy.take() {
        let current = next.password_policy.clone().unwrap_or_else(password_policy::pci_dss_policy);
        next.password_policy = Some(password_policy::merge_policy(current, &policy, problems));
    }
    next.block_duplicate_cloud_accounts = change.block_duplicate_cloud_accounts.or(next.block_duplicate_cloud_accounts);
    if let Some(server) = change.access_endpoint.take().and_then(|endpoint| endpoint.application_server) {
        if server.trim().is_empty() {
            next.access_endpoint = None;
        } else if host_name(&server).is_none() {
            problems.refuse("accessEndpoint.applicationServer", "The text is not a host name or its URL");
        } else {
            next.access_endpoint.get_or_insert_default().application_server = Some(server.trim().to_owned());
        }
    }
    if change.client_details.is_some() {
        problems.refuse("clientDetails", "Only a client has business hours and client switches");
    }
}

/// Merges the settings of a client. A client shows its partner's policy, so a request may send that policy back
/// unchanged.
fn merge_client_settings(next: &mut Tenant, change: &mut Tenant, parent: &Tenant, problems: &mut Problems) {
    if let Some(policy) = change.password_policy.take() {
        let partners = password_policy_of(parent);
        if password_policy::merge_policy(partners.clone(), &policy, &mut Problems::default()) != partners {
            problems.refuse("passwordPolicy", "The partner's password policy applies to its clients; change it there");
        }
    }
    if change.block_duplicate_cloud_accounts == Some(true) {
        problems.refuse("blockDuplicateCloudAccounts", "Only a partner can block duplicate cloud accounts");
    }
    let server = change.access_endpoint.take().and_then(|endpoint| endpoint.application_server);
    if server.is_some_and(|server| !server.trim().is_empty()) {
        problems.refuse("accessEndpoint", "Only a partner has an application server");
    }
    if let Some(details) = change.client_details.take() {
        merge_details(next.client_details.get_or_insert_with(office_hours), &details, problems);
    }
}

/// Returns a tenant's password policy.
pub(super) fn password_policy_of(tenant: &Tenant) -> PasswordPolicy {
    tenant.password_policy.clone().unwrap_or_else(password_policy::pci_dss_policy)
}

/// Returns the hours that real clients assume if nothing is set: Monday to Friday, nine to five.
fn office_hours() -> WireClientDetails {
    WireClientDetails {
        business_start_hour: Some(9),
        business_start_min: Some(0),
        business_end_hour: Some(17),
        business_end_min: Some(0),
        business_day_start: Some(2),
        business_day_end: Some(6),
        sms_voice_notification: Some(false),
        remote_access: Some(false),
    }
}

fn merge_details(current: &mut WireClientDetails, change: &WireClientDetails, problems: &mut Problems) {
    for (name, range, slot, value) in [
        ("businessStartHour", 0..=23, &mut current.business_start_hour, change.business_start_hour),
        ("businessStartMin", 0..=59, &mut current.business_start_min, change.business_start_min),
        ("businessEndHour", 0..=24, &mut current.business_end_hour, change.business_end_hour),
        ("businessEndMin", 0..=59, &mut current.business_end_min, change.business_end_min),
        ("businessDayStart", 1..=7, &mut current.business_day_start, change.business_day_start),
        ("businessDayEnd", 1..=7, &mut current.business_day_end, change.business_day_end),
    ] {
        let Some(value) = value else { continue };
        if range.contains(&value) {
            *slot = Some(value);
        } else {
            let (least, most) = (range.start(), range.end());
            problems.refuse(format!("clientDetails.{name}"), format!("The number must be {least} to {most}"));
        }
    }
    current.sms_voice_notification = change.sms_voice_notification.or(current.sms_voice_notification);
    current.remote_access = change.remote_access.or(current.remote_access);
}
