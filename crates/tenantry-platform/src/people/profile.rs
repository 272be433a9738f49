//! The profile members that a request sets in a user: checked one by one, merged, and every problem reported.

use tenantry_wire::{User, UserNotification, UserZone};

use crate::error::{ApiError, quote};
use crate::limits;
use crate::name_normalization::{LoginName, unreadable_in_person_name};
use crate::reference_data;
use crate::settings::{self, Problems};
use crate::store::PersonRecord;

/// The profile of a user after a request, merged and checked.
pub(crate) struct UserProfile {
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    pub(crate) rest: User,
}

impl UserProfile {
    /// Returns the profile of a new user.
    pub(crate) fn for_new_user() -> Self {
        let rest = User {
            user_account_type: Some("REGULAR".to_owned()),
            user_group_type: Some("NONE".to_owned()),
            ..User::default()
        };
        Self { first_name: String::new(), last_name: String::new(), email: String::new(), rest }
    }

    /// Returns the profile of a person.
    pub(crate) fn from_person(person: &PersonRecord) -> Self {
        Self {
            first_name: person.first_name.clone(),
            last_name: person.last_name.clone(),
            email: person.email.clone(),
            rest: person.profile.clone(),
        }
    }

    /// Merges a request into the profile.
    pub(crate) fn merge_change(mut self, change: &User, problems: &mut Problems) -> Self {
        self.merge_texts(change, problems);
        for (name, slot, value, words) in [
            ("userAccountType", &mut self.rest.user_account_type, &change.user_account_type, &["REGULAR", "BUSINESS"]),
            ("userGroupType", &mut self.rest.user_group_type, &change.user_group_type, &["NONE", "ALL"]),
        ] {
            let Some(value) = value else { continue };
            if words.contains(&value.as_str()) {
                *slot = Some(value.clone());
            } else {
                problems.refuse(name, format!("{} is neither {} nor {}", quote(value), words[0], words[1]));
            }
        }
        self.rest.two_factor_authentication = change.two_factor_authentication.or(self.rest.two_factor_authentication);
        if let Some(zone) = &change.time_zone {
            self.rest.time_zone = time_zone_of(zone, problems);
        }
        if let Some(list) = &change.user_notifications {
            check_notifications(list, problems);
            self.rest.user_notifications = Some(list.clone());
        }
        if change.user_groups.as_ref().is_some_and(|groups| !groups.is_empty()) {
            problems.refuse("userGroups", "This platform has no user groups; leave the list out or empty");
        }
        self
    }

    fn merge_texts(&mut self, change: &User, problems: &mut Problems) {
        for (name, most, slot, value) in [
            ("firstName", limits::MAX_NAME_CHARS, &mut self.first_name, &change.first_name),
            ("lastName", limits::MAX_NAME_CHARS, &mut self.last_name, &change.last_name),
            ("email", limits::MAX_EMAIL_CHARS, &mut self.email, &change.email),
        ] {
            let Some(value) = value else { continue };
            // A text from before the current rules may be sent back unchanged.
            if value.trim() != slot && note_text_problem(name, most, value, problems) {
                continue;
            }
            value.trim().clone_into(slot);
        }
        let rest = &mut self.rest;
        for (name, most, slot, value) in [
            ("designation", limits::MAX_NAME_CHARS, &mut rest.designation, &change.designation),
            ("address", limits::MAX_LONG_TEXT_CHARS, &mut rest.address, &change.address),
            ("city", limits::MAX_NAME_CHARS, &mut rest.city, &change.city),
            ("state", limits::MAX_NAME_CHARS, &mut rest.state, &change.state),
            ("zip", limits::MAX_ZIP_CHARS, &mut rest.zip, &change.zip),
            ("country", limits::MAX_NAME_CHARS, &mut rest.country, &change.country),
            ("altEmail", limits::MAX_EMAIL_CHARS, &mut rest.alt_email, &change.alt_email),
            ("phoneNumber", limits::MAX_TELEPHONE_CHARS, &mut rest.phone_number, &change.phone_number),
            ("mobileNumber", limits::MAX_TELEPHONE_CHARS, &mut rest.mobile_number, &change.mobile_number),
        ] {
            let Some(value) = value else { continue };
            if slot.as_deref() != Some(value.trim()) && note_text_problem(name, most, value, problems) {
                continue;
            }
            settings::merge_text(slot, Some(value.trim().to_owned()));
        }
    }

    /// Checks the members that every user has from the start and cannot lose. The first administrator starts without
    /// them.
    pub(crate) fn check_required(&self, before: Option<&Self>, problems: &mut Problems) {
        for (name, of) in [
            ("firstName", (|profile| &profile.first_name) as fn(&Self) -> &String),
            ("lastName", |profile| &profile.last_name),
            ("email", |profile| &profile.email),
        ] {
            if of(self).is_empty() && before.is_none_or(|before| !of(before).is_empty()) {
                problems.refuse(name, "The text is required");
            }
        }
    }
}

/// Reports a problem of a text.
fn note_text_problem(name: &str, max: usize, value: &str, problems: &mut Problems) -> bool {
    let value = value.trim();
    let message = if value.chars().count() > max {
        format!("The text is longer than {max} characters")
    } else if value.chars().any(char::is_control) {
        "The text has control characters".to_owned()
    } else if let Some(why) = unreadable_in_person_name(value) {
        why
    } else if matches!(name, "email" | "altEmail") && !value.is_empty() && !settings::is_email(value) {
        format!("{} is not an e-mail address", quote(value))
    } else if name == "country" && !value.is_empty() && tenantry_catalog::find_country(value).is_none() {
        format!("The country {} is not known; /api/v2/cfg/countries lists them", quote(value))
    } else {
        return false;
    };
    problems.refuse(name, message);
    true
}

fn time_zone_of(zone: &UserZone, problems: &mut Problems) -> Option<UserZone> {
    let UserZone { id: _, name, label: _, code } = zone;
    let wanted = name.as_deref().or(code.as_deref()).unwrap_or_default().trim();
    if wanted.is_empty() {
        return None;
    }
    let found = reference_data::find_user_zone(wanted);
    if found.is_none() {
        problems.refuse(
            "timeZone",
            format!("The time zone {} is not known; /api/v2/cfg/timezones lists them", quote(wanted)),
        );
    }
    found
}

fn check_notifications(list: &[UserNotification], problems: &mut Problems) {
    if list.len() > limits::MAX_NOTIFICATIONS {
        let message = format!("The list has {} rows; at most {} are taken", list.len(), limits::MAX_NOTIFICATIONS);
        return problems.refuse("userNotifications", message);
    }
    for (index, row) in list.iter().enumerate() {
        let UserNotification { notify_type, notify_method, notify_input_type, notify_recurring_report: _ } = row;
        // Every word is accepted: the vendor's own tools send words that no documentation lists.
        for (name, value) in [
            ("notifyType", Some(notify_type)),
            ("notifyMethod", Some(notify_method)),
            ("notifyInputType", notify_input_type.as_ref()),
        ] {
            let Some(value) = value else { continue };
            let field = format!("userNotifications[{index}].{name}");
            if value.trim().is_empty() && name != "notifyInputType" {
                problems.refuse(field, "The text is required");
            } else {
                note_text_problem(&field, limits::MAX_NAME_CHARS, value, problems);
            }
        }
    }
}

/// Parses the login name of a request.
pub(crate) fn parse_login_name(name: &str) -> Result<LoginName, ApiError> {
    LoginName::parse(name).map_err(|wrong| ApiError::field("loginName", wrong))
}
