//! The session of a page request.

use axum::http::{Extensions, HeaderMap};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::theme::Theme;
use crate::error::ApiError;
use crate::login_policy::request_source::RequestSource;
use crate::mfa::RequiredAction;
use crate::principal::{Caller, LoggedInPerson};
use crate::store::TenantRecord;
use crate::{App, login_policy, session};

/// A person with a valid session.
pub(super) struct PageSession {
    pub(super) caller: Caller,
    pub(super) tenant: TenantRecord,
    pub(super) theme: Theme,
    /// The session key.
    pub(super) key: String,
}

impl PageSession {
    /// Finds the session of the cookie. A session that is used from an address that the tenant does not allow is an
    /// error.
    async fn find(app: &App, extensions: &Extensions, headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let source = RequestSource::from_request(extensions, headers, &app.proxies);
        let Some((key, caller)) = session::find_session(app, headers).await? else { return Ok(None) };
        login_policy::ensure_source_ip_allowed(app, &caller, source, extensions.get()).await?;
        let tenant = app.store.find_visible_tenant(caller.id, &caller.unique_id).await?.ok_or(ApiError::Internal)?;
        let theme = Theme::for_tenant(app, &tenant).await?;
        Ok(Some(Self { caller, tenant, theme, key: key.to_owned() }))
    }

    /// Returns the session if the person may open the page: the page serves the person's required action, or there is
    /// none. Otherwise returns a redirect.
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

    /// Returns the person.
    pub(super) fn person(&self) -> Result<&LoggedInPerson, ApiError> {
        self.caller.person().ok_or(ApiError::Internal)
    }
}
