//! Roles and permission sets.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::any::AnyRow;
use sqlx::{AnyPool, AssertSqlSafe, Row as _};

use super::tenants::Record;
use super::{Store, Tx};
use crate::platform::error::Error;
use crate::platform::people::defaults::{self, Default};
use crate::platform::permission::Permissions;
use crate::platform::principal::{Grant, Reach};
use crate::wire::RoleRef;

/// A role where it is chosen.
#[derive(Clone, Debug)]
pub(in crate::platform) struct RoleRecord {
    pub(in crate::platform) id: i64,
    pub(in crate::platform) unique_id: String,
    pub(in crate::platform) name: String,
}

/// What roles give, as they are now. `$1` chooses the roles of `role r`.
async fn grants(readers: &AnyPool, choice: &'static str, chosen: i64) -> Result<Vec<Grant>, Error> {
    let given = format!(
        "SELECT r.id, r.all_clients, s.permissions FROM role r \
         LEFT JOIN role_permission_set rs ON rs.role_id = r.id LEFT JOIN permission_set s ON s.id = rs.permission_set_id \
         WHERE r.id {choice}"
    );
    let clients = format!("SELECT rc.role_id, rc.tenant_id FROM role_client rc WHERE rc.role_id {choice}");
    let mut roles: BTreeMap<i64, Grant> = BTreeMap::new();
    for row in sqlx::query(AssertSqlSafe(given)).bind(chosen).fetch_all(readers).await? {
        let all = row.try_get::<i64, _>("all_clients")? != 0;
        let grant = roles.entry(row.try_get("id")?).or_insert_with(|| Grant {
            permissions: Permissions::default(),
            clients: if all { Reach::All } else { Reach::Only(BTreeSet::new()) },
        });
        let permissions = row.try_get::<Option<String>, _>("permissions")?.unwrap_or_default();
        grant.permissions = grant.permissions.with(Permissions::of_stored(&permissions));
    }
    for row in sqlx::query(AssertSqlSafe(clients)).bind(chosen).fetch_all(readers).await? {
        if let Some(Grant { clients: Reach::Only(clients), .. }) = roles.get_mut(&row.try_get("role_id")?) {
            clients.insert(row.try_get("tenant_id")?);
        }
    }
    Ok(roles.into_values().collect())
}

/// Gives a person these roles and no other.
pub(in crate::platform) async fn set_roles_of(tx: &mut Tx, person: i64, roles: &[i64]) -> Result<(), Error> {
    sqlx::query("DELETE FROM role_person WHERE person_id = $1").bind(person).execute(&mut **tx).await?;
    for role in roles {
        sqlx::query("INSERT INTO role_person (role_id, person_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(role)
            .bind(person)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

impl Store {
    /// What each of a person's roles gives.
    pub(in crate::platform) async fn grants_of(&self, person: i64) -> Result<Vec<Grant>, Error> {
        grants(&self.readers, "IN (SELECT role_id FROM role_person WHERE person_id = $1)", person).await
    }

    /// What one role gives.
    pub(in crate::platform) async fn grants_by_role(&self, role: i64) -> Result<Vec<Grant>, Error> {
        grants(&self.readers, "= $1", role).await
    }

    /// The roles that people of a tenant can have: its own, and the default ones of its level.
    pub(in crate::platform) async fn roles(&self, tenant: &Record) -> Result<Vec<RoleRecord>, Error> {
        let rows = sqlx::query(
            "SELECT id, unique_id, name FROM role WHERE scope = $2 AND (tenant_id = $1 OR tenant_id IS NULL) ORDER BY id",
        );
        let rows = rows.bind(tenant.id).bind(tenant.kind.scope().wire()).fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| {
                Ok(RoleRecord {
                    id: row.try_get("id")?,
                    unique_id: row.try_get("unique_id")?,
                    name: row.try_get("name")?,
                })
            })
            .collect()
    }

    /// The roles of a person.
    pub(in crate::platform) async fn role_refs_of(&self, person: i64) -> Result<Vec<RoleRef>, Error> {
        let rows = sqlx::query(
            "SELECT r.unique_id, r.name FROM role_person rp JOIN role r ON r.id = rp.role_id \
             WHERE rp.person_id = $1 ORDER BY r.id",
        );
        let rows = rows.bind(person).fetch_all(&self.readers).await?;
        let read = |row: &AnyRow| Ok(RoleRef { unique_id: row.try_get("unique_id")?, name: row.try_get("name")? });
        rows.iter().map(read).collect()
    }

    /// Writes the default roles and permission sets as this version of the program has them. They belong to no tenant, so
    /// that every tenant has them from its first moment on, and a new tenant costs nothing more.
    pub(super) async fn write_defaults(&self) -> Result<(), sqlx::Error> {
        let mut tx = self.begin().await?;
        // Of two processes that start at once one waits here.
        sqlx::query("UPDATE counter SET value = value WHERE name = 'role'").execute(&mut *tx).await?;
        for set in defaults::SETS {
            let text = "INSERT INTO permission_set (id, unique_id, scope, name, name_key, description, permissions) \
                        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET name = excluded.name, \
                        name_key = excluded.name_key, description = excluded.description, \
                        permissions = excluded.permissions";
            let permissions = set.permissions().stored();
            identify(sqlx::query(text), set, "PSET").bind(permissions).execute(&mut *tx).await?;
        }
        for role in defaults::ROLES {
            let text = "INSERT INTO role (id, unique_id, scope, name, name_key, description, all_clients) \
                        VALUES ($1, $2, $3, $4, $5, $6, 1) ON CONFLICT (id) DO UPDATE SET name = excluded.name, \
                        name_key = excluded.name_key, description = excluded.description";
            identify(sqlx::query(text), role, "ROLE").execute(&mut *tx).await?;
            give_default(&mut tx, role).await?;
        }
        tx.commit().await
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments>;

fn identify<'q>(query: Query<'q>, row: &Default, prefix: &str) -> Query<'q> {
    query
        .bind(row.id)
        .bind(format!("{prefix}-00000000-0000-4000-8000-{:012}", row.id))
        .bind(row.scope.wire())
        .bind(row.name)
        .bind(row.name.to_lowercase())
        .bind(row.description)
}

async fn give_default(tx: &mut Tx, role: &Default) -> Result<(), sqlx::Error> {
    for set in role.sets() {
        sqlx::query(
            "INSERT INTO role_permission_set (role_id, permission_set_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(role.id)
        .bind(set)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
