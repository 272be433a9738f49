//! How SQLite finds the rows of statements that touch a tenant and all below it: none passes over a whole table.

use sqlx::Row as _;

use super::people::{AUTHORS, MUST_CHANGE};
use super::sessions::{UNDER, deleted, noted};
use super::{Pools, Store};

#[tokio::test]
async fn no_statement_about_what_is_below_a_tenant_passes_over_a_whole_table() {
    let folder = std::env::temp_dir().join(format!("tenantry-plans-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("t.db");
    let store = Store::open_with(file.to_str().unwrap(), Pools::default()).await.unwrap();
    let mut statements: Vec<String> = AUTHORS.iter().map(|text| (*text).to_owned()).collect();
    statements.extend([MUST_CHANGE.to_owned(), noted(UNDER), deleted(UNDER)]);
    for statement in statements {
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
        let rows = plan.fetch_all(&store.readers).await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.try_get("detail").unwrap()).collect();
        assert!(!steps.is_empty() && !steps.iter().any(|step| step.starts_with("SCAN")), "{statement}: {steps:#?}");
    }
    store.close().await;
    std::fs::remove_dir_all(folder).unwrap();
}
