//! Queries over permission sets.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::roles::tenant_condition;
use super::tenants::TenantRecord;
use super::{Store, Tx};
use crate::credential::random_uuid;
use crate::error::ApiError;
use crate::people::defaults::withheld_sets;
use crate::permission::Permissions;
use crate::subscription::Subscription;

/// A permission set.
#[derive(Clone, Debug)]
pub(crate) struct SetRecord {
    pub(crate) id: i64,
    pub(crate) unique_id: String,
    /// Whether this is a built-in set: every tenant of its scope has it and nobody can change it.
    pub(crate) is_default: bool,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) permissions: Permissions,
    /// Whether the tenant lacks it because it lacks the package.
    pub(crate) is_withheld: bool,
}

fn read_set_row(row: &AnyRow, withheld: &[i64]) -> Result<SetRecord, ApiError> {
    let id = row.try_get("id")?;
    Ok(SetRecord {
        id,
        is_withheld: withheld.contains(&id),
        unique_id: row.try_get("unique_id")?,
        is_default: row.try_get::<Option<i64>, _>("tenant_id")?.is_none(),
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        permissions: Permissions::from_stored(&row.try_get::<String, _>("permissions")?),
    })
}

impl Store {
    /// Lists the permission sets that roles of a tenant can use: its own sets, and the default sets of its level and
    /// packages.
    pub(crate) async fn list_sets(&self, tenant: &TenantRecord) -> Result<Vec<SetRecord>, ApiError> {
        let mut sets = self.list_all_sets(tenant).await?;
        sets.retain(|set| !set.is_withheld);
        Ok(sets)
    }

    /// Like [`Self::list_sets`], but includes the sets that are withheld because a package is missing.
    pub(crate) async fn list_all_sets(&self, tenant: &TenantRecord) -> Result<Vec<SetRecord>, ApiError> {
        let withheld = withheld_sets(&Subscription::of_tenant(tenant));
        let text = format!(
            "SELECT id, unique_id, tenant_id, name, description, permissions FROM permission_set {} ORDER BY id",
            tenant_condition(tenant.kind)
        );
        let rows = sqlx::query(AssertSqlSafe(text)).bind(tenant.id).fetch_all(&self.readers).await?;
        rows.iter().map(|row| read_set_row(row, &withheld)).collect()
    }
}

/// Returns the id of the tenant's permission set with this name, other than `except`.
pub(crate) async fn find_set_by_name(
    tx: &mut Tx,
    tenant: &TenantRecord,
    name: &str,
    except: i64,
) -> Result<Option<String>, ApiError> {
    let text = format!(
        "SELECT unique_id FROM permission_set {} AND name_key = $2 AND id <> $3",
        tenant_condition(tenant.kind)
    );
    let found = sqlx::query_scalar(AssertSqlSafe(text)).bind(tenant.id).bind(name.to_lowercase()).bind(except);
    Ok(found.fetch_optional(&mut **tx).await?)
}

/// Stores a permission set of a tenant. A set with number 0 is new and gets a number and a unique id.
pub(crate) async fn save_set(tx: &mut Tx, tenant: &TenantRecord, set: &mut SetRecord) -> Result<(), ApiError> {
    if set.id == 0 {
        set.id =
            sqlx::query_scalar("UPDATE counter SET value = value + 1 WHERE name = 'permission_set' RETURNING value")
                .fetch_one(&mut **tx)
                .await?;
        set.unique_id = format!("PSET-{}", random_uuid());
        sqlx::query(
            "INSERT INTO permission_set (id, unique_id, tenant_id, scope, name, name_key, description, permissions) \
             VALUES ($1, $2, $3, $4, $2, $2, '', '')",
        )
        .bind(set.id)
        .bind(&set.unique_id)
        .bind(tenant.id)
        .bind(tenant.kind.role_scope().wire_name())
        .execute(&mut **tx)
        .await?;
    }
    sqlx::query("UPDATE permission_set SET name = $1, name_key = $2, description = $3, permissions = $4 WHERE id = $5")
        .bind(&set.name)
        .bind(set.name.to_lowercase())
        .bind(&set.description)
        .bind(set.permissions.to_stored())
        .bind(set.id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Deletes a permission set of a tenant, unless roles use it. Returns the names of those roles.
pub(crate) async fn delete_set(tx: &mut Tx, id: i64) -> Result<Vec<String>, ApiError> {
    let roles = sqlx::query_scalar(
        "SELECT r.name FROM role_permission_set rs JOIN role r ON r.id = rs.role_id \
         WHERE rs.permission_set_id = $1 ORDER BY r.id",
    );
    let roles: Vec<String> = roles.bind(id).fetch_all(&mut **tx).await?;
    if roles.is_empty() {
        sqlx::query("DELETE FROM permission_set WHERE id = $1").bind(id).execute(&mut **tx).await?;
    }
    Ok(roles)
}
