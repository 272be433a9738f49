//! The theme of a tenant's pages: its own branding, with its partner's as the default.

use tenantry_wire::{Branding, ImagePaths};

use super::colour::{Colour, READABLE};
use crate::App;
use crate::error::ApiError;
use crate::store::{TenantLevel, TenantRecord};

/// A theme.
pub(super) struct Theme {
    /// Unique id of the tenant; `None` for the default theme.
    tenant: Option<String>,
    product: String,
    pub(super) branding: Branding<ImagePaths>,
}

impl Theme {
    /// Returns the default theme.
    pub(super) fn default_theme(app: &App) -> Self {
        Self { tenant: None, product: app.product.clone(), branding: Branding::default() }
    }

    /// Loads the theme of a tenant.
    pub(super) async fn for_tenant(app: &App, tenant: &TenantRecord) -> Result<Self, ApiError> {
        let own = app.store.branding(tenant.id).await?;
        let branding = match tenant.parent.as_ref().filter(|_| tenant.kind == TenantLevel::Client) {
            Some(partner) => inherit_branding(own, app.store.branding(partner.id).await?),
            None => own,
        };
        Ok(Self { tenant: Some(tenant.unique_id.clone()), product: app.product.clone(), branding })
    }

    /// Loads the theme of a tenant named before a login. An unknown tenant gets the default theme.
    pub(super) async fn for_tenant_id(app: &App, unique_id: Option<&str>) -> Result<Self, ApiError> {
        let Some(id) = unique_id else { return Ok(Self::default_theme(app)) };
        match app.store.find_unterminated_tenant(id).await? {
            Some(tenant) => Self::for_tenant(app, &tenant).await,
            None => Ok(Self::default_theme(app)),
        }
    }

    /// Returns the title of the browser tab.
    pub(super) fn title(&self) -> &str {
        self.branding.application_title.as_deref().unwrap_or(&self.product)
    }

    /// Returns the first line of the login page.
    pub(super) fn header(&self) -> &str {
        self.branding.login_page_header_text.as_deref().unwrap_or_else(|| self.title())
    }

    /// Returns the icon of the browser tab.
    pub(super) fn favicon(&self) -> Option<&ImagePaths> {
        self.branding.fav_icon.as_ref()
    }

    /// Returns the logo.
    pub(super) fn logo(&self) -> Option<&ImagePaths> {
        self.branding.logo.as_ref()
    }

    /// Returns the URL of the documentation. It never returns a URL that a browser would execute.
    pub(super) fn documentation_url(&self) -> Option<&str> {
        let url = self.branding.documentation_url.as_deref()?;
        ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)).then_some(url)
    }

    /// Returns the path of the login page.
    pub(super) fn login_path(&self) -> String {
        self.tenant.as_ref().map_or_else(|| "/login".to_owned(), |tenant| format!("/login/{tenant}"))
    }

    /// Returns the path of the stylesheet.
    pub(super) fn stylesheet_path(&self) -> String {
        format!("/style/{}.css", self.tenant.as_deref().unwrap_or("default"))
    }
}

/// Merges the branding of a client with its partner's: each text, colour and image that the client does not set comes
/// from the partner. The host name is not inherited.
fn inherit_branding(own: Branding<ImagePaths>, above: Branding<ImagePaths>) -> Branding<ImagePaths> {
    let Branding {
        sub_domain,
        domain,
        application_title,
        documentation_url,
        header_background_color,
        tab_background_color,
        login_page_header_text,
        login_page_sub_header_text,
        login_page_background_color,
        login_page_text_color,
        logo,
        fav_icon,
        login_page_image,
        app_url,
        api_url,
    } = own;
    Branding {
        sub_domain,
        domain,
        app_url,
        api_url,
        application_title: application_title.or(above.application_title),
        documentation_url: documentation_url.or(above.documentation_url),
        header_background_color: header_background_color.or(above.header_background_color),
        tab_background_color: tab_background_color.or(above.tab_background_color),
        login_page_header_text: login_page_header_text.or(above.login_page_header_text),
        login_page_sub_header_text: login_page_sub_header_text.or(above.login_page_sub_header_text),
        login_page_background_color: login_page_background_color.or(above.login_page_background_color),
        login_page_text_color: login_page_text_color.or(above.login_page_text_color),
        logo: logo.or(above.logo),
        fav_icon: fav_icon.or(above.fav_icon),
        login_page_image: login_page_image.or(above.login_page_image),
    }
}

/// Returns a warning if the header text is not readable on its background.
pub(crate) fn contrast_warning<I>(branding: &Branding<I>) -> Option<String> {
    let text = Colour::parse(branding.login_page_text_color.as_deref()?)?;
    let background = Colour::parse(branding.login_page_background_color.as_deref()?)?;
    let contrast = text.contrast(background);
    (contrast < READABLE).then(|| {
        let better = background.readable_text_colour();
        format!(
            "The text {text} on the background {background} has a contrast of {contrast:.1}:1, and people need \
             {READABLE}:1 to read it; {better} is readable there"
        )
    })
}
