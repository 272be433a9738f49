//! Tests of SQLite query plans: no statement over a tenant and the tenants below it scans a full table.

use sqlx::Row as _;

use super::people::{AUTHOR_UPDATES, REQUIRE_PASSWORD_CHANGE};
use super::sessions::{PERSONS_OF_TENANT_CONDITION, delete_sessions_sql, note_logout_sql};
use super::{PoolConfig, Store};

#[tokio::test]
async fn no_statement_about_what_is_below_a_tenant_passes_over_a_whole_table() {
    let folder = std::env::temp_dir().join(format!("tenantry-plans-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("t.db");
    let store = Store::open_with(file.to_str().unwrap(), PoolConfig::default()).await.unwrap();
    let mut statements: Vec<String> = AUTHOR_UPDATES.iter().map(|text| (*text).to_owned()).collect();
    statements.extend([
        REQUIRE_PASSWORD_CHANGE.to_owned(),
        note_logout_sql(PERSONS_OF_TENANT_CONDITION),
        delete_sessions_sql(PERSONS_OF_TENANT_CONDITION),
    ]);
    for statement in statements {
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
        let rows = plan.fetch_all(&store.readers).await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.try_get("detail").unwrap()).collect();
        assert!(!steps.is_empty() && !steps.iter().any(|step| step.starts_with("SCAN")), "{statement}: {steps:#?}");
    }
    store.close().await;
    std::fs::remove_dir_all(folder).unwrap();
}
