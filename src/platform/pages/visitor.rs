//! Who looks at a page.

use axum::http::{Extensions, HeaderMap};

use super::brand::Look;
use crate::platform::error::Error;
use crate::platform::login::source::Source;
use crate::platform::principal::{Caller, Person};
use crate::platform::store::Record;
use crate::platform::{App, login, session};

/// A person with a living session.
pub(super) struct Visitor {
    pub(super) caller: Caller,
    pub(super) tenant: Record,
    pub(super) look: Look,
    /// The key of the session.
    pub(super) key: String,
}

impl Visitor {
    /// Whoever the cookie belongs to. A session that is used from an address which the tenant does not admit is refused.
    pub(super) async fn of(app: &App, extensions: &Extensions, headers: &HeaderMap) -> Result<Option<Self>, Error> {
        let source = Source::of(extensions, headers, &app.proxies);
        let Some((key, caller)) = session::holder(app, headers).await? else { return Ok(None) };
        login::admit(app, &caller, (source, extensions.get())).await?;
        let tenant = app.store.visible(caller.id, &caller.unique_id).await?.ok_or(Error::Internal)?;
        let look = Look::of(app, &tenant).await?;
        Ok(Some(Self { caller, tenant, look, key: key.to_owned() }))
    }

    /// The person.
    pub(super) fn person(&self) -> Result<&Person, Error> {
        self.caller.person().ok_or(Error::Internal)
    }
}
