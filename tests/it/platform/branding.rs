//! Tests of custom branding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::TestPlatform;
use crate::digests::sha256;

/// Encodes a picture of one colour.
fn encode_picture(width: u32, height: u32, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(width, height, image::Rgb([31, 41, 55])).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(super) fn png(width: u32, height: u32) -> Vec<u8> {
    encode_picture(width, height, image::ImageFormat::Png)
}

/// Returns a PNG with `bytes` of other data after it.
pub(super) fn padded_png(bytes: usize) -> Vec<u8> {
    let mut picture = png(64, 64);
    picture.resize(bytes, 7);
    picture
}

fn image_file(bytes: &[u8]) -> Value {
    json!({ "name": "x.png", "file": STANDARD.encode(bytes) })
}

#[tokio::test]
async fn texts_merge_and_clear_and_colours_are_checked() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let path = format!("/tenants/{partner}/customBranding");
    assert_eq!(platform.sp.get(&path).await.json(), json!({}));
    let set = json!({ "applicationTitle": "Acme", "loginPageHeaderText": "Hello", "loginPageTextColor": "1F2937",
        "documentationURL": "https://docs.acme.example" });
    assert_eq!(platform.sp.put(&path, set.clone()).await.json(), set);
    let merged =
        platform.sp.put(&path, json!({ "loginPageHeaderText": "", "headerBackgroundColor": "ffffff" })).await.json();
    let expected = json!({ "applicationTitle": "Acme", "loginPageTextColor": "1F2937", "headerBackgroundColor": "ffffff",
        "documentationURL": "https://docs.acme.example" });
    assert_eq!(merged, expected);
    assert_eq!(platform.sp.get(&path).await.json(), expected);
    for (field, value) in [
        ("loginPageTextColor", "#1F2937"),
        ("loginPageBackgroundColor", "red"),
        ("tabBackgroundColor", "12345g"),
        ("documentationURL", "javascript:alert(1)"),
        ("documentationURL", "https://user:pw@docs.acme.example/"),
        ("documentationURL", "https://user@docs.acme.example/"),
        ("documentationURL", "http:evil.example"),
        ("domain", "a b"),
    ] {
        platform.sp.put(&path, json!({ field: value })).await.assert_field_refused(field);
    }
    platform.sp.put(&path, json!({ "applicationTitle": 7 })).await.assert_field_refused("applicationTitle");
    platform.sp.put(&path, json!({ "logo": "x" })).await.assert_field_refused("logo");
}

/// shows: seeds/details/url
#[tokio::test]
async fn a_partner_with_a_domain_has_addresses() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let body = json!({ "subDomain": "cloud", "domain": "acme.example" });
    let read = platform.sp.put(&format!("/tenants/{partner}/customBranding"), body.clone()).await.json();
    assert_eq!(
        (&read["appURL"], &read["apiURL"]),
        (&json!("cloud.app.acme.example"), &json!("cloud.api.acme.example"))
    );
    let client = platform.sp.create_client(&partner, "Globex").await;
    let read = platform.sp.put(&format!("/tenants/{client}/customBranding"), body).await.json();
    assert!(read.get("appURL").is_none());
}

/// shows: seeds/branding/logo, seeds/branding/current-background
/// shows: security/asvs/5.2.4
#[tokio::test]
async fn images_are_kept_served_and_removed() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let path = format!("/tenants/{partner}/customBranding");
    let (logo, background) = (png(32, 32), encode_picture(60, 40, image::ImageFormat::Jpeg));
    let read = platform
        .sp
        .put(&path, json!({ "logo": image_file(&logo), "loginPageImage": image_file(&background) }))
        .await
        .json();
    for (name, bytes, content_type) in [("logo", &logo, "image/png"), ("loginPageImage", &background, "image/jpeg")] {
        let image = &read[name];
        assert_eq!(image["imageType"], content_type);
        assert_eq!(image["sha256"], sha256(bytes));
        for path in ["logoPath", "thumbPath", "tinyThumbPath"] {
            let path = image[path].as_str().unwrap();
            assert!(path.starts_with("/images/org/2/"), "{path}");
            // The image is public, because the login page shows it.
            let response = reqwest::get(format!("{}{path}", platform.url())).await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["content-type"], content_type);
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
            let served = image::load_from_memory(&response.bytes().await.unwrap()).unwrap().to_rgb8();
            let sent = image::load_from_memory(bytes).unwrap().to_rgb8();
            assert_eq!(served.dimensions(), sent.dimensions());
            let near = |(one, two): (&u8, &u8)| one.abs_diff(*two) <= 4;
            assert!(served.iter().zip(sent.iter()).all(near), "{name}");
        }
    }
    let logo_path = read["logo"]["logoPath"].as_str().unwrap();
    let kept = platform.sp.put(&path, json!({ "applicationTitle": "T" })).await.json();
    assert_eq!(kept["logo"], read["logo"]);
    let removed = platform.sp.put(&path, json!({ "logo": {"name": "", "file": ""} })).await.json();
    assert!(removed.get("logo").is_none() && removed.get("loginPageImage").is_some());
    assert_eq!(reqwest::get(format!("{}{logo_path}", platform.url())).await.unwrap().status(), 404);
}

/// Loads an image of a branding as an anonymous client. Returns its bytes.
async fn load_served_image(platform: &TestPlatform, image: &Value) -> Vec<u8> {
    let url = format!("{}{}", platform.url(), image["logoPath"].as_str().unwrap());
    reqwest::get(url).await.unwrap().bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn an_image_of_another_encoder_is_served_clean_and_under_its_own_digest() {
    let platform = TestPlatform::start().await;
    let path = format!("/tenants/{}/customBranding", platform.create_partner("Acme").await);
    let brand = ["logo.png", "favicon.png"].map(|name| {
        let bytes = std::fs::read(crate::assets::root().join("examples/brand").join(name)).unwrap();
        (name, bytes)
    });
    let all =
        crate::encoded_images::ENCODED_PICTURES.into_iter().map(|(name, bytes)| (name, bytes.to_vec())).chain(brand);
    for (name, bytes) in all {
        let read = platform.sp.put(&path, json!({ "logo": image_file(&bytes) })).await.json();
        let clean = load_served_image(&platform, &read["logo"]).await;
        assert_ne!(clean, bytes, "{name} is written again");
        assert!(!clean.windows(5).any(|part| part == b"zebra"), "{name}");
        assert_eq!(
            (&read["logo"]["sha256"], &read["logo"]["servedSha256"]),
            (&json!(sha256(&bytes)), &json!(sha256(&clean)))
        );
        // A PNG loses nothing and does not grow. A JPEG grows up to the bound of its place before it loses quality.
        let most = if name.ends_with("jpg") { 64 << 10 } else { bytes.len() };
        assert!(clean.len() <= most, "{name}: {} bytes became {}", bytes.len(), clean.len());
        let [old, new] = [&bytes, &clean].map(|bytes| image::load_from_memory(bytes).unwrap().to_rgba8());
        let most = old.iter().zip(new.iter()).map(|(one, two)| one.abs_diff(*two)).max().unwrap();
        assert!(old.dimensions() == new.dimensions() && (most == 0 || name.ends_with("jpg")), "{name}: {most}");
    }
}

#[tokio::test]
async fn an_image_that_was_stored_before_digests_of_what_is_served_gets_one_at_the_start() {
    let mut platform = TestPlatform::start().await;
    let path = format!("/tenants/{}/customBranding", platform.create_partner("Acme").await);
    let read = platform.sp.put(&path, json!({ "logo": crate::encoded_images::upload_body(0) })).await.json();
    platform.execute_sql("UPDATE branding SET document = replace(document, 'servedSha256', 'unknownOfOld')").await;
    platform.restart(|_| ()).await;
    // The digest is stored: no request loads the image to compute it.
    platform.execute_sql("UPDATE image SET content = '!'").await;
    assert_eq!(platform.sp.get(&path).await.json(), read);
}

#[tokio::test]
async fn a_branding_is_changed_and_shown_while_its_image_cannot_be_read() {
    let platform = TestPlatform::start().await;
    let path = format!("/tenants/{}/customBranding", platform.create_partner("Acme").await);
    platform.sp.put(&path, json!({ "logo": crate::encoded_images::upload_body(0) })).await.json();
    platform.execute_sql("UPDATE branding SET document = replace(document, 'servedSha256', 'unknownOfOld')").await;
    platform.execute_sql("UPDATE image SET content = '!'").await;
    let answer = platform.sp.put(&path, json!({ "applicationTitle": "Acme" })).await;
    assert_eq!(answer.json()["applicationTitle"], "Acme", "no answer to a change that was made fails");
    assert_eq!(platform.sp.get(&path).await.json(), answer.json());
}

/// Creates a picture of many small differences, which no encoder compresses well.
fn noisy_picture(side: u32) -> image::DynamicImage {
    let mut state = 7_u32;
    image::RgbImage::from_fn(side, side, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [one, two, three, _] = state.to_be_bytes();
        image::Rgb([one, two, three])
    })
    .into()
}

fn encode_jpeg(image: &image::DynamicImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(image).unwrap();
    bytes
}

#[tokio::test]
async fn a_jpeg_is_written_again_in_the_best_quality_that_fits_its_place() {
    let platform = TestPlatform::start().await;
    let path = format!("/tenants/{}/customBranding", platform.create_partner("Acme").await);
    // The first picture fits at a higher quality than it was sent with, the second one only at a quality with visible
    // loss, and the third one at no quality.
    for (side, sent, best) in [(60, 50, 95), (370, 10, 75), (450, 10, 85)] {
        let sent = encode_jpeg(&noisy_picture(side), sent);
        let read = platform.sp.put(&path, json!({ "logo": image_file(&sent) })).await.json();
        let clean = load_served_image(&platform, &read["logo"]).await;
        let decoded = image::load_from_memory(&sent).unwrap();
        let sizes: Vec<(u8, usize)> =
            [45, 60, 75, 85, 92, 95].map(|quality| (quality, encode_jpeg(&decoded, quality).len())).to_vec();
        assert!(
            clean == encode_jpeg(&decoded, best),
            "{} bytes became {}, and not {best}: {sizes:?}",
            sent.len(),
            clean.len()
        );
    }
}

/// shows: security/asvs/5.2.1
#[tokio::test]
async fn nothing_but_the_picture_of_a_file_is_kept() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let path = format!("/tenants/{partner}/customBranding");
    for (field, format) in [("logo", image::ImageFormat::Png), ("favIcon", image::ImageFormat::Jpeg)] {
        let mut bytes = encode_picture(24, 24, format);
        bytes.extend_from_slice(b"<script>zebra</script>");
        let read = platform.sp.put(&path, json!({ field: image_file(&bytes) })).await.json();
        let url = format!("{}{}", platform.url(), read[field]["logoPath"].as_str().unwrap());
        let served = reqwest::get(url).await.unwrap().bytes().await.unwrap();
        assert!(!served.windows(5).any(|part| part == b"zebra"), "{field}");
        assert_eq!(image::load_from_memory(&served).unwrap().width(), 24);
    }
}

/// A file that its place accepts, and that is larger than what is served when no visible quality is lost.
#[tokio::test]
async fn a_jpeg_that_is_large_at_a_high_quality_is_served_at_a_lower_one() {
    let platform = TestPlatform::start().await;
    let path = format!("/tenants/{}/customBranding", platform.create_partner("Acme").await);
    let sent = encode_jpeg(&noisy_picture(1640), 10);
    let decoded = image::load_from_memory(&sent).unwrap();
    let sizes = [85, 75, 60, 45].map(|quality| (quality, encode_jpeg(&decoded, quality)));
    let told: Vec<_> = sizes.iter().map(|(quality, bytes)| (*quality, bytes.len())).collect();
    assert!(sent.len() <= 512 << 10 && told[0].1 > 1 << 20 && told[3].1 > 512 << 10, "{} {told:?}", sent.len());
    let best = sizes.iter().find(|(_, bytes)| bytes.len() <= 1 << 20).unwrap();
    let answer = platform.sp.put(&path, json!({ "loginPageImage": image_file(&sent) })).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let clean = load_served_image(&platform, &answer.json()["loginPageImage"]).await;
    assert!(clean == best.1, "{} bytes, and not those of {}: {told:?}", clean.len(), best.0);
}

/// shows: seeds/branding/logo-format
/// shows: security/asvs/5.2.1
#[tokio::test]
async fn what_is_no_picture_is_refused_by_name() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let path = format!("/tenants/{partner}/customBranding");
    let mut damaged = png(64, 64);
    damaged.truncate(60);
    let mut heavy = png(8, 8);
    heavy.resize((64 << 10) + 1, 0);
    for (field, bytes, why) in [
        ("logo", b"GIF89a............".to_vec(), "neither PNG nor JPEG"),
        ("logo", b"<svg onload='x'/>".to_vec(), "neither PNG nor JPEG"),
        ("favIcon", damaged, "damaged"),
        ("logo", png(4097, 1), "4096 pixels"),
        ("favIcon", heavy, "65536"),
    ] {
        let message = platform
            .sp
            .put(&path, json!({ field: image_file(&bytes) }))
            .await
            .assert_field_refused(&format!("{field}.file"));
        assert!(message.contains(why), "{message}");
    }
    platform.sp.put(&path, json!({ "logo": {"name": "x", "file": "!"} })).await.assert_field_refused("logo.file");
    assert_eq!(platform.sp.get(&path).await.json(), json!({}));
    // A background may have the documented maximum size.
    platform.sp.put(&path, json!({ "loginPageImage": image_file(&png(4096, 2048)) })).await.json();
}

/// shows: seeds/branding/favicon-square
#[tokio::test]
async fn a_favicon_that_is_not_square_is_refused() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let path = format!("/tenants/{partner}/customBranding");
    for (width, height) in [(128, 16), (16, 128), (128, 127)] {
        let body = json!({ "applicationTitle": "Half", "favIcon": image_file(&png(width, height)) });
        let message = platform.sp.put(&path, body).await.assert_field_refused("favIcon.file");
        assert!(message.contains("must be square; cut it or pad it"), "{message}");
    }
    assert_eq!(platform.sp.get(&path).await.json(), json!({}), "nothing is half done");
    platform
        .sp
        .put(&path, json!({ "favIcon": image_file(&png(64, 64)), "logo": image_file(&png(40, 10)) }))
        .await
        .json();
}

#[tokio::test]
async fn a_favicon_from_before_the_rule_may_be_sent_back() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let path = format!("/tenants/{partner}/customBranding");
    let (square, wide) = (png(64, 64), png(40, 10));
    platform.sp.put(&path, json!({ "favIcon": image_file(&square) })).await.json();
    let put = sqlx::query("UPDATE branding SET document = replace(document, $1, $2)");
    let digests = [&square, &wide].map(|bytes| tenantry_core::Digest::of_bytes(bytes).hex().to_owned());
    put.bind(&digests[0]).bind(&digests[1]).execute(&platform.pool().await).await.unwrap();
    let back = json!({ "applicationTitle": "Acme", "favIcon": image_file(&wide) });
    let shown = platform.sp.put(&path, back).await.json();
    assert_eq!(shown["favIcon"]["sha256"], digests[1].as_str());
    platform.sp.put(&path, json!({ "favIcon": image_file(&png(10, 40)) })).await.assert_field_refused("favIcon.file");
    platform.sp.put(&path, json!({ "logo": image_file(&wide), "loginPageImage": image_file(&square) })).await.json();
}

/// The EXIF orientation of a camera that was held sideways: the picture must be rotated by 90 degrees.
const EXIF_ORIENTATION: &[u8] = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";

/// Returns a PNG with this EXIF data, before or after its picture data.
fn png_with_orientation(plain: &[u8], is_before: bool) -> Vec<u8> {
    let length = u32::try_from(EXIF_ORIENTATION.len()).unwrap().to_be_bytes();
    let sum = crc(&[b"eXIf", EXIF_ORIENTATION].concat()).to_be_bytes();
    let note = [&length, b"eXIf".as_slice(), EXIF_ORIENTATION, &sum].concat();
    // The signature and header have 33 bytes, the end chunk has 12.
    let at = if is_before { 33 } else { plain.len() - 12 };
    [&plain[..at], &note, &plain[at..]].concat()
}

fn crc(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| if sum & 1 == 1 { 0xEDB8_8320 ^ (sum >> 1) } else { sum >> 1 };
    !bytes.iter().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step))
}

/// Encodes a JPEG with this EXIF data.
fn jpeg_with_orientation(width: u32, height: u32) -> Vec<u8> {
    let plain = encode_picture(width, height, image::ImageFormat::Jpeg);
    let note = [b"Exif\0\0".as_slice(), EXIF_ORIENTATION].concat();
    let length = u16::try_from(note.len() + 2).unwrap().to_be_bytes();
    [&plain[..2], &[0xFF, 0xE1], &length, &note, &plain[2..]].concat()
}

#[tokio::test]
async fn a_picture_that_its_notes_turn_is_kept_turned() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let path = format!("/tenants/{partner}/customBranding");
    let pictures = [
        jpeg_with_orientation(24, 8),
        png_with_orientation(&png(24, 8), true),
        png_with_orientation(&png(24, 8), false),
    ];
    for (index, bytes) in pictures.iter().enumerate() {
        let read = platform.sp.put(&path, json!({ "logo": image_file(bytes) })).await.json();
        let url = format!("{}{}", platform.url(), read["logo"]["logoPath"].as_str().unwrap());
        let served = reqwest::get(url).await.unwrap().bytes().await.unwrap();
        assert!(!served.windows(4).any(|part| part == b"Exif" || part == b"eXIf"), "picture {index}");
        let served = image::load_from_memory(&served).unwrap();
        assert_eq!((served.width(), served.height()), (8, 24), "picture {index}");
    }
    // Rotation makes a copy, which counts against the memory bound.
    let mut large = std::io::Cursor::new(Vec::new());
    image::RgbaImage::new(4096, 2000).write_to(&mut large, image::ImageFormat::Png).unwrap();
    let large = large.into_inner();
    platform.sp.put(&path, json!({ "loginPageImage": image_file(&large) })).await.json();
    let turned = json!({ "loginPageImage": image_file(&png_with_orientation(&large, true)) });
    let message = platform.sp.put(&path, turned).await.assert_field_refused("loginPageImage.file");
    assert!(message.contains("4096 x 2000 pixels of 8 bytes"), "{message}");
}

#[tokio::test]
async fn a_cascade_fills_what_a_client_lacks_from_its_partner() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let partners =
        json!({ "applicationTitle": "Acme", "loginPageHeaderText": "Acme says", "logo": image_file(&png(9, 9)) });
    let logo = platform.sp.put(&format!("/tenants/{partner}/customBranding"), partners).await.json()["logo"].clone();
    let path = format!("/tenants/{client}/customBranding");
    platform.sp.put(&path, json!({ "applicationTitle": "Globex" })).await.json();
    for own in ["", "?cascade=false"] {
        assert_eq!(platform.sp.get(&format!("{path}{own}")).await.json(), json!({ "applicationTitle": "Globex" }));
    }
    let whole = platform.sp.get(&format!("{path}?cascade=true")).await.json();
    assert_eq!(whole, json!({ "applicationTitle": "Globex", "loginPageHeaderText": "Acme says", "logo": logo }));
    platform.sp.get(&format!("{path}?cascade=yes")).await.assert_field_refused("cascade");
    platform.sp.get(&format!("/tenants/{}/customBranding", platform.sp_id)).await.assert_error(404, "not found");
}
