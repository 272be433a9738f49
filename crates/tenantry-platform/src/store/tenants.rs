//! Queries over tenants.

use sqlx::any::AnyRow;
use sqlx::{AnyExecutor, Row as _};
use tenantry_wire::{Mark, Tenant, WireTenantState};

use super::{Store, Tx};
use crate::error::ApiError;
use crate::name_normalization::name_claim;
use crate::permission::RoleScope;
use crate::time;

/// Level of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TenantLevel {
    /// The top level.
    ServiceProvider,
    /// Below the service provider; `msp` on the wire.
    Partner,
    /// Below a partner.
    Client,
}

impl TenantLevel {
    const ALL: [Self; 3] = [Self::ServiceProvider, Self::Partner, Self::Client];

    const fn column(self) -> &'static str {
        match self {
            Self::ServiceProvider => "SP",
            Self::Partner => "MSP",
            Self::Client => "CLIENT",
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::ServiceProvider => "sp",
            Self::Partner => "msp",
            Self::Client => "client",
        }
    }

    /// Parses the text of a column.
    pub(crate) fn from_column(column: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.column() == column)
    }

    /// Returns the scope of the roles of its people.
    pub(crate) const fn role_scope(self) -> RoleScope {
        match self {
            Self::ServiceProvider => RoleScope::Provider,
            Self::Partner => RoleScope::Partner,
            Self::Client => RoleScope::Client,
        }
    }

    /// Returns the display name.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::ServiceProvider => "Service provider",
            Self::Partner => "Partner",
            Self::Client => "Client",
        }
    }

    /// Returns the level below.
    pub(crate) const fn level_below(self) -> Self {
        match self {
            Self::ServiceProvider => Self::Partner,
            Self::Partner | Self::Client => Self::Client,
        }
    }
}

/// The parts of the parent that a tenant's rules need.
#[derive(Clone, Debug)]
pub(crate) struct ParentTenant {
    pub(crate) id: i64,
    pub(crate) unique_id: String,
    pub(crate) state: WireTenantState,
    pub(crate) settings: Tenant,
}

/// A tenant. `settings` holds only the members that requests can set, without name and mark.
#[derive(Clone, Debug)]
pub(crate) struct TenantRecord {
    pub(crate) id: i64,
    pub(crate) unique_id: String,
    pub(crate) kind: TenantLevel,
    pub(crate) parent: Option<ParentTenant>,
    pub(crate) name: String,
    pub(crate) state: WireTenantState,
    pub(crate) mark: Option<Mark>,
    pub(crate) settings: Tenant,
    pub(crate) created_at: i64,
    pub(crate) created_by: String,
    pub(crate) updated_at: i64,
    pub(crate) updated_by: String,
    pub(crate) terminated_at: Option<i64>,
}

/// A new tenant.
pub(crate) struct NewTenant<'a> {
    pub(crate) kind: TenantLevel,
    pub(crate) parent: Option<i64>,
    pub(crate) name: &'a str,
    pub(crate) has_name_claim: bool,
    pub(crate) mark: Option<&'a Mark>,
    pub(crate) settings: &'a Tenant,
    pub(crate) by: &'a str,
}

macro_rules! record {
    ($rest:literal) => {
        concat!(
            "SELECT t.id, t.unique_id, t.kind, t.name, t.state, t.mark_place, t.mark_uid, t.settings, t.created_at, ",
            "t.created_by, t.updated_at, t.updated_by, t.terminated_at, p.id AS parent_id, ",
            "p.unique_id AS parent_unique_id, p.state AS parent_state, p.settings AS parent_settings ",
            "FROM tenant t LEFT JOIN tenant p ON p.id = t.parent_id ",
            $rest
        )
    };
}

fn read_tenant(row: &AnyRow) -> Result<TenantRecord, ApiError> {
    let parent = match row.try_get::<Option<i64>, _>("parent_id")? {
        None => None,
        Some(id) => Some(ParentTenant {
            id,
            unique_id: row.try_get("parent_unique_id")?,
            state: parse_state(&row.try_get::<String, _>("parent_state")?)?,
            settings: serde_json::from_str(&row.try_get::<String, _>("parent_settings")?)?,
        }),
    };
    let kind: String = row.try_get("kind")?;
    Ok(TenantRecord {
        id: row.try_get("id")?,
        unique_id: row.try_get("unique_id")?,
        kind: TenantLevel::from_column(&kind).ok_or(ApiError::Internal)?,
        parent,
        name: row.try_get("name")?,
        state: parse_state(&row.try_get::<String, _>("state")?)?,
        mark: parse_mark(row.try_get("mark_place")?, row.try_get("mark_uid")?),
        settings: serde_json::from_str(&row.try_get::<String, _>("settings")?)?,
        created_at: row.try_get("created_at")?,
        created_by: row.try_get("created_by")?,
        updated_at: row.try_get("updated_at")?,
        updated_by: row.try_get("updated_by")?,
        terminated_at: row.try_get("terminated_at")?,
    })
}

/// Parses a state column.
pub(super) fn parse_state(column: &str) -> Result<WireTenantState, ApiError> {
    WireTenantState::ALL.into_iter().find(|known| known.word() == column).ok_or(ApiError::Internal)
}

/// Parses the two columns of a mark.
pub(super) fn parse_mark(place: Option<String>, uid: Option<String>) -> Option<Mark> {
    format!("{}/{}", place?, uid?).parse().ok()
}

/// Returns the place of a mark, as stored in the column and used by the search key `managedBy`.
fn mark_place(mark: &Mark) -> String {
    let Mark { cluster, kind, namespace, name, uid: _ } = mark;
    format!("{cluster}/{kind}/{namespace}/{name}")
}

/// Parses a number that a path may give instead of a unique id. Returns -1, which no tenant has, if it is not a number.
/// Ids with a NUL are rejected earlier: PostgreSQL cannot even compare with them.
fn parse_tenant_number(id: &str) -> i64 {
    if id.bytes().all(|byte| byte.is_ascii_digit()) { id.parse().unwrap_or(-1) } else { -1 }
}

impl Store {
    /// Returns the tenant of a path if the caller may see it: the caller's tenant itself, its children and their
    /// children.
    pub(crate) async fn find_visible_tenant(&self, caller: i64, id: &str) -> Result<Option<TenantRecord>, ApiError> {
        if id.contains('\0') {
            return Ok(None);
        }
        let row = sqlx::query(record!(
            "WHERE (t.unique_id = $1 OR t.id = $2) AND (t.id = $3 OR t.parent_id = $3 OR p.parent_id = $3)"
        ))
        .bind(id)
        .bind(parse_tenant_number(id))
        .bind(caller)
        .fetch_optional(&self.readers)
        .await?;
        row.as_ref().map(read_tenant).transpose()
    }

    /// Returns a tenant that is not terminated, for any caller: the theme of its login page is public.
    pub(crate) async fn find_unterminated_tenant(&self, unique_id: &str) -> Result<Option<TenantRecord>, ApiError> {
        if unique_id.contains('\0') {
            return Ok(None);
        }
        let row = sqlx::query(record!("WHERE t.unique_id = $1 AND t.state <> 'TERMINATED'")).bind(unique_id);
        row.fetch_optional(&self.readers).await?.as_ref().map(read_tenant).transpose()
    }

    /// Returns a child of a tenant, tombstones included.
    pub(crate) async fn find_child(&self, parent: i64, id: &str) -> Result<Option<TenantRecord>, ApiError> {
        find_child(&self.readers, parent, id).await
    }

    /// Returns the tenant of the first credential: the service provider, or the first living partner with
    /// `--documented-only`. Creates the tenants that are missing.
    pub(crate) async fn ensure_home_tenant(&self, documented_only: bool) -> Result<TenantRecord, sqlx::Error> {
        let mut tx = self.begin().await?;
        // If two processes start on a fresh database, one waits here and then finds what the other created.
        sqlx::query("UPDATE counter SET value = value WHERE name = 'tenant'").execute(&mut *tx).await?;
        let failed = |_| sqlx::Error::Protocol("the first tenant cannot be read".to_owned());
        let by = "api@platform";
        let provider = match first_tenant(&mut tx, TenantLevel::ServiceProvider).await.map_err(failed)? {
            Some(provider) => provider,
            None => create_first_tenant(&mut tx, TenantLevel::ServiceProvider, None, by).await.map_err(failed)?,
        };
        let home = match first_tenant(&mut tx, TenantLevel::Partner).await.map_err(failed)? {
            _ if !documented_only => provider,
            Some(partner) => partner,
            None => create_first_tenant(&mut tx, TenantLevel::Partner, Some(provider.id), by).await.map_err(failed)?,
        };
        tx.commit().await?;
        Ok(home)
    }
}

async fn first_tenant(tx: &mut Tx, kind: TenantLevel) -> Result<Option<TenantRecord>, ApiError> {
    let row = sqlx::query(record!("WHERE t.kind = $1 AND t.state <> 'TERMINATED' ORDER BY t.id LIMIT 1"))
        .bind(kind.column())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(read_tenant).transpose()
}

async fn create_first_tenant(
    tx: &mut Tx,
    kind: TenantLevel,
    parent: Option<i64>,
    by: &str,
) -> Result<TenantRecord, ApiError> {
    let name = if kind == TenantLevel::Partner { "First Partner" } else { "Service Provider" };
    let settings = crate::settings::initial_settings(kind);
    let new = NewTenant { kind, parent, name, has_name_claim: false, mark: None, settings: &settings, by };
    let (id, _) = insert_tenant(tx, &new).await?;
    find_by_id(&mut **tx, id).await?.ok_or(ApiError::Internal)
}

/// Returns a child of a tenant, tombstones included.
pub(crate) async fn find_child<'e>(
    executor: impl AnyExecutor<'e>,
    parent: i64,
    id: &str,
) -> Result<Option<TenantRecord>, ApiError> {
    if id.contains('\0') {
        return Ok(None);
    }
    let row = sqlx::query(record!("WHERE t.parent_id = $1 AND (t.unique_id = $2 OR t.id = $3)"))
        .bind(parent)
        .bind(id)
        .bind(parse_tenant_number(id))
        .fetch_optional(executor)
        .await?;
    row.as_ref().map(read_tenant).transpose()
}

async fn find_by_id<'e>(executor: impl AnyExecutor<'e>, id: i64) -> Result<Option<TenantRecord>, ApiError> {
    let row = sqlx::query(record!("WHERE t.id = $1")).bind(id).fetch_optional(executor).await?;
    row.as_ref().map(read_tenant).transpose()
}

/// Locks a tenant and returns its current row. Neither the tenant nor its children change until the commit, because
/// every write of a child locks its parent.
pub(crate) async fn lock_tenant(tx: &mut Tx, id: i64) -> Result<TenantRecord, ApiError> {
    // `updated_by` is in no index, so PostgreSQL takes the weaker lock that does not block inserts of children.
    sqlx::query("UPDATE tenant SET updated_by = updated_by WHERE id = $1").bind(id).execute(&mut **tx).await?;
    find_by_id(&mut **tx, id).await?.ok_or(ApiError::Internal)
}

/// Returns the living tenant of a parent that has this name or a name that is displayed alike.
pub(crate) async fn find_name_holder(
    tx: &mut Tx,
    parent: i64,
    name: &str,
    except: i64,
) -> Result<Option<String>, ApiError> {
    let found = sqlx::query_scalar(
        "SELECT unique_id FROM tenant WHERE parent_id = $1 AND name = $2 AND id <> $3 AND state <> 'TERMINATED' \
         ORDER BY id LIMIT 1",
    );
    let same = found.bind(parent).bind(name).bind(except).fetch_optional(&mut **tx).await?;
    if same.is_some() {
        return Ok(same);
    }
    let alike = sqlx::query_scalar(
        "SELECT unique_id FROM tenant WHERE parent_id = $1 AND name_claim = $2 AND id <> $3 AND state <> 'TERMINATED' \
         ORDER BY id LIMIT 1",
    );
    Ok(alike.bind(parent).bind(name_claim(name)).bind(except).fetch_optional(&mut **tx).await?)
}

/// Returns the tenant of a parent that has the mark of an object, tombstones included.
pub(crate) async fn find_mark_holder(
    tx: &mut Tx,
    parent: i64,
    uid: &str,
    except: i64,
) -> Result<Option<String>, ApiError> {
    let found = sqlx::query_scalar(
        "SELECT unique_id FROM tenant WHERE parent_id = $1 AND mark_uid = $2 AND id <> $3 ORDER BY id LIMIT 1",
    );
    Ok(found.bind(parent).bind(uid).bind(except).fetch_optional(&mut **tx).await?)
}

/// Returns the tenant that an object ever owned under a parent, even if its mark was replaced since.
pub(crate) async fn find_formerly_marked(tx: &mut Tx, parent: i64, uid: &str) -> Result<Option<String>, ApiError> {
    let found = sqlx::query_scalar(
        "SELECT t.unique_id FROM mark m JOIN tenant t ON t.id = m.tenant_id WHERE m.parent_id = $1 AND m.uid = $2",
    );
    Ok(found.bind(parent).bind(uid).fetch_optional(&mut **tx).await?)
}

/// Stores a new tenant under the next number. Returns number and unique id.
pub(crate) async fn insert_tenant(tx: &mut Tx, new: &NewTenant<'_>) -> Result<(i64, String), ApiError> {
    let id: i64 = sqlx::query_scalar("UPDATE counter SET value = value + 1 WHERE name = 'tenant' RETURNING value")
        .fetch_one(&mut **tx)
        .await?;
    let unique_id = format!("{}_{id}", new.kind.prefix());
    let now = time::now();
    sqlx::query(
        "INSERT INTO tenant (id, unique_id, kind, parent_id, name, name_claim, state, mark_place, mark_uid, settings, \
         created_at, created_by, updated_at, updated_by) \
         VALUES ($1, $2, $3, $4, $5, $6, 'ACTIVE', $7, $8, $9, $10, $11, $10, $11)",
    )
    .bind(id)
    .bind(&unique_id)
    .bind(new.kind.column())
    .bind(new.parent)
    .bind(new.name)
    .bind(new.has_name_claim.then(|| name_claim(new.name)))
    .bind(new.mark.map(mark_place))
    .bind(new.mark.map(|mark| mark.uid.clone()))
    .bind(serde_json::to_string(new.settings)?)
    .bind(now)
    .bind(new.by)
    .execute(&mut **tx)
    .await?;
    if let (Some(parent), Some(mark)) = (new.parent, new.mark) {
        remember_mark(tx, parent, &mark.uid, id).await?;
    }
    Ok((id, unique_id))
}

/// Stores the changes of a tenant and the time and author of the change. The claim to a name only moves when the name
/// changes: duplicates created with `--documented-only` may exist until one is renamed.
pub(crate) async fn save_tenant(
    tx: &mut Tx,
    record: &mut TenantRecord,
    has_name_claim: bool,
    by: &str,
) -> Result<(), ApiError> {
    mark_updated(record, by);
    sqlx::query(
        "UPDATE tenant SET name = $1, name_claim = CASE WHEN name = $1 THEN name_claim ELSE $2 END, state = $3, mark_place = $4, mark_uid = $5, settings = $6, \
         updated_at = $7, updated_by = $8, terminated_at = $9 WHERE id = $10",
    )
    .bind(&record.name)
    .bind(has_name_claim.then(|| name_claim(&record.name)))
    .bind(record.state.word())
    .bind(record.mark.as_ref().map(mark_place))
    .bind(record.mark.as_ref().map(|mark| mark.uid.clone()))
    .bind(serde_json::to_string(&record.settings)?)
    .bind(record.updated_at)
    .bind(&record.updated_by)
    .bind(record.terminated_at)
    .bind(record.id)
    .execute(&mut **tx)
    .await?;
    if let (Some(parent), Some(mark)) = (&record.parent, &record.mark) {
        remember_mark(tx, parent.id, &mark.uid, record.id).await?;
    }
    Ok(())
}

/// Sets time and author of a change. The time is also the tenant's revision. It always increases, even if the clock was
/// set back or two changes fall into the same tick.
fn mark_updated(record: &mut TenantRecord, by: &str) {
    record.updated_at = time::now().max(record.updated_at + 1);
    by.clone_into(&mut record.updated_by);
}

async fn remember_mark(tx: &mut Tx, parent: i64, uid: &str, tenant: i64) -> Result<(), ApiError> {
    sqlx::query(
        "INSERT INTO mark (parent_id, uid, tenant_id) VALUES ($1, $2, $3) \
         ON CONFLICT (parent_id, uid) DO UPDATE SET tenant_id = excluded.tenant_id",
    )
    .bind(parent)
    .bind(uid)
    .bind(tenant)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
