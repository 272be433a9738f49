//! What a login is held to: where it may come from, and what the password policy says.

pub(super) mod address;
pub(super) mod policy;
pub(super) mod source;

use super::App;
use super::audit::{self, Action, Actor, Denial, RequestId};
use super::error::Error;
use super::principal::Caller;
use source::Source;

/// Refuses a person who asks from an address that her tenant does not admit. API credentials are held to no list.
pub(super) async fn admit(
    app: &App,
    caller: &Caller,
    (source, request): (Source, Option<&RequestId>),
) -> Result<(), Error> {
    let list = caller.person().and_then(|person| person.white_listed.as_deref());
    if address::admits(list, source.address()) {
        return Ok(());
    }
    let actor = Actor::named(caller.actor(), request);
    let denial = Denial { tenant: caller.id, actor: &actor, action: Action::LoginElsewhere, object: "session" };
    audit::sampled(app, denial).await;
    Err(elsewhere(app))
}

/// The refusal, in the words of the documentation.
pub(super) fn elsewhere(app: &App) -> Error {
    let product = &app.product;
    Error::Elsewhere(format!("Your organization policies restrict you from accessing {product} from your current IP."))
}
