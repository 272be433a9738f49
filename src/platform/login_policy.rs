//! What a login is held to: where it may come from, and what the password policy says.

pub(super) mod ip_network;
pub(super) mod password_policy;
pub(super) mod source;

use super::App;
use super::audit::{self, Actor, AuditAction, Denial, RequestId};
use super::error::ApiError;
use super::principal::Caller;
use source::RequestSource;

/// Refuses a person who asks from an address that her tenant does not admit. API credentials are held to no list.
pub(super) async fn ensure_source_ip_allowed(
    app: &App,
    caller: &Caller,
    source: RequestSource,
    request: Option<&RequestId>,
) -> Result<(), ApiError> {
    let list = caller.person().and_then(|person| person.ip_allowlist.as_deref());
    if ip_network::is_ip_allowed(list, source.address()) {
        return Ok(());
    }
    let actor = Actor::with_name(caller.audit_name(), request);
    let denial = Denial { tenant: caller.id, actor: &actor, action: AuditAction::LoginIpDenied, object: "session" };
    audit::record_sampled_denial(app, denial).await;
    Err(source_ip_error(app))
}

/// The refusal, in the words of the documentation.
pub(super) fn source_ip_error(app: &App) -> ApiError {
    let product = &app.product;
    ApiError::SourceIpNotAllowed(format!(
        "Your organization policies restrict you from accessing {product} from your current IP."
    ))
}
