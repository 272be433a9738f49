//! Who looks at a page.

use axum::http::{Extensions, HeaderMap};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::brand::Look;
use crate::platform::error::Error;
use crate::platform::factor::Owed;
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
    async fn of(app: &App, extensions: &Extensions, headers: &HeaderMap) -> Result<Option<Self>, Error> {
        let source = Source::of(extensions, headers, &app.proxies);
        let Some((key, caller)) = session::holder(app, headers).await? else { return Ok(None) };
        login::admit(app, &caller, (source, extensions.get())).await?;
        let tenant = app.store.visible(caller.id, &caller.unique_id).await?.ok_or(Error::Internal)?;
        let look = Look::of(app, &tenant).await?;
        Ok(Some(Self { caller, tenant, look, key: key.to_owned() }))
    }

    /// Whoever may look at the page that serves a debt, or at any other where it serves none; otherwise where to go.
    pub(super) async fn at(
        app: &App,
        (extensions, headers): (&Extensions, &HeaderMap),
        serves: Option<Owed>,
    ) -> Result<Result<Self, Response>, Error> {
        let Some(visitor) = Self::of(app, extensions, headers).await? else {
            return Ok(Err(Redirect::to("/login").into_response()));
        };
        match visitor.person()?.owes.filter(|owed| Some(*owed) != serves) {
            Some(owed) => Ok(Err(Redirect::to(owed.page()).into_response())),
            None => Ok(Ok(visitor)),
        }
    }

    /// The person.
    pub(super) fn person(&self) -> Result<&Person, Error> {
        self.caller.person().ok_or(Error::Internal)
    }
}
