//! `/screens/{screen}`: Alerts, Service Desk and Automation, of the person's tenant or, with `?tenant=`, of one below
//! it. Each screen has a part from each of two packages. A part whose package the tenant lacks shows the denial, and the
//! page then answers 403.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;
use tenantry_catalog::{DataCategory, NOT_SUBSCRIBED};

use super::home::navigation;
use super::page_session::PageSession;
use super::{error_page, html_response, or_error_page};
use crate::authorize::{can_reach_tenant, is_allowed};
use crate::error::ApiError;
use crate::records::newest_records;
use crate::store::{TenantLevel, TenantRecord};
use crate::subscription::{PackageScreen, Subscription};
use crate::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use crate::{App, query_string};

const SCREENS: [(&str, PackageScreen); 3] = [
    ("alerts", PackageScreen::Alerts),
    ("service-desk", PackageScreen::ServiceDesk),
    ("automation", PackageScreen::Automation),
];

/// The route that returns the records of a screen.
const LIST_ROUTE: (&str, &str) = ("GET", "/api/v2/tenants/{tenant}/records/{category}");

/// The route that returns name and packages of a tenant.
const TENANT_ROUTE: (&str, &str) = ("GET", "/api/v2/tenants/{tenant}");

/// Renders a screen.
pub(super) async fn show_screen_page(
    State(app): State<Arc<App>>,
    Path(screen): Path<String>,
    parts: Parts,
) -> Response {
    or_error_page(&app, render_screen_page(&app, &screen, &parts).await)
}

async fn render_screen_page(app: &App, screen: &str, parts: &Parts) -> Result<Response, ApiError> {
    let session = match PageSession::open_page(app, &parts.extensions, &parts.headers, None).await? {
        Ok(visitor) => visitor,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let Some((_, screen)) = SCREENS.into_iter().find(|(path, _)| *path == screen) else {
        return Ok(error_page(&session.theme, ApiError::not_found("Screen", screen)));
    };
    let asked = query_string::query_parameter(parts.uri.query().unwrap_or_default(), "tenant");
    let tenant = match asked.filter(|asked| !asked.is_empty()) {
        None => session.tenant.clone(),
        Some(id) => {
            let found = app.store.find_visible_tenant(session.caller.id, id).await?;
            match found.filter(|found| can_reach_tenant(&session.caller, found)) {
                // Name and packages of a tenant below are only shown to people who may read it.
                Some(tenant)
                    if tenant.id == session.caller.id || is_allowed(&session.caller, &tenant, TENANT_ROUTE)? =>
                {
                    tenant
                }
                Some(_) | None => return Ok(error_page(&session.theme, ApiError::not_found("Tenant", id))),
            }
        }
    };
    if let Err(error) = ensure_tenant_accepts(&tenant, TenantOperation::Read) {
        return Ok(error_page(&session.theme, error));
    }
    if tenant.kind == TenantLevel::ServiceProvider {
        let content = html! {
            (navigation(&session)?)
            main {
                h1 { (screen.title()) }
                form method="get" { label { "Unique id of a partner or client" input name="tenant" required; } button { "Show" } }
            }
        };
        return Ok(html_response(StatusCode::OK, &session.theme, "home", &content));
    }
    let has = Subscription::of_tenant(&tenant);
    let records = records_table(app, &session, &tenant, screen.record_category(), &has).await?;
    let content = html! {
        (navigation(&session)?)
        main {
            h1 { (screen.title()) " of " (tenant.name) }
            @for (package, modules) in screen.modules_by_package() {
                section {
                    h2 { (package.wire_name()) }
                    @if has.has_package(package) {
                        ul { @for module in modules { li { (module) } } }
                        @if package == screen.record_category().package_requirement().package { (records) }
                    } @else {
                        p.denied role="alert" { (NOT_SUBSCRIBED) }
                    }
                }
            }
        }
    };
    let whole = has.screen_modules(screen).1.is_empty();
    Ok(html_response(if whole { StatusCode::OK } else { StatusCode::FORBIDDEN }, &session.theme, "home", &content))
}

/// Renders the newest records of a category, if the tenant has it and the person may see it.
async fn records_table(
    app: &App,
    session: &PageSession,
    tenant: &TenantRecord,
    category: DataCategory,
    subscription: &Subscription,
) -> Result<Markup, ApiError> {
    if !subscription.has_package(category.package_requirement().package)
        || !is_allowed(&session.caller, tenant, LIST_ROUTE)?
    {
        return Ok(html! {});
    }
    let (newest, total) = newest_records(app, tenant, category).await?;
    let text = |record: &Value, member: &str| record[member].as_str().unwrap_or_default().to_owned();
    Ok(html! {
        h3 { (category.display_name()) " (" (total) ")" }
        @if !newest.is_empty() {
            table.records {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Time" } } }
                tbody { @for record in &newest { tr { td { (text(record, "name")) } td { (text(record, "time")) } } } }
            }
        }
    })
}
