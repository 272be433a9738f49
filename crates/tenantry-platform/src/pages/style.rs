//! `GET /style/{tenant}.css`: the stylesheet. The content policy of the pages allows no inline styles.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use tenantry_wire::ImagePaths;

use super::colour::Colour;
use super::theme::Theme;
use crate::App;
use crate::error::ApiError;
use crate::memory_budget::RequestMemory;

/// The part that all themes share.
const BASE: &str = include_str!("style/base.css");
/// Colour around the logo, unless the tenant sets one.
const DEFAULT_LAYER_COLOUR: &str = "1f2937";
/// Recommended size of a background image in pixels; smaller images are tiled.
const RECOMMENDED_SIZE: (usize, usize) = (1440, 900);

/// Serves the stylesheet of a tenant, or of the default theme.
pub(super) async fn serve_stylesheet(
    State(app): State<Arc<App>>,
    Extension(account): Extension<RequestMemory>,
    Path(file): Path<String>,
) -> Response {
    super::or_error_page(&app, render_stylesheet(&app, &file, &account).await)
}

async fn render_stylesheet(app: &App, file: &str, memory: &RequestMemory) -> Result<Response, ApiError> {
    let tenant = file.strip_suffix(".css").ok_or_else(|| ApiError::not_found("Stylesheet", file))?;
    let theme = Theme::for_tenant_id(app, Some(tenant).filter(|name| *name != "default")).await?;
    let mut text = format!("{BASE}\n{}", colour_rules(&theme));
    if let Some(image) = theme.branding.login_page_image.as_ref().filter(|image| is_image_path(&image.logo_path)) {
        text += &background_rule(&image.logo_path, is_small_image(app, image, memory).await?);
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    Ok((headers, text).into_response())
}

fn colour_rules(theme: &Theme) -> String {
    let colour = |text: &Option<String>| text.as_deref().and_then(Colour::parse);
    let branding = &theme.branding;
    let layer = colour(&branding.login_page_background_color)
        .or_else(|| Colour::parse(DEFAULT_LAYER_COLOUR))
        .unwrap_or(Colour::BLACK);
    let text = colour(&branding.login_page_text_color).unwrap_or_else(|| layer.readable_text_colour());
    let bar = colour(&branding.header_background_color).unwrap_or(layer);
    let tab = colour(&branding.tab_background_color).unwrap_or(Colour::WHITE);
    let mut css = String::new();
    for (place, background, ink) in [
        (".layer", layer, text),
        (".bar", bar, bar.readable_text_colour()),
        (".menus", tab, tab.readable_text_colour()),
    ] {
        // Writing to a String cannot fail.
        let _ = writeln!(css, "{place} {{ background-color: {background}; color: {ink}; }}");
    }
    css
}

/// Returns the rule for a background image. An overlay darkens the image, so that text on it is readable.
fn background_rule(path: &str, is_small: bool) -> String {
    let shape = if is_small { "repeat; background-size: auto" } else { "no-repeat; background-size: cover" };
    format!(
        ".login {{ background-image: linear-gradient(rgba(0, 0, 0, 0.45), rgba(0, 0, 0, 0.45)), url(\"{path}\"); \
         background-repeat: {shape}; }}\n"
    )
}

/// Returns whether a path is one that we generate. Such a path cannot end the string around it.
fn is_image_path(path: &str) -> bool {
    path.starts_with("/images/org/") && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._".contains(&byte))
}

async fn is_small_image(app: &App, image: &ImagePaths, memory: &RequestMemory) -> Result<bool, ApiError> {
    let mut parts = image.logo_path.rsplit('/');
    let file = parts.next().unwrap_or_default();
    let Some(org) = parts.next().and_then(|org| org.parse().ok()) else { return Ok(true) };
    let Some(picture) = app.image_cache.load_image(app, org, file, memory).await? else { return Ok(true) };
    let size = imagesize::blob_size((*picture).as_ref()).map_err(|_| ApiError::Internal)?;
    Ok(size.width < RECOMMENDED_SIZE.0 || size.height < RECOMMENDED_SIZE.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_written() {
        assert!(is_image_path("/images/org/2/loginPageImage-0123456789abcdef.png"));
        for path in
            ["https://a.example/x.png", "/images/org/2/x\").png", "/images/org/2/x y", "//a.example/images/org/"]
        {
            assert!(!is_image_path(path), "{path}");
        }
    }
}
