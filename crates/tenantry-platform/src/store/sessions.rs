//! Browser sessions, bearer tokens of people, and the login history. Only hashes of keys are stored.

use sqlx::Row as _;
use sqlx::any::AnyRow;
use tenantry_wire::{LoginHistoryEntry, LoginTenant, PersonRef, Tenant, User, WireTenantState};

use super::login_attempts::delete_attempts;
use super::paged_queries::{ListQuery, PageRange, Term, select_page};
use super::tenants::{TenantLevel, TenantRecord};
use super::{Store, Tx};
use crate::credential::constant_time_eq;
use crate::error::ApiError;
use crate::login_policy::password_policy;
use crate::login_policy::request_source::RequestSource;
use crate::mfa::{self, PendingActions};
use crate::permission::RoleScope;
use crate::principal::{Caller, LoggedInPerson, Principal};
use crate::settings::password_cutoff;
use crate::subscription::Subscription;
use crate::{consent, time};

/// How the client presents a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionCarrier {
    /// A browser cookie. The session also ends when it is idle.
    Cookie,
    /// A bearer token.
    Token,
}

impl SessionCarrier {
    /// Returns its name in tables and in the audit log.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Cookie => "COOKIE",
            Self::Token => "TOKEN",
        }
    }
}

/// A session to be stored.
pub(crate) struct NewSession<'a> {
    /// SHA-256 of the session key.
    pub(crate) hash: &'a str,
    /// Public id, as the login history shows it.
    pub(crate) public_id: &'a str,
    pub(crate) person: i64,
    /// Hash of the password that was verified.
    pub(crate) proof: &'a str,
    pub(crate) carrier: SessionCarrier,
    /// Whether the session may only change the password.
    pub(crate) is_limited: bool,
    /// When a second factor was verified together with the password.
    pub(crate) factor_at: Option<i64>,
    /// Source address of the login.
    pub(crate) source: &'a str,
    /// Account and source that failed logins are counted for.
    pub(crate) account: (&'a str, &'a str),
    pub(crate) now: i64,
    /// When it ends at the latest.
    pub(crate) expires: i64,
}

/// The current time and the idle timeout of a browser session, both in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionClock {
    pub(crate) now: i64,
    pub(crate) idle: i64,
}

/// Minimum interval between two updates of the last use, in milliseconds. One write per request would be expensive.
const USE_INTERVAL: i64 = 1000;

impl Store {
    /// Returns the person of a session. The session must not be ended or idle, the person must be active, and the
    /// tenant and all tenants above it must be in service. A browser session is marked as used.
    pub(crate) async fn find_session_caller(
        &self,
        hash: &str,
        carrier: SessionCarrier,
        clock: SessionClock,
    ) -> Result<Option<Caller>, ApiError> {
        let row = sqlx::query(
            "SELECT s.hash, s.limited, s.created_at, s.seen_at, s.factor_at, u.password_at, u.id, u.unique_id, u.login_name, u.profile, \
             u.consented_at, p.settings AS parent_settings, t.id AS tenant_id, t.unique_id AS tenant_unique_id, t.kind, t.settings \
             FROM session s JOIN person u ON u.id = s.person_id JOIN tenant t ON t.id = u.tenant_id \
             LEFT JOIN tenant p ON p.id = t.parent_id LEFT JOIN tenant g ON g.id = p.parent_id \
             WHERE s.hash = $1 AND s.kind = $2 AND s.expires_at > $3 \
             AND u.status = 'ACTIVE' AND t.state = 'ACTIVE' AND COALESCE(p.state, 'ACTIVE') = 'ACTIVE' \
             AND COALESCE(g.state, 'ACTIVE') = 'ACTIVE'",
        )
        .bind(hash)
        .bind(carrier.as_str())
        .bind(clock.now)
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) =
            row.filter(|row| row.try_get::<String, _>("hash").is_ok_and(|stored| constant_time_eq(&stored, hash)))
        else {
            return Ok(None);
        };
        let seen_at: i64 = row.try_get("seen_at")?;
        if carrier == SessionCarrier::Cookie {
            if password_policy::is_idle(seen_at, clock.now, clock.idle) {
                return Ok(None);
            }
            if seen_at + USE_INTERVAL <= clock.now {
                self.mark_session_used(hash, clock.now).await?;
            }
        }
        let settings: Tenant = serde_json::from_str(&row.try_get::<String, _>("settings")?)?;
        let wants = mfa::required_method(&settings, wants_own_factor(&row)?);
        let proved: Option<i64> = row.try_get("factor_at")?;
        let scope =
            TenantLevel::from_column(&row.try_get::<String, _>("kind")?).ok_or(ApiError::Internal)?.role_scope();
        let partner = row.try_get::<Option<String>, _>("parent_settings")?.filter(|_| scope == RoleScope::Client);
        let partner: Option<Tenant> = partner.map(|text| serde_json::from_str(&text)).transpose()?;
        let accepted = row.try_get::<Option<i64>, _>("consented_at")?.is_some();
        // This also covers a session that was starting while the cutoff was set.
        let moment = password_cutoff(&settings, partner.as_ref()).unwrap_or(i64::MIN);
        if row.try_get::<i64, _>("created_at")? < moment {
            return Ok(None);
        }
        let profile: User = serde_json::from_str(&row.try_get::<String, _>("profile")?)?;
        let is_old = profile.auth_type.is_none() && row.try_get::<i64, _>("password_at")? < moment;
        let due = PendingActions {
            factor: wants.is_some() && proved.is_none(),
            consent: carrier == SessionCarrier::Cookie
                && !accepted
                && !consent::is_consent_skipped(&settings, partner.as_ref()),
            password: is_old || row.try_get::<i64, _>("limited")? != 0,
        };
        let id = row.try_get("id")?;
        let has = Subscription::from_settings(&settings, partner.as_ref());
        let person = LoggedInPerson {
            id,
            unique_id: row.try_get("unique_id")?,
            login_name: row.try_get("login_name")?,
            scope,
            second_factor: wants,
            required_action: due.first_action(),
            session_hash: hash.to_owned(),
            ip_allowlist: settings.white_listed_ips,
            grants: self.grants_of_person(id, &has).await?,
        };
        Ok(Some(Caller {
            id: row.try_get("tenant_id")?,
            unique_id: row.try_get("tenant_unique_id")?,
            principal: Principal::Person(Box::new(person)),
            key_hash: None,
        }))
    }

    async fn mark_session_used(&self, hash: &str, now: i64) -> Result<(), ApiError> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE session SET seen_at = $1 WHERE hash = $2 AND seen_at < $1")
            .bind(now)
            .bind(hash)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Returns whether the person's own settings require a second factor.
pub(super) fn wants_own_factor(row: &AnyRow) -> Result<bool, ApiError> {
    let profile: User = serde_json::from_str(&row.try_get::<String, _>("profile")?)?;
    Ok(profile.two_factor_authentication == Some(true))
}

/// Reads a row of the login history. `tenant` is the tenant whose people are listed.
fn read_login(row: &AnyRow, tenant: &TenantRecord) -> Result<LoginHistoryEntry, ApiError> {
    let own = LoginTenant {
        id: tenant.id,
        unique_id: tenant.unique_id.clone(),
        name: tenant.name.clone(),
        activated: tenant.state == WireTenantState::Active,
    };
    let source: String = row.try_get("source_ip")?;
    Ok(LoginHistoryEntry {
        id: row.try_get("id")?,
        partner: (tenant.kind == TenantLevel::Partner).then(|| own.clone()),
        client: (tenant.kind == TenantLevel::Client).then_some(own),
        user: PersonRef {
            id: row.try_get("unique_id")?,
            login_name: row.try_get("login_name")?,
            last_name: row.try_get("last_name")?,
            first_name: row.try_get("first_name")?,
            email: row.try_get("email")?,
        },
        source_host: source.clone(),
        source_ip: source,
        session_id: row.try_get("session_id")?,
        status: row.try_get("status")?,
        login_type: row.try_get("login_type")?,
        logout_type: row.try_get("logout_type")?,
        login_time: time::to_wire(row.try_get("login_at")?),
        logout_time: row.try_get::<Option<i64>, _>("logout_at")?.map(time::to_wire),
    })
}

impl Store {
    /// Returns one page of the logins of a tenant's people, and the total count.
    pub(crate) async fn search_logins(
        &self,
        tenant: &TenantRecord,
        terms: &[Term],
        range: PageRange,
    ) -> Result<(Vec<LoginHistoryEntry>, i64), ApiError> {
        let listed = ListQuery {
            columns: "l.id, l.session_id, l.source_ip, l.status, l.login_type, l.logout_type, l.login_at, l.logout_at, \
                      u.unique_id, u.login_name, u.first_name, u.last_name, u.email",
            from: "FROM login_history l JOIN person u ON u.id = l.person_id WHERE u.tenant_id = $1",
            order: ("l.login_at", "l.id"),
        };
        let (rows, total) = select_page(&self.readers, listed, tenant.id, terms, range).await?;
        Ok((rows.iter().map(|row| read_login(row, tenant)).collect::<Result<_, _>>()?, total))
    }
}

/// Starts a session, records the login and deletes expired sessions. Returns `false`, and starts nothing, if the person
/// was deactivated or the password was changed since it was verified.
pub(crate) async fn start_session(tx: &mut Tx, new: &NewSession<'_>) -> Result<bool, ApiError> {
    end_sessions_where(tx, "expires_at <= $1", new.now, "TIMEOUT", new.now).await?;
    let started = sqlx::query(
        "INSERT INTO session (hash, public_id, person_id, kind, limited, created_at, seen_at, expires_at, factor_at) \
         SELECT $1, $2, id, $4, $5, $6, $6, $7, $9 FROM person \
         WHERE id = $3 AND status = 'ACTIVE' AND password_hash = $8",
    )
    .bind(new.hash)
    .bind(new.public_id)
    .bind(new.person)
    .bind(new.carrier.as_str())
    .bind(i64::from(new.is_limited))
    .bind(new.now)
    .bind(new.expires)
    .bind(new.proof)
    .bind(new.factor_at)
    .execute(&mut **tx)
    .await?;
    if started.rows_affected() == 0 {
        return Ok(false);
    }
    insert_login(tx, new.person, Some(new.public_id), new.carrier, "SUCCESS", new.source, new.now).await?;
    delete_attempts(tx, new.account.0, new.account.1).await?;
    Ok(true)
}

impl Store {
    /// Deletes logins before a time and returns how many. It deletes in batches, so that other writes can run in
    /// between.
    pub(crate) async fn delete_old_logins(&self, before: i64) -> Result<u64, ApiError> {
        let mut erased = 0;
        loop {
            let mut tx = self.begin().await?;
            let part = "DELETE FROM login_history WHERE id IN \
                        (SELECT id FROM login_history WHERE login_at < $1 ORDER BY login_at LIMIT 1000)";
            let count = sqlx::query(part).bind(before).execute(&mut *tx).await?.rows_affected();
            tx.commit().await?;
            erased += count;
            if count == 0 {
                return Ok(erased);
            }
        }
    }
}

/// Records a failed login.
pub(crate) async fn insert_failed_login(
    tx: &mut Tx,
    person: i64,
    carrier: SessionCarrier,
    source: RequestSource,
    now: i64,
) -> Result<(), ApiError> {
    insert_login(tx, person, None, carrier, "FAILED", &source.to_string(), now).await
}

/// Runs statements of the same cost as a failed login, including its row in the audit log, for a login name that does
/// not exist. Nothing about the name is stored.
pub(crate) async fn simulate_failed_login(tx: &mut Tx) -> Result<(), ApiError> {
    for text in [
        "UPDATE counter SET value = value WHERE name = 'login'",
        "UPDATE login_history SET status = status WHERE id = -1",
        "UPDATE audit_anchor SET events = events WHERE id = 1",
        "UPDATE audit_head SET number = number WHERE tenant_id = -1",
        "UPDATE audit SET number = number WHERE tenant_id = -1",
        "UPDATE audit_head SET seal = seal WHERE tenant_id = -1",
        "UPDATE audit_anchor SET state = state WHERE id = 1",
    ] {
        sqlx::query(text).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Ends one session by logout. Returns the unique id of the person and the number of the person's tenant.
pub(crate) async fn end_session(tx: &mut Tx, hash: &str, now: i64) -> Result<Option<(String, i64)>, ApiError> {
    let row = sqlx::query(
        "SELECT u.unique_id, u.tenant_id FROM session s JOIN person u ON u.id = s.person_id WHERE s.hash = $1",
    );
    let row = row.bind(hash).fetch_optional(&mut **tx).await?;
    end_sessions_where(tx, "hash = $1", hash, "LOGOUT", now).await?;
    row.map(|row| Ok((row.try_get("unique_id")?, row.try_get("tenant_id")?))).transpose()
}

/// Ends every session of a person.
pub(crate) async fn end_sessions_of(tx: &mut Tx, person: i64, now: i64) -> Result<(), ApiError> {
    end_sessions_where(tx, "person_id = $1", person, "FORCED", now).await
}

/// Matches people of a tenant and of the two levels below it. There is one subquery per level, so that each can use an
/// index.
pub(super) const PERSONS_OF_TENANT_CONDITION: &str = "person_id IN (SELECT u.id FROM person u WHERE u.tenant_id IN (\
     SELECT id FROM tenant WHERE id = $1 UNION ALL SELECT id FROM tenant WHERE parent_id = $1 UNION ALL \
     SELECT c.id FROM tenant p JOIN tenant c ON c.parent_id = p.id WHERE p.parent_id = $1))";

/// Ends every session of the people of a tenant and of all tenants below it.
pub(crate) async fn end_sessions_under(tx: &mut Tx, tenant: i64, now: i64) -> Result<(), ApiError> {
    end_sessions_where(tx, PERSONS_OF_TENANT_CONDITION, tenant, "FORCED", now).await
}

/// Like [`end_sessions_under`], but only for sessions that began before a time.
pub(crate) async fn end_sessions_begun_before(tx: &mut Tx, tenant: i64, moment: i64, now: i64) -> Result<(), ApiError> {
    // `moment` is a number, so no text of a request enters the statement.
    let begun = format!("created_at < {moment} AND {PERSONS_OF_TENANT_CONDITION}");
    end_sessions_where(tx, &begun, tenant, "FORCED", now).await
}

/// Deletes the sessions that match a condition, whose only value is `$1`, and records their ends.
async fn end_sessions_where<'q, T>(
    tx: &mut Tx,
    condition: &str,
    value: T,
    how: &'q str,
    now: i64,
) -> Result<(), ApiError>
where
    T: sqlx::Encode<'q, sqlx::Any> + sqlx::Type<sqlx::Any> + Copy + 'q,
{
    sqlx::query(sqlx::AssertSqlSafe(note_logout_sql(condition)))
        .bind(value)
        .bind(how)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    sqlx::query(sqlx::AssertSqlSafe(delete_sessions_sql(condition))).bind(value).execute(&mut **tx).await?;
    Ok(())
}

/// Returns the SQL that records the logouts of a condition. `$1` belongs to the condition.
pub(super) fn note_logout_sql(condition: &str) -> String {
    format!(
        "UPDATE login_history SET logout_type = $2, logout_at = $3 \
         WHERE logout_at IS NULL AND session_id IN (SELECT public_id FROM session WHERE {condition})"
    )
}

pub(super) fn delete_sessions_sql(condition: &str) -> String {
    format!("DELETE FROM session WHERE {condition}")
}

async fn insert_login(
    tx: &mut Tx,
    person: i64,
    session: Option<&str>,
    carrier: SessionCarrier,
    status: &str,
    source: &str,
    now: i64,
) -> Result<(), ApiError> {
    let id: i64 = sqlx::query_scalar("UPDATE counter SET value = value + 1 WHERE name = 'login' RETURNING value")
        .fetch_one(&mut **tx)
        .await?;
    sqlx::query(
        "INSERT INTO login_history (id, person_id, session_id, source_ip, status, login_type, login_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(id)
    .bind(person)
    .bind(session)
    .bind(source)
    .bind(status)
    .bind(carrier.as_str())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
