//! `/screens/{screen}`: Alerts, Service Desk and Automation, of the own tenant or with `?tenant=` of one below it. Each has
//! a part of two packages; the part of a package that the tenant has not is denied, and so is the screen.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::home::frame;
use super::visitor::Visitor;
use super::{answer, or_refusal, refusal};
use crate::catalog::{Category, NOT_SUBSCRIBED};
use crate::platform::error::Error;
use crate::platform::gate::{may, reaches};
use crate::platform::records::newest;
use crate::platform::standing::{Act, admit};
use crate::platform::store::{Kind, Record};
use crate::platform::subscription::{Screen, Subscription};
use crate::platform::{App, query};

const SCREENS: [(&str, Screen); 3] =
    [("alerts", Screen::Alerts), ("service-desk", Screen::ServiceDesk), ("automation", Screen::Automation)];

/// The route that answers what a screen lists.
const LIST: (&str, &str) = ("GET", "/api/v2/tenants/{tenant}/records/{category}");

/// The route that answers name and packages of a tenant.
const ITSELF: (&str, &str) = ("GET", "/api/v2/tenants/{tenant}");

/// A screen.
pub(super) async fn show(State(app): State<Arc<App>>, Path(screen): Path<String>, parts: Parts) -> Response {
    or_refusal(&app, shown(&app, &screen, &parts).await)
}

async fn shown(app: &App, screen: &str, parts: &Parts) -> Result<Response, Error> {
    let visitor = match Visitor::at(app, (&parts.extensions, &parts.headers), None).await? {
        Ok(visitor) => visitor,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let Some((_, screen)) = SCREENS.into_iter().find(|(path, _)| *path == screen) else {
        return Ok(refusal(&visitor.look, Error::not_found("Screen", screen)));
    };
    let asked = query::parameter(parts.uri.query().unwrap_or_default(), "tenant");
    let tenant = match asked.filter(|asked| !asked.is_empty()) {
        None => visitor.tenant.clone(),
        Some(id) => {
            let found = app.store.visible(visitor.caller.id, id).await?;
            match found.filter(|found| reaches(&visitor.caller, found)) {
                // Name and packages of a tenant below are for those who may read it.
                Some(tenant) if tenant.id == visitor.caller.id || may(&visitor.caller, &tenant, ITSELF)? => tenant,
                Some(_) | None => return Ok(refusal(&visitor.look, Error::not_found("Tenant", id))),
            }
        }
    };
    if let Err(error) = admit(&tenant, Act::Read) {
        return Ok(refusal(&visitor.look, error));
    }
    if tenant.kind == Kind::ServiceProvider {
        let content = html! {
            (frame(&visitor)?)
            main {
                h1 { (screen.title()) }
                form method="get" { label { "Unique id of a partner or client" input name="tenant" required; } button { "Show" } }
            }
        };
        return Ok(answer(StatusCode::OK, &visitor.look, "home", &content));
    }
    let has = Subscription::of_record(&tenant);
    let records = records(app, &visitor, &tenant, (screen.records(), &has)).await?;
    let content = html! {
        (frame(&visitor)?)
        main {
            h1 { (screen.title()) " of " (tenant.name) }
            @for (package, modules) in screen.parts() {
                section {
                    h2 { (package.wire()) }
                    @if has.has(package) {
                        ul { @for module in modules { li { (module) } } }
                        @if package == screen.records().carried().package { (records) }
                    } @else {
                        p.denied role="alert" { (NOT_SUBSCRIBED) }
                    }
                }
            }
        }
    };
    let whole = has.screen(screen).1.is_empty();
    Ok(answer(if whole { StatusCode::OK } else { StatusCode::FORBIDDEN }, &visitor.look, "home", &content))
}

/// The newest records of a category, where the tenant has it and the person may see it.
async fn records(
    app: &App,
    visitor: &Visitor,
    tenant: &Record,
    (category, has): (Category, &Subscription),
) -> Result<Markup, Error> {
    if !has.has(category.carried().package) || !may(&visitor.caller, tenant, LIST)? {
        return Ok(html! {});
    }
    let (newest, total) = newest(app, tenant, category).await?;
    let text = |record: &Value, member: &str| record[member].as_str().unwrap_or_default().to_owned();
    Ok(html! {
        h3 { (category.screen()) " (" (total) ")" }
        @if !newest.is_empty() {
            table.records {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Time" } } }
                tbody { @for record in &newest { tr { td { (text(record, "name")) } td { (text(record, "time")) } } } }
            }
        }
    })
}
