//! `PUT` and `GET .../customBranding`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::{Extension, Json};
use serde_json::Value;
use tenantry_wire::{Branding, ImageFile, ImagePaths};

use super::audit::{Actor, AuditAction, AuditEvent, append_event};
use super::authorize::RequestScope;
use super::error::ApiError;
use super::image::{self, BACKGROUND, FAV_ICON, ImageSlot, ImageUpload, LOGO};
use super::json_body::StrictJson;
use super::limits;
use super::settings::{self, Problems};
use super::store::{StoredImage, TenantLevel, TenantRecord, load_branding, lock_tenant, save_branding, save_tenant};
use super::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use super::{App, pages, query_string};

/// A picture that a request sets (with its bytes) or removes.
type ImageChange = (&'static str, Option<(StoredImage, ImagePaths)>);

/// Merges a branding: an absent member is unchanged, an empty text clears, an image without a file is removed.
pub(super) async fn update_branding(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    actor: Actor,
    StrictJson(mut change): StrictJson<Branding, { limits::MAX_BRANDING_BODY_BYTES }>,
) -> Result<Json<Value>, ApiError> {
    let tenant = branded_tenant(&scope)?;
    ensure_tenant_accepts(tenant, TenantOperation::Write)?;
    if !app.has_extensions {
        change.documentation_url = None;
    }
    // Pictures are checked before the write starts, because decoding takes long and a write blocks other writes.
    let pictures = process_images(&app, &mut change, tenant.id).await?;
    let parent = tenant.parent.as_ref().ok_or(ApiError::Internal)?;
    let mut tx = app.store.begin_for_tenant(parent.id).await?;
    lock_tenant(&mut tx, parent.id).await?;
    let mut record = lock_tenant(&mut tx, tenant.id).await?;
    ensure_tenant_accepts(&record, TenantOperation::Write)?;
    let before = load_branding(&mut *tx, record.id).await?;
    let mut next = merge_branding(before.clone(), change)?;
    let mut stored = Vec::new();
    for (name, picture) in pictures {
        let (image, paths) = picture.unzip();
        *image_slot(&mut next, name) = paths;
        stored.push((name, image));
    }
    let shown = tenant_branding_json(&app, &record, next.clone())?;
    if next != before {
        scope.proof().consume(&mut tx).await?;
        save_branding(&mut tx, record.id, &next, &stored).await?;
        save_tenant(&mut tx, &mut record, app.has_extensions, &scope.caller.author_name()).await?;
        append_event(
            &app.seal,
            &mut tx,
            record.id,
            &actor,
            AuditEvent::success(AuditAction::BrandingUpdate, &record.unique_id),
        )
        .await?;
        tx.commit().await?;
    }
    Ok(Json(shown))
}

/// Returns the tenant's own branding. With `cascade=true`, a client inherits missing members from its partner.
pub(super) async fn read_branding(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Value>, ApiError> {
    let tenant = branded_tenant(&scope)?;
    ensure_tenant_accepts(tenant, TenantOperation::Read)?;
    let mut own = tenant_branding_json(&app, tenant, app.store.branding(tenant.id).await?)?;
    let cascade = match query_string::query_parameter(raw.as_deref().unwrap_or_default(), "cascade").unwrap_or_default()
    {
        "" | "false" => false,
        "true" => true,
        _ => return Err(ApiError::field("cascade", "The value is true or false")),
    };
    if let Some(partner) = tenant.parent.as_ref().filter(|_| cascade && tenant.kind == TenantLevel::Client) {
        let from = with_addresses(app.store.branding(partner.id).await?);
        let inherited = branding_json(&app, from)?;
        if let (Value::Object(own), Value::Object(inherited)) = (&mut own, inherited) {
            for (name, value) in inherited {
                own.entry(name).or_insert(value);
            }
        }
    }
    Ok(Json(own))
}

/// Returns the tenant of the path. The service provider has no branding and gets an error.
fn branded_tenant(scope: &RequestScope) -> Result<&TenantRecord, ApiError> {
    let tenant = scope.tenant()?;
    if tenant.kind == TenantLevel::ServiceProvider {
        return Err(ApiError::not_found("Branding of", &tenant.unique_id));
    }
    Ok(tenant)
}

async fn process_images(app: &App, change: &mut Branding, org: i64) -> Result<Vec<ImageChange>, ApiError> {
    let wanted: [(ImageSlot, Option<ImageFile>); 3] =
        [(LOGO, change.logo.take()), (FAV_ICON, change.fav_icon.take()), (BACKGROUND, change.login_page_image.take())];
    let mut pictures = Vec::new();
    if wanted.iter().all(|(_, file)| file.is_none()) {
        return Ok(pictures);
    }
    let mut there = app.store.branding(org).await?;
    for (place, file) in wanted {
        match file {
            None => {}
            Some(file) if file.file.trim().is_empty() => pictures.push((place.name, None)),
            Some(file) => {
                let held = image_slot(&mut there, place.name).as_ref().and_then(|paths| paths.sha256.clone());
                pictures.push((
                    place.name,
                    Some(
                        image::process_image(app, ImageUpload { slot: place, file, tenant: org, current_digest: held })
                            .await?,
                    ),
                ));
            }
        }
    }
    Ok(pictures)
}

fn image_slot<'b>(branding: &'b mut Branding<ImagePaths>, name: &str) -> &'b mut Option<ImagePaths> {
    match name {
        "logo" => &mut branding.logo,
        "favIcon" => &mut branding.fav_icon,
        _ => &mut branding.login_page_image,
    }
}

fn merge_branding(mut next: Branding<ImagePaths>, change: Branding) -> Result<Branding<ImagePaths>, ApiError> {
    let mut problems = Problems::default();
    let colours = [
        ("headerBackgroundColor", &mut next.header_background_color, change.header_background_color),
        ("tabBackgroundColor", &mut next.tab_background_color, change.tab_background_color),
        ("loginPageBackgroundColor", &mut next.login_page_background_color, change.login_page_background_color),
        ("loginPageTextColor", &mut next.login_page_text_color, change.login_page_text_color),
    ];
    for (name, slot, value) in colours {
        if value.as_ref().is_some_and(|value| !value.is_empty() && !is_colour(value)) {
            problems.refuse(name, "A colour is six hex digits without #, for example 1F2937");
        } else {
            settings::merge_text(slot, value);
        }
    }
    let texts = [
        ("subDomain", &mut next.sub_domain, change.sub_domain),
        ("domain", &mut next.domain, change.domain),
        ("applicationTitle", &mut next.application_title, change.application_title),
        ("documentationURL", &mut next.documentation_url, change.documentation_url),
        ("loginPageHeaderText", &mut next.login_page_header_text, change.login_page_header_text),
        ("loginPageSubHeaderText", &mut next.login_page_sub_header_text, change.login_page_sub_header_text),
    ];
    for (name, slot, value) in texts {
        match value.as_deref().filter(|value| !value.trim().is_empty()).and_then(|value| text_problem(name, value)) {
            Some(message) => problems.refuse(name, message),
            None => settings::merge_text(slot, value),
        }
    }
    problems.finish()?;
    Ok(next)
}

fn text_problem(name: &str, value: &str) -> Option<&'static str> {
    let is_url = || {
        !value.contains(|character: char| character.is_whitespace() || character.is_control())
            && ["http://", "https://"].iter().any(|scheme| value.starts_with(scheme))
            && url::Url::parse(value)
                .is_ok_and(|url| url.has_host() && url.username().is_empty() && url.password().is_none())
    };
    match name {
        _ if value.chars().count() > limits::MAX_LONG_TEXT_CHARS => Some("The text is longer than 1024 characters"),
        "subDomain" | "domain" if settings::host_name(value) != Some(value) => {
            Some("The text is not a part of a host name")
        }
        "documentationURL" if !is_url() => Some("The text is not an http:// or https:// URL without a user name"),
        _ => None,
    }
}

fn is_colour(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Adds the addresses of a partner whose branding has both parts of a host name.
fn with_addresses(mut branding: Branding<ImagePaths>) -> Branding<ImagePaths> {
    if let (Some(sub_domain), Some(domain)) = (&branding.sub_domain, &branding.domain) {
        branding.app_url = Some(format!("{sub_domain}.app.{domain}"));
        branding.api_url = Some(format!("{sub_domain}.api.{domain}"));
    }
    branding
}

fn tenant_branding_json(app: &App, tenant: &TenantRecord, branding: Branding<ImagePaths>) -> Result<Value, ApiError> {
    branding_json(app, if tenant.kind == TenantLevel::Partner { with_addresses(branding) } else { branding })
}

fn branding_json(app: &App, mut branding: Branding<ImagePaths>) -> Result<Value, ApiError> {
    let warning = pages::contrast_warning(&branding).filter(|_| app.has_extensions);
    if !app.has_extensions {
        let images = [&mut branding.logo, &mut branding.fav_icon, &mut branding.login_page_image];
        images.into_iter().flatten().for_each(|image| (image.sha256, image.served_sha256) = (None, None));
        branding.documentation_url = None;
    }
    let mut shown = serde_json::to_value(branding)?;
    if let (Some(warning), Value::Object(members)) = (warning, &mut shown) {
        members.insert("contrastWarning".to_owned(), warning.into());
    }
    Ok(shown)
}
