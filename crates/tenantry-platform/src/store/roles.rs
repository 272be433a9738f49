//! Queries over roles and the permission sets that they use.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::any::AnyRow;
use sqlx::{AnyPool, AssertSqlSafe, Row as _};
use tenantry_wire::{ClientRef, PermissionSetRef, RoleRef, UserRef};

use super::paged_queries::{ListQuery, PageRange, Term, add_pairs, select_page};
use super::tenants::{TenantLevel, TenantRecord};
use super::{Store, Tx};
use crate::credential::random_uuid;
use crate::error::ApiError;
use crate::people::defaults::withheld_sets;
use crate::permission::Permissions;
use crate::principal::{ClientScope, Grant};
use crate::subscription::Subscription;

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleRecord {
    pub(crate) id: i64,
    pub(crate) unique_id: String,
    /// Whether this is a built-in role: every tenant of its scope has it and nobody can change it.
    pub(crate) is_default: bool,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) reaches_all_clients: bool,
}

/// The content of a tenant's own role.
pub(crate) struct RoleContent<'a> {
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) all_clients: bool,
    pub(crate) clients: &'a [i64],
    pub(crate) sets: &'a [i64],
}

/// Adds a permission set to a role.
pub(super) const ADD_SET: &str =
    "INSERT INTO role_permission_set (role_id, permission_set_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";

const COLUMNS: &str = "id, unique_id, tenant_id, name, description, all_clients";

fn read_role_row(row: &AnyRow) -> Result<RoleRecord, ApiError> {
    Ok(RoleRecord {
        id: row.try_get("id")?,
        unique_id: row.try_get("unique_id")?,
        is_default: row.try_get::<Option<i64>, _>("tenant_id")?.is_none(),
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        reaches_all_clients: row.try_get::<i64, _>("all_clients")? != 0,
    })
}

/// Returns the condition for the roles and sets of a tenant: its own, and the default ones of its level.
pub(super) const fn tenant_condition(kind: TenantLevel) -> &'static str {
    match kind {
        TenantLevel::ServiceProvider => "WHERE (tenant_id = $1 OR tenant_id IS NULL) AND scope = 'SP'",
        TenantLevel::Partner => "WHERE (tenant_id = $1 OR tenant_id IS NULL) AND scope = 'MSP'",
        TenantLevel::Client => "WHERE (tenant_id = $1 OR tenant_id IS NULL) AND scope = 'CLIENT'",
    }
}

/// Returns the id of the tenant's role with this name, other than `except`.
pub(crate) async fn find_role_by_name(
    tx: &mut Tx,
    tenant: &TenantRecord,
    name: &str,
    except: i64,
) -> Result<Option<String>, ApiError> {
    let text = format!("SELECT unique_id FROM role {} AND name_key = $2 AND id <> $3", tenant_condition(tenant.kind));
    let found = sqlx::query_scalar(AssertSqlSafe(text)).bind(tenant.id).bind(name.to_lowercase()).bind(except);
    Ok(found.fetch_optional(&mut **tx).await?)
}

/// Stores a role of a tenant and returns its number. Without `id` the role is new.
pub(crate) async fn save_role(
    tx: &mut Tx,
    tenant: &TenantRecord,
    id: Option<i64>,
    content: &RoleContent<'_>,
) -> Result<i64, ApiError> {
    let id = match id {
        Some(id) => id,
        None => insert_role(tx, tenant).await?,
    };
    sqlx::query("UPDATE role SET name = $1, name_key = $2, description = $3, all_clients = $4 WHERE id = $5")
        .bind(content.name)
        .bind(content.name.to_lowercase())
        .bind(content.description)
        .bind(i64::from(content.all_clients))
        .bind(id)
        .execute(&mut **tx)
        .await?;
    for (forget, table, columns, members) in [
        ("DELETE FROM role_client WHERE role_id = $1", "role_client", "role_id, tenant_id", content.clients),
        (
            "DELETE FROM role_permission_set WHERE role_id = $1",
            "role_permission_set",
            "role_id, permission_set_id",
            content.sets,
        ),
    ] {
        sqlx::query(forget).bind(id).execute(&mut **tx).await?;
        add_pairs(tx, table, columns, id, members).await?;
    }
    Ok(id)
}

/// Returns the unique id of a role.
pub(crate) async fn role_unique_id(tx: &mut Tx, id: i64) -> Result<String, ApiError> {
    Ok(sqlx::query_scalar("SELECT unique_id FROM role WHERE id = $1").bind(id).fetch_one(&mut **tx).await?)
}

async fn insert_role(tx: &mut Tx, tenant: &TenantRecord) -> Result<i64, ApiError> {
    let id: i64 = sqlx::query_scalar("UPDATE counter SET value = value + 1 WHERE name = 'role' RETURNING value")
        .fetch_one(&mut **tx)
        .await?;
    let unique_id = format!("ROLE-{}", random_uuid());
    sqlx::query(
        "INSERT INTO role (id, unique_id, tenant_id, scope, name, name_key, description, all_clients) \
         VALUES ($1, $2, $3, $4, $2, $2, '', 0)",
    )
    .bind(id)
    .bind(&unique_id)
    .bind(tenant.id)
    .bind(tenant.kind.role_scope().wire_name())
    .execute(&mut **tx)
    .await?;
    Ok(id)
}

/// Deletes a role of a tenant and takes it from everyone who had it.
pub(crate) async fn delete_role(tx: &mut Tx, id: i64) -> Result<(), ApiError> {
    for text in [
        "DELETE FROM role_person WHERE role_id = $1",
        "DELETE FROM role_client WHERE role_id = $1",
        "DELETE FROM role_permission_set WHERE role_id = $1",
        "DELETE FROM role WHERE id = $1",
    ] {
        sqlx::query(text).bind(id).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Returns the current grants of roles, without the permission sets that are withheld. `$1` selects the roles of `role
/// r`.
async fn select_grants(
    readers: &AnyPool,
    choice: &'static str,
    chosen: i64,
    withheld: &[i64],
) -> Result<Vec<Grant>, ApiError> {
    let given = format!(
        "SELECT r.id, r.all_clients, s.id AS set_id, s.permissions FROM role r \
         LEFT JOIN role_permission_set rs ON rs.role_id = r.id LEFT JOIN permission_set s ON s.id = rs.permission_set_id \
         WHERE r.id {choice}"
    );
    let clients = format!("SELECT rc.role_id, rc.tenant_id FROM role_client rc WHERE rc.role_id {choice}");
    let mut roles: BTreeMap<i64, Grant> = BTreeMap::new();
    for row in sqlx::query(AssertSqlSafe(given)).bind(chosen).fetch_all(readers).await? {
        let all = row.try_get::<i64, _>("all_clients")? != 0;
        let grant = roles.entry(row.try_get("id")?).or_insert_with(|| Grant {
            permissions: Permissions::default(),
            clients: if all { ClientScope::All } else { ClientScope::Only(BTreeSet::new()) },
        });
        if row.try_get::<Option<i64>, _>("set_id")?.is_some_and(|set| withheld.contains(&set)) {
            continue;
        }
        let permissions = row.try_get::<Option<String>, _>("permissions")?.unwrap_or_default();
        grant.permissions = grant.permissions.union(Permissions::from_stored(&permissions));
    }
    for row in sqlx::query(AssertSqlSafe(clients)).bind(chosen).fetch_all(readers).await? {
        if let Some(Grant { clients: ClientScope::Only(clients), .. }) = roles.get_mut(&row.try_get("role_id")?) {
            clients.insert(row.try_get("tenant_id")?);
        }
    }
    Ok(roles.into_values().collect())
}

/// Replaces the roles of a person.
pub(crate) async fn set_person_roles(tx: &mut Tx, person: i64, roles: &[i64]) -> Result<(), ApiError> {
    sqlx::query("DELETE FROM role_person WHERE person_id = $1").bind(person).execute(&mut **tx).await?;
    add_pairs(tx, "role_person", "person_id, role_id", person, roles).await
}

/// Replaces the people of a tenant who have a role.
pub(crate) async fn set_role_users(tx: &mut Tx, role: i64, tenant: i64, people: &[i64]) -> Result<(), ApiError> {
    sqlx::query(
        "DELETE FROM role_person WHERE role_id = $1 AND person_id IN (SELECT id FROM person WHERE tenant_id = $2)",
    )
    .bind(role)
    .bind(tenant)
    .execute(&mut **tx)
    .await?;
    add_pairs(tx, "role_person", "role_id, person_id", role, people).await
}

impl Store {
    /// Returns the grants of each of a person's roles, limited to the tenant's subscription.
    pub(crate) async fn grants_of_person(
        &self,
        person: i64,
        subscription: &Subscription,
    ) -> Result<Vec<Grant>, ApiError> {
        let roles = "IN (SELECT role_id FROM role_person WHERE person_id = $1)";
        select_grants(&self.readers, roles, person, &withheld_sets(subscription)).await
    }

    /// Returns the grants of one role, limited to the tenant's subscription.
    pub(crate) async fn grants_of_role(&self, role: i64, subscription: &Subscription) -> Result<Vec<Grant>, ApiError> {
        select_grants(&self.readers, "= $1", role, &withheld_sets(subscription)).await
    }

    /// Lists the roles that people of a tenant can have: its own, and the default ones of its level.
    pub(crate) async fn list_roles(&self, tenant: &TenantRecord) -> Result<Vec<RoleRecord>, ApiError> {
        let text = format!("SELECT {COLUMNS} FROM role {} ORDER BY id", tenant_condition(tenant.kind));
        let rows = sqlx::query(AssertSqlSafe(text)).bind(tenant.id).fetch_all(&self.readers).await?;
        rows.iter().map(read_role_row).collect()
    }

    /// Returns one page of these roles, and the total count.
    pub(crate) async fn search_roles(
        &self,
        tenant: &TenantRecord,
        (terms, by_name): (&[Term], bool),
        range: PageRange,
    ) -> Result<(Vec<RoleRecord>, i64), ApiError> {
        let from = format!("FROM role {}", tenant_condition(tenant.kind));
        let order = if by_name { "name_key" } else { "id" };
        let listed = ListQuery { columns: COLUMNS, from: &from, order: (order, "id") };
        let (rows, total) = select_page(&self.readers, listed, tenant.id, terms, range).await?;
        Ok((rows.iter().map(read_role_row).collect::<Result<_, _>>()?, total))
    }

    /// Returns the clients that a role names.
    pub(crate) async fn clients_of_role(&self, role: i64) -> Result<Vec<(i64, ClientRef)>, ApiError> {
        let rows = sqlx::query(
            "SELECT t.id, t.unique_id, t.name FROM role_client rc JOIN tenant t ON t.id = rc.tenant_id \
             WHERE rc.role_id = $1 AND t.state <> 'TERMINATED' ORDER BY t.id",
        );
        let rows = rows.bind(role).fetch_all(&self.readers).await?;
        let read = |row: &AnyRow| {
            let client = ClientRef { unique_id: row.try_get("unique_id")?, name: Some(row.try_get("name")?) };
            Ok((row.try_get("id")?, client))
        };
        rows.iter().map(read).collect()
    }

    /// Returns the permission sets of a role.
    pub(crate) async fn sets_of_role(&self, role: i64) -> Result<Vec<PermissionSetRef>, ApiError> {
        let rows = sqlx::query(
            "SELECT s.id, s.name FROM role_permission_set rs JOIN permission_set s ON s.id = rs.permission_set_id \
             WHERE rs.role_id = $1 ORDER BY s.id",
        );
        let rows = rows.bind(role).fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| Ok(PermissionSetRef { id: row.try_get("id")?, name: Some(row.try_get("name")?) }))
            .collect()
    }

    /// Returns the people of a tenant who have a role.
    pub(crate) async fn users_of_role(&self, role: i64, tenant: i64) -> Result<Vec<UserRef>, ApiError> {
        let rows = sqlx::query(
            "SELECT u.unique_id, u.login_name FROM role_person rp JOIN person u ON u.id = rp.person_id \
             WHERE rp.role_id = $1 AND u.tenant_id = $2 ORDER BY u.id",
        );
        let rows = rows.bind(role).bind(tenant).fetch_all(&self.readers).await?;
        let read =
            |row: &AnyRow| Ok(UserRef { id: row.try_get("unique_id")?, login_name: Some(row.try_get("login_name")?) });
        rows.iter().map(read).collect()
    }

    /// Returns the numbers of a person's roles, in order.
    pub(crate) async fn role_numbers_of_person(&self, person: i64) -> Result<Vec<i64>, ApiError> {
        let rows = sqlx::query_scalar("SELECT role_id FROM role_person WHERE person_id = $1 ORDER BY role_id");
        Ok(rows.bind(person).fetch_all(&self.readers).await?)
    }

    /// Returns the roles of a person.
    pub(crate) async fn role_refs_of_person(&self, person: i64) -> Result<Vec<RoleRef>, ApiError> {
        let rows = sqlx::query(
            "SELECT r.unique_id, r.name FROM role_person rp JOIN role r ON r.id = rp.role_id \
             WHERE rp.person_id = $1 ORDER BY r.id",
        );
        let rows = rows.bind(person).fetch_all(&self.readers).await?;
        let read = |row: &AnyRow| Ok(RoleRef { unique_id: row.try_get("unique_id")?, name: row.try_get("name")? });
        rows.iter().map(read).collect()
    }
}
