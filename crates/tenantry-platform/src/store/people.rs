//! Queries over people.

use std::collections::BTreeMap;

use sqlx::any::AnyRow;
use sqlx::{AnyExecutor, Row as _};
use tenantry_wire::{Tenant, User, WireTenantState};

use super::paged_queries::{ListQuery, PageRange, Term, chunk_placeholders, numbers_by_name, select_page};
use super::sessions::wants_own_factor;
use super::tenants::{TenantLevel, parse_state};
use super::{Store, Tx};
use crate::error::ApiError;
use crate::login_policy::password_policy::PasswordRules;
use crate::mfa::{self, FactorMethod};
use crate::name_normalization::{former_login_key, login_key, masked_login_key};
use crate::{settings, time};

/// Whether a person may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PersonStatus {
    /// May log in.
    Active,
    /// May not, until activated again.
    Inactive,
    /// May not log in and cannot be activated again.
    Terminated,
}

impl PersonStatus {
    const ALL: [Self; 3] = [Self::Active, Self::Inactive, Self::Terminated];

    pub(super) const fn column(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Terminated => "TERMINATED",
        }
    }

    /// Returns the word on the wire, which has only two values.
    pub(crate) const fn wire_name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive | Self::Terminated => "inactive",
        }
    }
}

/// A person. `profile` holds only the members that requests can set and that have no column.
#[derive(Clone, Debug)]
pub(crate) struct PersonRecord {
    pub(crate) id: i64,
    pub(crate) unique_id: String,
    pub(crate) login_name: String,
    pub(crate) status: PersonStatus,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    pub(crate) profile: User,
    pub(crate) reason: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

impl PersonRecord {
    /// Returns the key that login names are compared by. The masked name of a terminated person gets a separate key, so
    /// that it never collides with the login name of another person.
    fn login_key(&self) -> String {
        if self.status == PersonStatus::Terminated && self.login_name == self.unique_id {
            masked_login_key(&self.unique_id)
        } else {
            login_key(&self.login_name)
        }
    }
}

/// A password as stored.
pub(crate) struct NewPassword {
    /// Argon2id in PHC string format.
    pub(crate) hash: String,
    /// Expiry of a password that only serves to choose another.
    pub(crate) until: Option<i64>,
    /// Whether the person must replace it before any other action.
    pub(crate) must_change: bool,
}

/// A new person.
pub(crate) struct NewPerson<'a> {
    pub(crate) tenant: i64,
    pub(crate) login_name: &'a str,
    pub(crate) first_name: &'a str,
    pub(crate) last_name: &'a str,
    pub(crate) email: &'a str,
    pub(crate) profile: &'a User,
    pub(crate) password: &'a NewPassword,
    pub(crate) by: &'a str,
}

/// The person that a login name belongs to, before the password is compared.
#[derive(Clone)]
pub(crate) struct LoginCandidate {
    pub(crate) id: i64,
    pub(crate) unique_id: String,
    /// Number of the tenant.
    pub(crate) tenant: i64,
    /// Unique id of the tenant.
    pub(crate) tenant_unique_id: String,
    pub(crate) password_hash: String,
    pub(crate) password_until: Option<i64>,
    pub(crate) must_change: bool,
    pub(crate) password_at: i64,
    /// Whether the password is older than the cutoff of its tenant.
    pub(crate) is_password_outdated: bool,
    /// The password policy that applies: the one of the tenant or, for a client, of its partner.
    pub(crate) rules: PasswordRules,
    /// The addresses from which the tenant allows logins.
    pub(crate) ip_allowlist: Option<String>,
    /// The second factor that a login requires.
    pub(crate) second_factor: Option<FactorMethod>,
    /// Whether the person is active and the tenant and all tenants above it are in service.
    pub(crate) is_in_service: bool,
}

const COLUMNS: &str =
    "id, unique_id, login_name, status, first_name, last_name, email, profile, reason, created_at, updated_at";

/// Column that a list is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserOrder {
    /// The number.
    Id,
    /// The login name.
    Login,
    /// When the user was created.
    Created,
    /// When the user last changed.
    Updated,
}

impl UserOrder {
    const fn column(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Login => "login_key",
            Self::Created => "created_at",
            Self::Updated => "updated_at",
        }
    }
}

pub(super) fn read_person(row: &AnyRow) -> Result<PersonRecord, ApiError> {
    let status: String = row.try_get("status")?;
    Ok(PersonRecord {
        id: row.try_get("id")?,
        unique_id: row.try_get("unique_id")?,
        login_name: row.try_get("login_name")?,
        status: PersonStatus::ALL.into_iter().find(|known| known.column() == status).ok_or(ApiError::Internal)?,
        first_name: row.try_get("first_name")?,
        last_name: row.try_get("last_name")?,
        email: row.try_get("email")?,
        profile: serde_json::from_str(&row.try_get::<String, _>("profile")?)?,
        reason: row.try_get("reason")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

impl Store {
    /// Returns a person of a tenant, tombstones included.
    pub(crate) async fn find_person(&self, tenant: i64, id: &str) -> Result<Option<PersonRecord>, ApiError> {
        find_person(&self.readers, tenant, id).await
    }

    /// Lists every person of a tenant who is not terminated.
    pub(crate) async fn list_people(&self, tenant: i64) -> Result<Vec<PersonRecord>, ApiError> {
        let text = format!("SELECT {COLUMNS} FROM person WHERE tenant_id = $1 AND status <> 'TERMINATED' ORDER BY id");
        let rows = sqlx::query(sqlx::AssertSqlSafe(text)).bind(tenant).fetch_all(&self.readers).await?;
        rows.iter().map(read_person).collect()
    }

    /// Maps the given unique ids to numbers, for people who exist and are not terminated.
    pub(crate) async fn unterminated_person_numbers(
        &self,
        tenant: i64,
        wanted: &[&str],
    ) -> Result<BTreeMap<String, i64>, ApiError> {
        let text = format!(
            "SELECT unique_id, id FROM person WHERE tenant_id = $1 AND status <> 'TERMINATED' AND unique_id IN ({})",
            chunk_placeholders()
        );
        numbers_by_name(&self.readers, &text, tenant, wanted).await
    }

    /// Counts the people of a tenant who are not terminated.
    pub(crate) async fn count_unterminated_people(&self, tenant: i64) -> Result<i64, ApiError> {
        let count = sqlx::query_scalar("SELECT COUNT(*) FROM person WHERE tenant_id = $1 AND status <> 'TERMINATED'");
        Ok(count.bind(tenant).fetch_one(&self.readers).await?)
    }

    /// Returns one page of a tenant's people, tombstones included, and the total count.
    pub(crate) async fn search_people(
        &self,
        tenant: i64,
        terms: &[Term],
        order: UserOrder,
        range: PageRange,
    ) -> Result<(Vec<PersonRecord>, i64), ApiError> {
        let listed =
            ListQuery { columns: COLUMNS, from: "FROM person WHERE tenant_id = $1", order: (order.column(), "id") };
        let (rows, total) = select_page(&self.readers, listed, tenant, terms, range).await?;
        Ok((rows.iter().map(read_person).collect::<Result<_, _>>()?, total))
    }

    /// Returns the person with a login name.
    pub(crate) async fn find_login_candidate(&self, login_name: &str) -> Result<Option<LoginCandidate>, ApiError> {
        if login_name.contains('\0') {
            return Ok(None);
        }
        let row = sqlx::query(
            "SELECT u.id, u.unique_id, u.status, u.password_hash, u.password_at, u.password_until, \
             u.must_change, u.profile, u.tenant_id, t.unique_id AS tenant_unique_id, t.kind, t.settings, p.settings AS parent_settings, t.state, p.state AS parent_state, g.state AS top_state \
             FROM person u JOIN tenant t ON t.id = u.tenant_id \
             LEFT JOIN tenant p ON p.id = t.parent_id LEFT JOIN tenant g ON g.id = p.parent_id \
             WHERE u.login_key = $1 OR u.login_key = $2 ORDER BY CASE WHEN u.login_key = $1 THEN 0 ELSE 1 END LIMIT 1",
        );
        // The key from before normalization comes first. Names that collided after normalization can thus each still
        // log in.
        let row = row.bind(former_login_key(login_name)).bind(login_key(login_name));
        let Some(row) = row.fetch_optional(&self.readers).await? else { return Ok(None) };
        let mut in_service = row.try_get::<String, _>("status")? == PersonStatus::Active.column();
        for column in ["state", "parent_state", "top_state"] {
            let above: Option<String> = row.try_get(column)?;
            in_service &=
                above.map_or(Ok(true), |above| parse_state(&above).map(|state| state == WireTenantState::Active))?;
        }
        let own: Tenant = serde_json::from_str(&row.try_get::<String, _>("settings")?)?;
        let above: Option<String> = row.try_get("parent_settings")?;
        let above: Option<Tenant> = above
            .filter(|_| {
                row.try_get::<String, _>("kind")
                    .is_ok_and(|kind| TenantLevel::from_column(&kind) == Some(TenantLevel::Client))
            })
            .map(|above| serde_json::from_str(&above))
            .transpose()?;
        let password_at: i64 = row.try_get("password_at")?;
        Ok(Some(LoginCandidate {
            is_password_outdated: settings::password_cutoff(&own, above.as_ref())
                .is_some_and(|moment| password_at < moment),
            id: row.try_get("id")?,
            unique_id: row.try_get("unique_id")?,
            tenant: row.try_get("tenant_id")?,
            tenant_unique_id: row.try_get("tenant_unique_id")?,
            password_hash: row.try_get("password_hash")?,
            password_until: row.try_get("password_until")?,
            must_change: row.try_get::<i64, _>("must_change")? != 0,
            password_at,
            rules: PasswordRules::from_policy(&settings::password_policy_of(above.as_ref().unwrap_or(&own))),
            second_factor: mfa::required_method(&own, wants_own_factor(&row)?),
            ip_allowlist: own.white_listed_ips,
            is_in_service: in_service,
        }))
    }

    /// Returns the hashes of a person's last passwords, including the current one.
    pub(crate) async fn last_passwords(&self, person: i64, max: i64) -> Result<Vec<String>, ApiError> {
        let today = sqlx::query_scalar("SELECT password_hash FROM person WHERE id = $1");
        let mut hashes: Vec<String> = today.bind(person).fetch_all(&self.readers).await?;
        let before = sqlx::query_scalar(
            "SELECT password_hash FROM password_history WHERE person_id = $1 ORDER BY replaced_at DESC LIMIT $2",
        );
        hashes.extend(before.bind(person).bind(max - 1).fetch_all(&self.readers).await?);
        Ok(hashes)
    }
}

/// Returns a person of a tenant, tombstones included.
pub(crate) async fn find_person<'e>(
    executor: impl AnyExecutor<'e>,
    tenant: i64,
    id: &str,
) -> Result<Option<PersonRecord>, ApiError> {
    if id.contains('\0') {
        return Ok(None);
    }
    let text = format!("SELECT {COLUMNS} FROM person WHERE tenant_id = $1 AND unique_id = $2");
    let row = sqlx::query(sqlx::AssertSqlSafe(text)).bind(tenant).bind(id).fetch_optional(executor).await?;
    row.as_ref().map(read_person).transpose()
}

/// Returns the unique id of the person who has a login name on this platform.
pub(crate) async fn find_login_holder(tx: &mut Tx, login_name: &str) -> Result<Option<String>, ApiError> {
    let found = sqlx::query_scalar("SELECT unique_id FROM person WHERE login_key = $1");
    Ok(found.bind(login_key(login_name)).fetch_optional(&mut **tx).await?)
}

/// Stores a new person under the next number. Returns number and unique id.
pub(crate) async fn insert_person(tx: &mut Tx, new: &NewPerson<'_>) -> Result<(i64, String), ApiError> {
    let id: i64 = sqlx::query_scalar("UPDATE counter SET value = value + 1 WHERE name = 'person' RETURNING value")
        .fetch_one(&mut **tx)
        .await?;
    let unique_id = format!("USR{id:010}");
    sqlx::query(
        "INSERT INTO person (id, unique_id, tenant_id, login_name, login_key, status, first_name, last_name, email, \
         profile, password_hash, password_at, password_until, must_change, created_at, created_by, updated_at, \
         updated_by) VALUES ($1, $2, $3, $4, $5, 'ACTIVE', $6, $7, $8, $9, $10, $11, $12, $13, $11, $14, $11, $14)",
    )
    .bind(id)
    .bind(&unique_id)
    .bind(new.tenant)
    .bind(new.login_name)
    .bind(login_key(new.login_name))
    .bind(new.first_name)
    .bind(new.last_name)
    .bind(new.email)
    .bind(serde_json::to_string(new.profile)?)
    .bind(&new.password.hash)
    .bind(time::now())
    .bind(new.password.until)
    .bind(i64::from(new.password.must_change))
    .bind(new.by)
    .execute(&mut **tx)
    .await?;
    Ok((id, unique_id))
}

/// Stores the changes of a person and the time and author of the change.
pub(crate) async fn save_person(tx: &mut Tx, person: &mut PersonRecord, by: &str) -> Result<(), ApiError> {
    person.updated_at = time::now().max(person.updated_at + 1);
    sqlx::query(
        "UPDATE person SET login_name = $1, \
         login_key = CASE WHEN login_name = $1 THEN login_key ELSE $2 END, status = $3, first_name = $4, last_name = $5, email = $6, \
         profile = $7, reason = $8, updated_at = $9, updated_by = $10 WHERE id = $11",
    )
    .bind(&person.login_name)
    .bind(person.login_key())
    .bind(person.status.column())
    .bind(&person.first_name)
    .bind(&person.last_name)
    .bind(&person.email)
    .bind(serde_json::to_string(&person.profile)?)
    .bind(&person.reason)
    .bind(person.updated_at)
    .bind(by)
    .bind(person.id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Replaces a password and moves the previous one to the history. Returns `false`, and changes nothing, if the previous
/// hash is not the expected one.
pub(crate) async fn save_password(
    tx: &mut Tx,
    person: i64,
    new: &NewPassword,
    expected: Option<&str>,
) -> Result<bool, ApiError> {
    let now = time::now();
    let kept = sqlx::query(
        "INSERT INTO password_history (person_id, replaced_at, password_hash) \
         SELECT id, $2, password_hash FROM person WHERE id = $1 AND password_hash = COALESCE($3, password_hash)",
    );
    let kept = kept.bind(person).bind(now).bind(expected).execute(&mut **tx).await?;
    if kept.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(
        "UPDATE person SET password_hash = $1, password_at = $2, password_until = $3, must_change = $4 WHERE id = $5",
    )
    .bind(&new.hash)
    .bind(now)
    .bind(new.until)
    .bind(i64::from(new.must_change))
    .bind(person)
    .execute(&mut **tx)
    .await?;
    Ok(true)
}

/// Makes every person of a tenant and of its children choose a new password at the next login.
pub(crate) async fn require_password_change(tx: &mut Tx, tenant: i64) -> Result<(), ApiError> {
    sqlx::query(REQUIRE_PASSWORD_CHANGE).bind(tenant).execute(&mut **tx).await?;
    Ok(())
}

/// One subquery per level, so that each can use an index.
pub(super) const REQUIRE_PASSWORD_CHANGE: &str = "UPDATE person SET must_change = 1 WHERE status <> 'TERMINATED' AND tenant_id IN \
     (SELECT id FROM tenant WHERE id = $1 UNION ALL SELECT id FROM tenant WHERE parent_id = $1)";

/// Columns that hold the name of a person as an author.
pub(super) const AUTHOR_UPDATES: [&str; 5] = [
    "UPDATE tenant SET created_by = $1 WHERE created_by = $2",
    "UPDATE tenant SET updated_by = $1 WHERE updated_by = $2",
    "UPDATE person SET created_by = $1 WHERE created_by = $2",
    "UPDATE person SET updated_by = $1 WHERE updated_by = $2",
    "UPDATE export_schedule SET created_by = $1 WHERE created_by = $2",
];

/// Replaces a name in the columns that record who created or changed a tenant or a person.
pub(crate) async fn rename_author(tx: &mut Tx, from: &str, to: &str) -> Result<(), ApiError> {
    for text in AUTHOR_UPDATES {
        sqlx::query(text).bind(to).bind(from).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Deactivates every active person of a tenant.
pub(crate) async fn deactivate_people(tx: &mut Tx, tenant: i64, by: &str) -> Result<(), ApiError> {
    sqlx::query(
        "UPDATE person SET status = 'INACTIVE', updated_at = $2, updated_by = $3 \
         WHERE tenant_id = $1 AND status = 'ACTIVE'",
    )
    .bind(tenant)
    .bind(time::now())
    .bind(by)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
