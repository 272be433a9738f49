//! Hourly check of the anchor, so that a manipulation of a log is found before somebody runs `audit verify`.

use super::anchor::{Anchor, HeadSum, xor_into_sum};
use crate::App;
use crate::error::ApiError;

/// Logs an error if the heads do not match the anchor.
pub(crate) async fn check_anchor(app: &App) -> Result<(), ApiError> {
    let mut sum = HeadSum::default();
    let share =
        |tenant: i64, number: i64, hash: &str| xor_into_sum(&mut sum, app.seal.head_share(tenant, number, hash));
    let stored = app.store.fold_heads(share).await?;
    let anchor = stored.as_ref().and_then(|stored| Anchor::decrypt_stored(&app.seal, stored));
    if !anchor.is_some_and(|anchor| anchor.sum == sum && !anchor.broken) {
        tracing::error!(
            target: "audit",
            "the logs of the tenants do not add up to their anchor: run `tenantry-platform audit verify`, and find out who \
             can write the database"
        );
    }
    Ok(())
}
