//! What is older than the retention leaves the log. A sealed checkpoint stays of it, and a verification goes on from there.

use super::seal::{Seal, Statement};
use super::{Action, Hash};
use crate::platform::App;
use crate::platform::error::Error;
use crate::platform::store::{Head, Read, cut_off};

/// Rows that leave at once, so that other writes come in between.
const PART: i64 = 1000;

/// Erases the rows of before a time; answers how many. A log that does not hold stays as it is: it is evidence.
pub(in crate::platform) async fn trim(app: &App, before: i64) -> Result<u64, Error> {
    let mut erased = 0;
    for tenant in app.store.aged_logs(before).await? {
        loop {
            let start = app.store.checkpoint(tenant).await?.unwrap_or_default();
            // A further checkpoint would vouch for what somebody else put there.
            if start != Head::default() && !app.seal.holds_statement(Statement::Checkpoint, tenant, &start) {
                stays(tenant, start.number);
                break;
            }
            let rows = app.store.rows(tenant, start.number, PART).await?;
            let aged = rows.iter().take_while(|row| row.kept.row.at < before);
            let end = match end(&app.seal, start.clone(), aged) {
                Ok(end) => end,
                Err(fault) => {
                    stays(tenant, fault);
                    break;
                }
            };
            if end.number == start.number {
                break;
            }
            let seal = app.seal.states(Statement::Checkpoint, tenant, &end);
            let mut tx = app.store.begin().await?;
            erased += cut_off(&mut tx, tenant, &Head { seal, ..end }).await?;
            tx.commit().await?;
        }
    }
    Ok(erased)
}

fn stays(tenant: i64, row: i64) {
    tracing::error!(
        target: "audit", tenant, row,
        "the audit log does not hold and is not trimmed: run `tenantry-platform audit verify`"
    );
}

/// The last of the rows that leave, each of which follows the one before it; or the number of the first that does not hold.
fn end<'r>(seal: &Seal, start: Head, rows: impl Iterator<Item = &'r Read>) -> Result<Head, i64> {
    let mut last = start;
    for Read { kept, .. } in rows {
        let row = &kept.row;
        let follows = row.number == last.number + 1 && row.previous == last.hash && row.hash() == kept.hash;
        let sealed = row.key_id != seal.id() || seal.holds_row(kept);
        if !follows || !sealed && row.beside.is_some() || row.action == Action::AuditBroken.word() {
            return Err(row.number);
        }
        let hash: Hash = kept.hash.clone();
        last = Head { number: row.number, hash, seal: String::new() };
    }
    Ok(last)
}
