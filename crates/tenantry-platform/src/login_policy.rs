//! Rules for a login: the source addresses that are allowed, and the password policy.

pub(super) mod ip_network;
pub(super) mod password_policy;
pub(super) mod request_source;

use super::App;
use super::audit::{self, Actor, AuditAction, Denial, RequestId};
use super::error::ApiError;
use super::principal::Caller;
use request_source::RequestSource;

/// Refuses a person whose source address the tenant does not allow. API credentials are not subject to the allowlist.
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

/// Returns the refusal in the words of the documentation.
pub(super) fn source_ip_error(app: &App) -> ApiError {
    let product = &app.product;
    ApiError::SourceIpNotAllowed(format!(
        "Your organization policies restrict you from accessing {product} from your current IP."
    ))
}
