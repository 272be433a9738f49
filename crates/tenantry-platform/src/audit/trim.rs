//! Erases audit rows that are past the retention period. A sealed checkpoint remains, and a verification starts from
//! it.

use super::seal::{Seal, SealStatement};
use super::{AuditAction, RowHash};
use crate::App;
use crate::error::ApiError;
use crate::store::{ChainHead, VerifiableRow, trim_chain};

/// Number of rows that one transaction erases, so that other writes can run in between.
const BATCH_SIZE: i64 = 1000;

/// Erases rows before a time and returns how many. A log that fails verification is not changed: it is evidence.
pub(crate) async fn trim_logs_before(app: &App, before: i64) -> Result<u64, ApiError> {
    let mut erased = 0;
    for tenant in app.store.tenants_with_old_rows(before).await? {
        loop {
            let start = app.store.checkpoint(tenant).await?.unwrap_or_default();
            // A further checkpoint would vouch for rows that somebody else wrote.
            if start != ChainHead::default() && !app.seal.verifies_statement(SealStatement::Checkpoint, tenant, &start)
            {
                report_untrimmable_log(tenant, start.number);
                break;
            }
            let rows = app.store.rows_after(tenant, start.number, BATCH_SIZE).await?;
            let aged = rows.iter().take_while(|row| row.sealed_row.row.at < before);
            let end = match last_trimmable_row(&app.seal, start.clone(), aged) {
                Ok(end) => end,
                Err(fault) => {
                    report_untrimmable_log(tenant, fault);
                    break;
                }
            };
            if end.number == start.number {
                break;
            }
            let seal = app.seal.seal_statement(SealStatement::Checkpoint, tenant, &end);
            let mut tx = app.store.begin().await?;
            erased += trim_chain(&mut tx, tenant, &ChainHead { seal, ..end }).await?;
            tx.commit().await?;
        }
    }
    Ok(erased)
}

fn report_untrimmable_log(tenant: i64, row: i64) {
    tracing::error!(
        target: "audit", tenant, row,
        "the audit log does not hold and is not trimmed: run `tenantry-platform audit verify`"
    );
}

/// Returns the last of the rows to erase if each follows the one before it. Otherwise returns the number of the first
/// row that fails verification.
fn last_trimmable_row<'r>(
    seal: &Seal,
    start: ChainHead,
    rows: impl Iterator<Item = &'r VerifiableRow>,
) -> Result<ChainHead, i64> {
    let mut last = start;
    for VerifiableRow { sealed_row: kept, .. } in rows {
        let row = &kept.row;
        let follows = row.number == last.number + 1 && row.previous == last.hash && row.compute_hash() == kept.hash;
        let sealed = row.key_id != seal.key_id() || seal.verifies_row(kept);
        if !follows || !sealed && row.beside.is_some() || row.action == AuditAction::AuditTampered.as_str() {
            return Err(row.number);
        }
        let hash: RowHash = kept.hash.clone();
        last = ChainHead { number: row.number, hash, seal: String::new() };
    }
    Ok(last)
}
