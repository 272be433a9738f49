//! What the commands share that work on the database itself, beside the platform.

use std::path::Path;

use clap::Args;

use super::audit::{Seal, open as open_log};
use super::store::{Record, Store};
use super::{DATABASE_WAIT, StartError, error};
use crate::wire::State;

/// Whose it is.
#[derive(Args, Clone, Debug)]
pub(super) struct Whose {
    /// Unique id of the tenant, for example `msp_2` [default: the service provider]
    #[arg(long)]
    tenant: Option<String>,
}

impl Whose {
    /// The tenant, unless it was ended; `missing` is made of an id that names none.
    pub(super) async fn find<E>(&self, store: &Store, missing: impl FnOnce(String) -> E) -> Result<Record, E>
    where
        E: From<sqlx::Error> + From<error::Error>,
    {
        let provider = Box::pin(store.home(false)).await?;
        let wanted = self.tenant.as_deref().unwrap_or(&provider.unique_id);
        let found = store.visible(provider.id, wanted).await?;
        let living = found.filter(|tenant| tenant.state != State::Terminated);
        living.ok_or_else(|| missing(wanted.to_owned()))
    }
}

/// Opens the database with its log, does one thing and closes it again: the platform may run or not.
pub(super) async fn with_log<E: From<StartError>>(
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
