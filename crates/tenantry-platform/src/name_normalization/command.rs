//! `tenantry-platform names`: lists names in a database that could no longer be created.

use std::collections::BTreeMap;
use std::io::Write;

use clap::Subcommand;
use unicode_security::skeleton;

use super::{LoginName, login_key, validate_name};
use crate::store::{NameRecord, Store};
use crate::{DATABASE_WAIT, PlatformStartError};

/// What is done with names.
#[derive(Subcommand, Clone, Copy, Debug)]
pub enum NamesCommand {
    /// List login names and names of tenants that are equal in their normal form, are confusable, or would be refused
    /// today
    Collisions,
}

/// Why a names command failed.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    /// The database cannot be used.
    #[error(transparent)]
    Start(#[from] PlatformStartError),
    /// A read failed.
    #[error("the database cannot be read: {0}")]
    Database(#[from] sqlx::Error),
    /// The output cannot be written.
    #[error("the list cannot be printed: {0}")]
    Output(#[from] std::io::Error),
}

impl NamesCommand {
    /// Runs the command, which changes nothing. Returns `false` if it lists any name.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn run(self, database: &str, mut out: impl Write) -> Result<bool, NamesError> {
        let Self::Collisions = self;
        let store = Box::pin(Store::open_read_only(database, DATABASE_WAIT)).await?;
        let (people, tenants) = (store.login_names().await?, store.tenant_names().await?);
        store.close().await;
        let mut clean = true;
        for line in describe_people(&people).into_iter().chain(describe_tenants(&tenants)) {
            clean = false;
            writeln!(out, "{line}")?;
        }
        if clean {
            writeln!(out, "no login name and no tenant's name collides")?;
        }
        out.flush()?;
        Ok(clean)
    }
}

fn describe_people(people: &[NameRecord]) -> Vec<String> {
    let refused = people.iter().filter_map(|person| {
        let why = LoginName::parse(&person.name).err()?;
        Some(format!("{} of {}: {:?}: {why}", person.unique_id, person.under, escape_name(&person.name)))
    });
    let alike = group_by_form(people, |person| skeleton(&login_key(&person.name)).collect());
    refused.chain(alike.into_iter().map(|group| format!("login names that look alike: {group}"))).collect()
}

fn describe_tenants(tenants: &[NameRecord]) -> Vec<String> {
    let refused = tenants.iter().filter(|tenant| validate_name(&tenant.name).is_err()).map(|tenant| {
        format!("{}: the name {} has no form that is taken today", tenant.unique_id, escape_name(&tenant.name))
    });
    let alike =
        group_by_form(tenants, |tenant| format!("{} {}", tenant.under, skeleton(&tenant.name).collect::<String>()));
    refused.chain(alike.into_iter().map(|group| format!("tenants of one parent that look alike: {group}"))).collect()
}

/// Returns one line for each group of names with the same form.
fn group_by_form(named: &[NameRecord], form: impl Fn(&NameRecord) -> String) -> Vec<String> {
    let mut by_form: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in named {
        by_form.entry(form(one)).or_default().push(format!("{} {}", one.unique_id, escape_name(&one.name)));
    }
    by_form.into_values().filter(|group| group.len() > 1).map(|group| group.join(", ")).collect()
}

/// Escapes all non-ASCII characters of a name, so that its characters can be distinguished.
fn escape_name(name: &str) -> String {
    name.escape_default().to_string()
}
