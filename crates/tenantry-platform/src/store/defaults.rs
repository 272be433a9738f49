//! Rows of the default roles and permission sets.

use super::roles::ADD_SET;
use super::{Store, Tx};
use crate::people::defaults::{self, BuiltInGrant};

impl Store {
    /// Writes the default roles and permission sets of this version. They belong to no tenant, so every tenant has them
    /// from the start and a new tenant costs no extra rows.
    pub(super) async fn write_defaults(&self) -> Result<(), sqlx::Error> {
        let mut tx = self.begin().await?;
        // If two processes start at once, one waits here.
        sqlx::query("UPDATE counter SET value = value WHERE name = 'role'").execute(&mut *tx).await?;
        for set in defaults::all_sets() {
            let text = "INSERT INTO permission_set (id, unique_id, scope, name, name_key, description, permissions) \
                        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET name = excluded.name, \
                        name_key = excluded.name_key, description = excluded.description, \
                        permissions = excluded.permissions";
            let permissions = set.permissions().to_stored();
            bind_identity(sqlx::query(text), &set, "PSET").bind(permissions).execute(&mut *tx).await?;
        }
        for role in defaults::ROLES {
            let text = "INSERT INTO role (id, unique_id, scope, name, name_key, description, all_clients) \
                        VALUES ($1, $2, $3, $4, $5, $6, 1) ON CONFLICT (id) DO UPDATE SET name = excluded.name, \
                        name_key = excluded.name_key, description = excluded.description";
            bind_identity(sqlx::query(text), role, "ROLE").execute(&mut *tx).await?;
            add_default_sets(&mut tx, role).await?;
        }
        tx.commit().await
    }
}

type BoundQuery<'q> = sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments>;

fn bind_identity<'q>(query: BoundQuery<'q>, row: &BuiltInGrant, prefix: &str) -> BoundQuery<'q> {
    query
        .bind(row.id)
        .bind(format!("{prefix}-00000000-0000-4000-8000-{:012}", row.id))
        .bind(row.scope.wire_name())
        .bind(row.name)
        .bind(row.name.to_lowercase())
        .bind(row.description)
}

async fn add_default_sets(tx: &mut Tx, role: &BuiltInGrant) -> Result<(), sqlx::Error> {
    for set in role.sets() {
        sqlx::query(ADD_SET).bind(role.id).bind(set).execute(&mut **tx).await?;
    }
    Ok(())
}
