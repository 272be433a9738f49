//! `tenantry-platform admin create`: the first person who can log in.

use std::io::Write;
use std::path::Path;

use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;
use tenantry_wire::{User, WireTenantState};

use super::audit::{Actor, AuditAction, AuditEvent, Seal, append_event};
use super::database_command::{TenantArg, with_store_and_seal};
use super::login_policy::request_source::RequestSource;
use super::name_normalization::LoginName;
use super::password_hashing::{PasswordHashCost, PasswordHasher};
use super::people::defaults::administrator_role;
use super::store::{NewPassword, NewPerson, Store, find_login_holder, insert_person, lock_tenant, set_person_roles};
use super::{LoginConfig, PlatformStartError, credential, error, time};

/// Milliseconds of an hour.
const HOUR: i64 = 60 * 60 * 1000;

/// What is done with administrators.
#[derive(Subcommand, Clone, Debug)]
pub enum AdminCommand {
    /// Make an administrator, and print a first password, which is good for nothing but the choice of another. Only the line
    /// with the password goes to stdout
    Create(CreateAdmin),
}

/// A new administrator.
#[derive(Args, Clone, Debug)]
pub struct CreateAdmin {
    /// Login name, unique over the platform
    #[arg(long)]
    login: String,
    #[command(flatten)]
    whose: TenantArg,
    /// Hours that the printed password is good for
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=720))]
    hours: u16,
}

/// Why no administrator was created.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The database cannot be used.
    #[error(transparent)]
    Start(#[from] PlatformStartError),
    /// A write failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The tenant does not exist or is not active, so it cannot have people.
    #[error("there is no tenant `{0}` in service; give the unique id of one that is, or leave `--tenant` out")]
    Tenant(String),
    /// The login name is taken.
    #[error("the login name `{0}` is taken; choose another")]
    Taken(String),
    /// The login name is not acceptable.
    #[error("the login name `{name}` is not acceptable: {why}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Something inside failed; the log has the cause.
    #[error("the administrator cannot be stored; the lines above have the cause")]
    Internal,
    /// The password cannot be printed.
    #[error("the password cannot be printed, and no administrator was made: {0}")]
    Output(#[from] std::io::Error),
}

impl From<error::ApiError> for AdminError {
    fn from(_: error::ApiError) -> Self {
        Self::Internal
    }
}

/// Text on stderr that explains the password. Only the line with the password goes to stdout.
struct NewAdminNotice<'a> {
    tenant: &'a str,
    user: &'a str,
    login: &'a str,
    until: &'a str,
}

impl std::fmt::Display for NewAdminNotice<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tenant, user, login, until } = self;
        writeln!(f, "tenant:   {tenant}")?;
        writeln!(f, "user:     {user}")?;
        writeln!(f, "login:    {login}")?;
        writeln!(f, "page:     /login/{tenant} of the platform")?;
        writeln!(f, "The password is good until {until}, for nothing but the choice of a new one.")
    }
}

impl AdminCommand {
    /// Creates the administrator in the database itself, whether or not the platform runs.
    ///
    /// # Errors
    /// The database, the login name, the tenant or the output failed; nothing was created.
    pub async fn run(&self, database: &str, key: &Path, out: impl Write) -> Result<(), AdminError> {
        let Self::Create(create) = self;
        with_store_and_seal(database, key, async move |store, seal| create.run(store, seal, out).await).await
    }
}

impl CreateAdmin {
    async fn run(&self, store: &Store, seal: &Seal, mut out: impl Write) -> Result<(), AdminError> {
        let Self { login, whose, hours } = self;
        let wanted_name = LoginName::parse(login).map_err(|why| AdminError::Name { name: login.clone(), why })?;
        let login = wanted_name.as_str();
        let tenant = whose.find_tenant(store, AdminError::Tenant).await?;
        let password = credential::random_password();
        let until = time::now() + i64::from(*hours) * HOUR;
        let hasher = PasswordHasher::new(PasswordHashCost::default(), LoginConfig::default().max_hash_wait);
        let hash = hasher.hash(password.clone(), RequestSource::UNKNOWN).await?;
        let mut tx = store.begin().await?;
        let tenant = lock_tenant(&mut tx, tenant.id).await?;
        if tenant.state != WireTenantState::Active {
            return Err(AdminError::Tenant(tenant.unique_id));
        }
        if find_login_holder(&mut tx, login).await?.is_some() {
            return Err(AdminError::Taken(login.to_owned()));
        }
        let new = NewPerson {
            tenant: tenant.id,
            login_name: login,
            first_name: "",
            last_name: "",
            email: "",
            profile: &User::default(),
            password: &NewPassword { hash, until: Some(until), must_change: true },
            by: "api@platform",
        };
        let (id, unique_id) = insert_person(&mut tx, &new).await?;
        set_person_roles(&mut tx, id, &[administrator_role(tenant.kind.role_scope())]).await?;
        append_event(
            seal,
            &mut tx,
            tenant.id,
            &Actor::for_console(),
            AuditEvent::success(AuditAction::UserCreate, &unique_id),
        )
        .await?;
        let notice =
            NewAdminNotice { tenant: &tenant.unique_id, user: &unique_id, login, until: &time::to_wire(until) };
        // If stderr is closed, the explanation has no reader.
        let _ = write!(std::io::stderr(), "{notice}");
        // Printed before the commit, because an account whose password nobody saw would only block its login name.
        writeln!(out, "password: {}", password.expose_secret())?;
        out.flush()?;
        tx.commit().await?;
        Ok(())
    }
}
