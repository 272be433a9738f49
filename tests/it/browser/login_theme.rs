//! Tests of the appearance of the login page, with the default theme and with a branding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::screenshots::{self, Screenshot};
use super::session::BrowserSession;
use super::set_branding;
use crate::assets;
use crate::platform::TestPlatform;
use crate::proxy::FaultProxy;

/// Returns the branding of `examples/acme.yaml` in the wire's format.
fn example_branding() -> Value {
    let text = std::fs::read_to_string(assets::root().join("examples/acme.yaml")).unwrap();
    let partner: Value = serde_yaml::from_str(&text).unwrap();
    let branding = &partner["spec"]["branding"];
    let login = &branding["loginPage"];
    let file = |image: &Value| {
        let name = image["configMapKeyRef"]["key"].as_str().unwrap();
        let bytes = std::fs::read(assets::root().join("examples/brand").join(name)).unwrap();
        json!({ "name": name, "file": STANDARD.encode(bytes) })
    };
    json!({
        "applicationTitle": branding["websiteTitle"],
        "loginPageHeaderText": login["header"], "loginPageSubHeaderText": login["subheader"],
        "loginPageTextColor": login["textColor"], "loginPageBackgroundColor": login["backgroundColor"],
        "logo": file(&branding["logo"]), "favIcon": file(&branding["favicon"]),
        "loginPageImage": file(&login["backgroundImage"]),
    })
}

/// Returns a picture of 64 x 64 whose left half is red and whose right half is blue.
fn two_colour_picture() -> Value {
    let half = |x, _| if x < 32 { image::Rgb([200, 0, 0]) } else { image::Rgb([0, 0, 200]) };
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_fn(64, 64, half).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    json!({ "name": "halves.png", "file": STANDARD.encode(bytes.into_inner()) })
}

/// Asserts the colour of a pixel in a picture of the page.
#[track_caller]
fn assert_colour(picture: &[u8], x: u32, y: u32, wanted: [u8; 3]) {
    let found = image::load_from_memory(picture).unwrap().to_rgb8().get_pixel(x, y).0;
    let is_near = found.iter().zip(wanted).all(|(one, other)| one.abs_diff(other) <= 4);
    assert!(is_near, "at {x}, {y} is {found:?} and not {wanted:?}");
}

/// shows: seeds/branding/example
#[tokio::test]
async fn the_login_page_is_drawn_plain_and_as_a_partner_brands_it() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme Managed Services").await;
    let shown = set_branding(&platform, &partner, example_branding()).await;
    let path = |image: &str| shown[image]["logoPath"].as_str().unwrap().to_owned();
    // Records the browser's requests.
    let proxy = FaultProxy::start("127.0.0.1:0", platform.url().trim_start_matches("http://"), Vec::new()).unwrap();
    let browser = BrowserSession::start().await;

    browser.open_url(&format!("{}/login", proxy.url())).await;
    assert_eq!((browser.title().await, browser.text("h1").await), ("OpsRamp".to_owned(), "OpsRamp".to_owned()));
    assert!(browser.texts("img").await.is_empty() && browser.style("body", "background-image").await == "none");
    let plain = Screenshot::take_screenshot(&browser, &platform, ("login-default", "/login")).await;

    let page = format!("/login/{partner}");
    browser.open_url(&format!("{}{page}", proxy.url())).await;
    assert_eq!(browser.title().await, "Acme Operations");
    assert_eq!(browser.text("h1").await, "Welcome to Acme");
    assert_eq!(browser.text(".layer p").await, "Your infrastructure, looked after");
    assert_eq!(browser.style(".layer", "background-color").await, "rgba(17, 24, 39, 1)");
    for text in ["h1", ".layer p"] {
        assert_eq!(browser.style(text, "color").await, "rgba(249, 250, 251, 1)", "{text}");
    }
    assert_eq!(browser.property("img", "naturalWidth").await, 512);
    let image = browser.style("body", "background-image").await;
    assert!(
        image.starts_with("linear-gradient(rgba(0, 0, 0, 0.45)") && image.contains(&path("loginPageImage")),
        "{image}"
    );
    assert_eq!(browser.style("body", "background-size").await, "cover, cover");
    let branded = Screenshot::take_screenshot(&browser, &platform, ("login-branded", &page)).await;
    // The first and last colour of the picture, darkened. The picture covers the page, so it is as wide as the page.
    assert_colour(&branded.picture, 3, 3, [9, 13, 21]);
    assert_colour(&branded.picture, 3, 796, [24, 51, 93]);
    assert_colour(&branded.picture, 1276, 796, [24, 51, 93]);
    for image in ["logo", "favIcon", "loginPageImage"] {
        browser.wait_until_requested(&proxy, &path(image)).await;
    }
    browser.assert_no_console_messages().await;
    screenshots::compare_or_write(&[plain, branded]);
}

/// shows: seeds/branding/background-tiled
#[tokio::test]
async fn a_client_looks_like_its_partner_where_it_has_no_look_of_its_own_and_a_small_background_is_tiled() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme Managed Services").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    set_branding(&platform, &partner, example_branding()).await;
    let own = json!({ "loginPageHeaderText": "Welcome to Globex", "loginPageBackgroundColor": "FACC15",
        "loginPageTextColor": "422006", "loginPageImage": two_colour_picture(), "headerBackgroundColor": "7c2d12" });
    set_branding(&platform, &client, own).await;
    let browser = BrowserSession::start().await;
    browser.open_url(&format!("{}/login/{client}", platform.url())).await;
    assert_eq!(browser.title().await, "Acme Operations");
    assert_eq!(browser.text("h1").await, "Welcome to Globex");
    assert_eq!(browser.text(".layer p").await, "Your infrastructure, looked after");
    assert_eq!(browser.style(".layer", "background-color").await, "rgba(250, 204, 21, 1)");
    assert_eq!(browser.style("h1", "color").await, "rgba(66, 32, 6, 1)");
    assert_eq!(browser.property("img", "naturalWidth").await, 512);
    assert_eq!(browser.style("body", "background-repeat").await, "repeat, repeat");
    let picture = browser.take_screenshot("login-client").await;
    for (x, colour) in [(16, [110, 0, 0]), (48, [0, 0, 110]), (80, [110, 0, 0]), (112, [0, 0, 110])] {
        for y in [8, 792] {
            assert_colour(&picture, x, y, colour);
        }
    }
    let _ = platform.create_logged_in_user(&client, "carl", &[]).await;
    browser.log_in("carl", crate::platform::people::CHOSEN_PASSWORD).await;
    browser.accept_consent().await;
    assert_eq!(browser.style(".bar", "background-color").await, "rgba(124, 45, 18, 1)");
    assert_eq!(browser.style(".bar .name", "color").await, "rgba(255, 255, 255, 1)");
    assert_eq!(browser.property(".bar img", "naturalWidth").await, 512);
    browser.take_screenshot("home-client").await;
    browser.assert_no_console_messages().await;
}
