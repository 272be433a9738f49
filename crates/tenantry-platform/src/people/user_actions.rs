//! Activation, deactivation and termination of users, and the change of one's own password.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::{Extension, Json};
use secrecy::SecretString;
use tenantry_wire::{PasswordChange, User, UserAction};

use super::authentication::{account_hash, begin_attempt, verify_password};
use super::users::{lock_tenant_and_person, require_person_not_terminated};
use super::{password_rules, privilege_limits};
use crate::audit::{Actor, AuditAction, AuditEvent, append_event};
use crate::authorize::RequestScope;
use crate::error::{ApiError, field_error, quote};
use crate::json_body::{self, StrictJson};
use crate::limits::MAX_FORM_BYTES;
use crate::name_normalization;
use crate::password_hashing::TypedPassword;
use crate::settings::Problems;
use crate::store::{
    NewPassword, PersonRecord, PersonStatus, delete_account_attempts, delete_attempts, delete_factor, end_sessions_of,
    rename_author, request_scrub, save_password, save_person, set_person_roles,
};
use crate::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use crate::{App, time};

type UserPath = Path<(String, String)>;
type ScopeAndActor = (Extension<RequestScope>, Actor);

/// `POST .../users/{user}/ACTIVATE`.
pub(crate) async fn activate(
    app: State<Arc<App>>,
    scope_and_actor: ScopeAndActor,
    path: UserPath,
    request: Request,
) -> Result<Json<()>, ApiError> {
    change_user_status(&app, &scope_and_actor, &path.0.1, PersonStatus::Active, request).await
}

/// `POST .../users/{user}/DEACTIVATE`.
pub(crate) async fn deactivate(
    app: State<Arc<App>>,
    scope_and_actor: ScopeAndActor,
    path: UserPath,
    request: Request,
) -> Result<Json<()>, ApiError> {
    change_user_status(&app, &scope_and_actor, &path.0.1, PersonStatus::Inactive, request).await
}

/// `POST .../users/{user}/TERMINATE`: cannot be undone.
pub(crate) async fn terminate(
    app: State<Arc<App>>,
    scope_and_actor: ScopeAndActor,
    path: UserPath,
    request: Request,
) -> Result<Json<()>, ApiError> {
    change_user_status(&app, &scope_and_actor, &path.0.1, PersonStatus::Terminated, request).await
}

/// How much of a terminated user's data is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UserMask {
    Partial,
    Full,
}

async fn read_action(request: Request) -> Result<(UserAction, Option<UserMask>), ApiError> {
    let body: UserAction = json_body::read_optional_body(request, MAX_FORM_BYTES).await?;
    let mut problems = Problems::default();
    let mask = match body.mask_type.as_deref() {
        None | Some("") => None,
        Some("PARTIAL") => Some(UserMask::Partial),
        Some("FULL") => Some(UserMask::Full),
        Some(other) => {
            problems.refuse("maskType", format!("{} is neither PARTIAL nor FULL", quote(other)));
            None
        }
    };
    for (name, text) in [("deactivateReason", &body.deactivate_reason), ("terminateReason", &body.terminate_reason)] {
        if text.as_ref().is_some_and(|text| text.chars().count() > 1024 || text.contains('\0')) {
            problems.refuse(name, "The text is longer than 1024 characters or has a NUL character");
        }
    }
    problems.finish()?;
    Ok((body, mask))
}

/// Changes the status of a user. The response is 200 with `null`, even if the user already has the status.
async fn change_user_status(
    app: &App,
    (scope, actor): &ScopeAndActor,
    id: &str,
    status: PersonStatus,
    request: Request,
) -> Result<Json<()>, ApiError> {
    let (body, mask) = read_action(request).await?;
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Write)?;
    let before = require_person_not_terminated(app.store.find_person(tenant.id, id).await?, id)?;
    privilege_limits::ensure_can_change_person(app, scope, &before).await?;
    let by = scope.caller.author_name();
    let mut tx = app.store.begin_for_tenant(scope.tenant()?.id).await?;
    let (tenant, mut person) = lock_tenant_and_person(&mut tx, scope, id).await?;
    let may = privilege_limits::ensure_can_change_person(app, scope, &person).await?;
    // This also applies to an active person: activation is how a locked account is unlocked.
    let is_let_in =
        status == PersonStatus::Active && delete_account_attempts(&mut tx, &account_hash(&person.login_name)).await?;
    if person.status == status {
        if is_let_in {
            let event = AuditEvent::success(AuditAction::UserActivate, &person.unique_id);
            append_event(&app.seal, &mut tx, tenant.id, actor, event).await?;
        }
        return Ok(Json(tx.commit().await?));
    }
    if status == PersonStatus::Active && may.allows_administration() {
        scope.proof().consume(&mut tx).await?;
    }
    person.status = status;
    let (reason, done) = match status {
        PersonStatus::Active => (None, AuditAction::UserActivate),
        PersonStatus::Inactive => (body.deactivate_reason, AuditAction::UserDeactivate),
        PersonStatus::Terminated => (body.terminate_reason.or(person.reason), AuditAction::UserTerminate),
    };
    person.reason = reason;
    if status == PersonStatus::Terminated {
        set_person_roles(&mut tx, person.id, &[]).await?;
        delete_factor(&mut tx, person.id).await?;
        let login_name = person.login_name.clone();
        if let Some(mask) = mask {
            mask_person(&mut person, mask);
            request_scrub(&mut tx).await?;
        }
        if person.login_name != login_name {
            rename_author(&mut tx, &login_name, &person.login_name).await?;
        }
    }
    if status != PersonStatus::Active {
        end_sessions_of(&mut tx, person.id, time::now()).await?;
    }
    save_person(&mut tx, &mut person, &by).await?;
    append_event(&app.seal, &mut tx, tenant.id, actor, AuditEvent::success(done, &person.unique_id)).await?;
    tx.commit().await?;
    tracing::info!(person = person.unique_id, ?status, by, "a user's state changed");
    let left =
        if status == PersonStatus::Active { Ok(0) } else { app.store.count_credentials_by(&person.unique_id).await };
    // The change is committed; a missing log line must not fail the request.
    if let Ok(left @ 1..) = left {
        // API credentials stay valid when the person who created them leaves: somebody has to decide about them.
        tracing::warn!(
            person = person.unique_id,
            credentials = left,
            "a user who is out of service made API credentials that still work: `tenantry-platform credential list` shows them"
        );
    }
    Ok(Json(()))
}

/// Masks a person. `FULL` leaves nothing that identifies the person; `PARTIAL` leaves first letters and the login name.
fn mask_person(person: &mut PersonRecord, mask: UserMask) {
    let hide = |text: &mut String| {
        *text = match (mask, text.chars().next()) {
            (_, None) => String::new(),
            (UserMask::Partial, Some(first)) => format!("{first}***"),
            (UserMask::Full, Some(_)) => "***".to_owned(),
        }
    };
    hide(&mut person.first_name);
    hide(&mut person.last_name);
    hide(&mut person.email);
    let profile = std::mem::take(&mut person.profile);
    person.profile = User {
        user_account_type: profile.user_account_type,
        user_group_type: profile.user_group_type,
        time_zone: profile.time_zone,
        country: profile.country,
        ..User::default()
    };
    if mask == UserMask::Full {
        person.login_name.clone_from(&person.unique_id);
        person.profile.country = None;
        person.profile.time_zone = None;
        person.reason = None;
    }
}

/// `POST .../users/{user}/changePassword`: changes one's own password, with the current one. Every session of the
/// person ends, including the one of the request.
pub(crate) async fn change_password(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): ScopeAndActor,
    Path((_, id)): UserPath,
    StrictJson(change): StrictJson<PasswordChange, { MAX_FORM_BYTES }>,
) -> Result<Json<()>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Write)?;
    let person = require_person_not_terminated(app.store.find_person(tenant.id, &id).await?, &id)?;
    if scope.caller.person().is_some_and(|caller| caller.id != person.id) {
        return Err(ApiError::MissingPermission("to change somebody else's password".to_owned()));
    }
    let rules = password_rules::rules_of_tenant(tenant);
    let PasswordChange { current_password, new_password, confirm_password } = change;
    let wanted = name_normalization::normalize_password(&new_password.0);
    let about = [&*person.login_name, &person.first_name, &person.last_name, &person.email, &tenant.name];
    let wrong = wanted.as_deref().map_or_else(
        || vec![password_rules::UNACCEPTABLE_PASSWORD_MESSAGE.to_owned()],
        |wanted| {
            rules
                .find_problems(wanted)
                .into_iter()
                .chain(password_rules::guessability_problem(wanted, &about))
                .collect()
        },
    );
    check_password_change(wrong, [&current_password.0, &new_password.0, &confirm_password.0])?;
    let wanted: SecretString = wanted.ok_or(ApiError::Internal)?.into();
    // The current password is no second factor. A person whose required action is this change has just shown one.
    let factor =
        scope.caller.person().filter(|caller| caller.second_factor.is_some() && caller.required_action.is_none());
    if factor.is_some() {
        scope.proof().ensure_present(&app).await?;
    }
    let last = app.store.last_passwords(person.id, rules.history_length()).await?;
    let today = last.first().cloned().ok_or(ApiError::Internal)?;
    let source = scope.source();
    let account = (account_hash(&person.login_name), source.network_key());
    let place = app.hasher.reserve_slot(source)?;
    let attempt = begin_attempt(&app, &account, &rules).await?;
    if !attempt.is_counted {
        return Err(ApiError::field("currentPassword", "Too many wrong passwords; try again in 30 minutes"));
    }
    if !verify_password(&app, &account, place, current_password.0.into(), Some(today.clone())).await? {
        return Err(ApiError::field("currentPassword", "This is not the password of today"));
    }
    if app.hasher.matches_any(TypedPassword::new(new_password.0.into()), last, source).await? {
        // The current password was correct: rejecting the new one is not a failed login.
        app.store.uncount_attempt(&account.0, &account.1).await?;
        return Err(ApiError::field("newPassword", "The password was used before; choose another"));
    }
    let new = NewPassword { hash: app.hasher.hash(wanted, source).await?, until: None, must_change: false };
    let mut tx = app.store.begin_for_tenant(scope.tenant()?.id).await?;
    let (tenant, person) = lock_tenant_and_person(&mut tx, &scope, &id).await?;
    if factor.is_some() {
        scope.proof().consume(&mut tx).await?;
    }
    if !save_password(&mut tx, person.id, &new, Some(&today)).await? {
        return Err(ApiError::field("currentPassword", "The password was changed by another request in the meantime"));
    }
    end_sessions_of(&mut tx, person.id, time::now()).await?;
    delete_attempts(&mut tx, &account.0, &account.1).await?;
    append_event(
        &app.seal,
        &mut tx,
        tenant.id,
        &actor,
        AuditEvent::success(AuditAction::PasswordChange, &person.unique_id),
    )
    .await?;
    tx.commit().await?;
    tracing::info!(person = person.unique_id, "a password was changed");
    Ok(Json(()))
}

/// Checks that the three texts are present and agree, and that the new password is acceptable.
fn check_password_change(unacceptable: Vec<String>, [current, new, again]: [&String; 3]) -> Result<(), ApiError> {
    let mut wrong = Vec::new();
    for (name, text) in [("currentPassword", current), ("newPassword", new), ("confirmPassword", again)] {
        if text.is_empty() {
            wrong.push(field_error(name, "The password is required"));
        }
    }
    if new != again {
        wrong.push(field_error("confirmPassword", "The two new passwords differ"));
    }
    wrong.extend(unacceptable.into_iter().map(|message| field_error("newPassword", message)));
    if wrong.is_empty() { Ok(()) } else { Err(ApiError::Fields(wrong)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_person() -> PersonRecord {
        PersonRecord {
            id: 1,
            unique_id: "USR0000000001".to_owned(),
            login_name: "ada".to_owned(),
            status: PersonStatus::Terminated,
            first_name: "Ada".to_owned(),
            last_name: "Byron".to_owned(),
            email: "ada@example.org".to_owned(),
            profile: User {
                city: Some("Bonn".to_owned()),
                phone_number: Some("1".to_owned()),
                country: Some("Germany".to_owned()),
                user_account_type: Some("REGULAR".to_owned()),
                user_group_type: Some("ALL".to_owned()),
                ..User::default()
            },
            reason: Some("Ada left".to_owned()),
            created_at: 0,
            updated_at: 0,
        }
    }

    #[test]
    fn a_partial_mask_leaves_first_letters_and_the_login_name() {
        let mut person = test_person();
        mask_person(&mut person, UserMask::Partial);
        assert_eq!((person.first_name.as_str(), person.email.as_str()), ("A***", "a***"));
        assert_eq!(person.login_name, "ada");
        assert_eq!((person.profile.city, person.profile.phone_number), (None, None));
        assert_eq!(person.profile.country.as_deref(), Some("Germany"));
    }

    #[test]
    fn a_mask_keeps_what_tells_nothing_about_the_person() {
        for mask in [UserMask::Partial, UserMask::Full] {
            let mut person = test_person();
            mask_person(&mut person, mask);
            let User { user_account_type, user_group_type, .. } = &person.profile;
            assert_eq!((user_account_type.as_deref(), user_group_type.as_deref()), (Some("REGULAR"), Some("ALL")));
        }
    }

    #[test]
    fn a_full_mask_leaves_nothing_that_tells_who_it_was() {
        let mut person = test_person();
        mask_person(&mut person, UserMask::Full);
        let text = format!("{person:?}");
        for told in ["Ada", "ada", "Byron", "Bonn", "Germany", "left"] {
            assert!(!text.contains(told), "{text} has {told}");
        }
    }
}
