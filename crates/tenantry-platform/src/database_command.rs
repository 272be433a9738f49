//! Shared parts of the commands that work on the database itself, beside the platform.

use std::path::Path;

use clap::Args;
use tenantry_wire::WireTenantState;

use super::audit::{Seal, open_seal as open_log};
use super::store::{Store, TenantRecord};
use super::{DATABASE_WAIT, PlatformStartError, error};

/// Whose it is.
#[derive(Args, Clone, Debug)]
pub(super) struct TenantArg {
    /// Unique id of the tenant, for example `msp_2` [default: the service provider]
    #[arg(long)]
    tenant: Option<String>,
}

impl TenantArg {
    /// Finds the tenant, unless it was terminated. `missing` makes the error of an id that names no tenant.
    pub(super) async fn find_tenant<E>(
        &self,
        store: &Store,
        missing: impl FnOnce(String) -> E,
    ) -> Result<TenantRecord, E>
    where
        E: From<sqlx::Error> + From<error::ApiError>,
    {
        let provider = Box::pin(store.ensure_home_tenant(false)).await?;
        let wanted = self.tenant.as_deref().unwrap_or(&provider.unique_id);
        let found = store.find_visible_tenant(provider.id, wanted).await?;
        let living = found.filter(|tenant| tenant.state != WireTenantState::Terminated);
        living.ok_or_else(|| missing(wanted.to_owned()))
    }
}

/// Opens the database with its log, runs one job and closes it again, whether or not the platform runs.
pub(super) async fn with_store_and_seal<E: From<PlatformStartError>>(
    database: &str,
    key: &Path,
    work: impl AsyncFnOnce(&Store, &Seal) -> Result<(), E>,
) -> Result<(), E> {
    let store = Box::pin(Store::open(database, DATABASE_WAIT)).await?;
    let done = match open_log(&store, Some(key)).await {
        Ok(seal) => Box::pin(work(&store, &seal)).await,
        Err(error) => Err(error.into()),
    };
    store.close().await;
    done
}
