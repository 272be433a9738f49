//! Who looks at a page.

use axum::http::{Extensions, HeaderMap};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::theme::Theme;
use crate::platform::error::ApiError;
use crate::platform::login_policy::source::RequestSource;
use crate::platform::mfa::RequiredAction;
use crate::platform::principal::{Caller, LoggedInPerson};
use crate::platform::store::TenantRecord;
use crate::platform::{App, login_policy, session};

/// A person with a living session.
pub(super) struct PageSession {
    pub(super) caller: Caller,
    pub(super) tenant: TenantRecord,
    pub(super) theme: Theme,
    /// The key of the session.
    pub(super) key: String,
}

impl PageSession {
    /// Whoever the cookie belongs to. A session that is used from an address which the tenant does not admit is refused.
    async fn find(app: &App, extensions: &Extensions, headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let source = RequestSource::from_request(extensions, headers, &app.proxies);
        let Some((key, caller)) = session::find_session(app, headers).await? else { return Ok(None) };
        login_policy::ensure_source_ip_allowed(app, &caller, source, extensions.get()).await?;
        let tenant = app.store.find_visible_tenant(caller.id, &caller.unique_id).await?.ok_or(ApiError::Internal)?;
        let look = Theme::for_tenant(app, &tenant).await?;
        Ok(Some(Self { caller, tenant, theme: look, key: key.to_owned() }))
    }

    /// Whoever may look at the page that serves a debt, or at any other where it serves none; otherwise where to go.
    pub(super) async fn open_page(
        app: &App,
        extensions: &Extensions,
        headers: &HeaderMap,
        serves: Option<RequiredAction>,
    ) -> Result<Result<Self, Response>, ApiError> {
        let Some(visitor) = Self::find(app, extensions, headers).await? else {
            return Ok(Err(Redirect::to("/login").into_response()));
        };
        match visitor.person()?.required_action.filter(|owed| Some(*owed) != serves) {
            Some(owed) => Ok(Err(Redirect::to(owed.page_path()).into_response())),
            None => Ok(Ok(visitor)),
        }
    }

    /// The person.
    pub(super) fn person(&self) -> Result<&LoggedInPerson, ApiError> {
        self.caller.person().ok_or(ApiError::Internal)
    }
}
