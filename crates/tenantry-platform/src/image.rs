//! Pictures of a branding: checked by their bytes and decoded completely before they are stored.

use std::io::Cursor;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageError, ImageFormat, ImageReader, Limits};
use sha2::{Digest as _, Sha256};
use tenantry_wire::{ImageFile, ImagePaths};

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use super::App;
use super::credential::hex;
use super::error::ApiError;
use super::limits::{self, MAX_DECODED_IMAGE_BYTES, MAX_IMAGE_SIDE, MAX_SERVED_IMAGE_BYTES};
use super::memory_budget::{AlreadyCounted, RequestMemory, TrackedBytes};
use super::store::StoredImage;

/// Qualities for encoding a JPEG again, best first: the first whose file fits its slot is used.
const QUALITIES: [u8; 6] = [95, 92, 85, 75, 60, 45];
/// Quality of a JPEG that fits its slot at none of these qualities. People see no loss at this quality, and a higher
/// one gains nothing.
const FALLBACK_QUALITY: u8 = 85;

/// Bytes of pixels up to which a PNG is compressed well. A larger one would take too much work and too many copies.
const PNG_STRONG_LIMIT: u64 = 2 << 20;
/// Bytes of pixels up to which a PNG is compressed better than its encoder does.
const PNG_OPTIMIZED_LIMIT: u64 = 16 << 20;

/// A slot for a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct ImageSlot {
    /// Its member on the wire.
    pub(super) name: &'static str,
    /// Largest file in bytes.
    max_bytes: usize,
    /// Whether the picture must be square.
    is_square: bool,
}

/// Logo of navigation bar and login page.
pub(super) const LOGO: ImageSlot = ImageSlot { name: "logo", max_bytes: limits::MAX_LOGO_BYTES, is_square: false };
/// Image of the browser tab.
pub(super) const FAV_ICON: ImageSlot =
    ImageSlot { name: "favIcon", max_bytes: limits::MAX_LOGO_BYTES, is_square: true };
/// Background of the login page.
pub(super) const BACKGROUND: ImageSlot =
    ImageSlot { name: "loginPageImage", max_bytes: limits::MAX_BACKGROUND_BYTES, is_square: false };

/// A picture as a request sends it.
pub(super) struct ImageUpload {
    /// The slot that shows it.
    pub(super) slot: ImageSlot,
    /// Its bytes.
    pub(super) file: ImageFile,
    /// Number of the tenant.
    pub(super) tenant: i64,
    /// Digest of the current picture.
    pub(super) current_digest: Option<String>,
}

/// Checks a picture and encodes it again. The error names the field and says what is wrong with the picture.
pub(super) async fn process_image(app: &App, upload: ImageUpload) -> Result<(StoredImage, ImagePaths), ApiError> {
    let _permit = app.decoders.acquire().await.map_err(|_| ApiError::Internal)?;
    let place = upload.slot;
    // Decoding a full picture takes tens of milliseconds, which would block other requests.
    tokio::task::spawn_blocking(move || decode_and_reencode(&upload))
        .await
        .map_err(|_| ApiError::Internal)?
        .map_err(|message| ApiError::field(format!("{}.file", place.name), message))
}

fn decode_and_reencode(
    ImageUpload { slot: place, file, tenant: org, current_digest: held }: &ImageUpload,
) -> Result<(StoredImage, ImagePaths), String> {
    let bytes = STANDARD.decode(file.file.trim()).map_err(|_| "The file is not base64".to_owned())?;
    if bytes.len() > place.max_bytes {
        return Err(format!("The image has {} bytes; at most {} are taken", bytes.len(), place.max_bytes));
    }
    let (format, content_type, extension) = match image::guess_format(&bytes) {
        Ok(ImageFormat::Png) => (ImageFormat::Png, "image/png", "png"),
        Ok(ImageFormat::Jpeg) => (ImageFormat::Jpeg, "image/jpeg", "jpg"),
        _ => return Err("The file is neither PNG nor JPEG, as its first bytes tell".to_owned()),
    };
    let picture = decode_image(&bytes, format)?;
    let sha256 = hex(&Sha256::digest(&bytes));
    // A client may send back the current picture, which may be older than this rule.
    if place.is_square && held.as_ref() != Some(&sha256) && picture.width() != picture.height() {
        return Err(format!(
            "The image has {} x {} pixels and must be square; cut it or pad it, for example to 128 x 128",
            picture.width(),
            picture.height()
        ));
    }
    let clean = encode_image(&picture, (format, place.max_bytes))?;
    let name = place.name;
    if clean.len() > MAX_SERVED_IMAGE_BYTES {
        return Err(format!(
            "The image has {} bytes when it is written again; at most {MAX_SERVED_IMAGE_BYTES} are served: {}",
            clean.len(),
            match format {
                ImageFormat::Jpeg => "use fewer pixels",
                _ => "use fewer pixels or colours, or a JPEG",
            }
        ));
    }
    let file = format!("{name}-{}.{extension}", &sha256[..16]);
    let path = format!("/images/org/{org}/{file}");
    let paths = ImagePaths {
        logo_path: path.clone(),
        thumb_path: path.clone(),
        tiny_thumb_path: path,
        image_type: content_type.to_owned(),
        sha256: Some(sha256),
        served_sha256: Some(hex(&Sha256::digest(&clean))),
    };
    Ok((StoredImage { slot: name, file, content_type, content: STANDARD.encode(clean) }, paths))
}

fn decode_image(bytes: &[u8], format: ImageFormat) -> Result<DynamicImage, String> {
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height, limits.max_alloc) =
        (Some(MAX_IMAGE_SIDE), Some(MAX_IMAGE_SIDE), Some(MAX_DECODED_IMAGE_BYTES));
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let wrong = |error| match error {
        ImageError::Limits(_) => format!("The image is larger than {MAX_IMAGE_SIDE} pixels a side"),
        _ => "The image is damaged".to_owned(),
    };
    // The size in the header is checked before anything is decoded.
    let mut decoder = reader.into_decoder().map_err(wrong)?;
    let (width, height) = decoder.dimensions();
    let orientation = match format {
        ImageFormat::Png => png_orientation(bytes),
        _ => decoder.orientation().unwrap_or(Orientation::NoTransforms),
    };
    let depth = bytes_per_pixel(format, u64::from(decoder.color_type().bytes_per_pixel()), orientation);
    if u64::from(width) * u64::from(height) * depth > MAX_DECODED_IMAGE_BYTES {
        return Err(format!(
            "The image has {width} x {height} pixels of {depth} bytes; at most {} MiB are taken, make it smaller or use 8 bits \
             a colour",
            MAX_DECODED_IMAGE_BYTES >> 20
        ));
    }
    // The orientation goes with the other metadata of the camera, so the picture itself is turned.
    let mut picture = DynamicImage::from_decoder(decoder).map_err(wrong)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Returns how a PNG must be turned. Its chunk may follow the picture data, which the decoder has not yet read.
fn png_orientation(bytes: &[u8]) -> Orientation {
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let Some((length, tail)) = rest.split_first_chunk::<4>()
        && let Some((kind, tail)) = tail.split_first_chunk::<4>()
        && let Ok(length) = usize::try_from(u32::from_be_bytes(*length))
        && let Some(data) = tail.get(..length)
    {
        if kind == b"eXIf" {
            return Orientation::from_exif_chunk(data).unwrap_or(Orientation::NoTransforms);
        }
        rest = tail.get(length.saturating_add(4)..).unwrap_or_default();
    }
    Orientation::NoTransforms
}

/// Returns the bytes of memory per pixel, from reading the file to writing the new one. A PNG of 16 bits a colour is
/// copied while it is encoded, and a progressive JPEG is decoded from coefficients of 2 bytes. A turned picture is
/// copied once.
fn bytes_per_pixel(format: ImageFormat, decoded: u64, orientation: Orientation) -> u64 {
    match format {
        ImageFormat::Jpeg => decoded * 3,
        _ if decoded > 4 || orientation != Orientation::NoTransforms => decoded * 2,
        _ => decoded,
    }
}

/// Encodes the picture alone: metadata and any other format that follows it in the file are dropped. An export of the
/// tenant takes this file, so it should fit its slot, which takes `most` bytes.
fn encode_image(image: &DynamicImage, (format, most): (ImageFormat, usize)) -> Result<Vec<u8>, String> {
    let written = match format {
        ImageFormat::Jpeg => encode_jpeg(image, most),
        _ => encode_png(image),
    };
    written.map_err(|_| "The image cannot be written again".to_owned())
}

fn encode_jpeg(image: &DynamicImage, max: usize) -> Result<Vec<u8>, ImageError> {
    let (mut served, mut last) = (None, Vec::new());
    for quality in QUALITIES {
        let clean = encode_jpeg_at(image, quality)?;
        if clean.len() <= max {
            return Ok(clean);
        }
        if quality <= FALLBACK_QUALITY && served.is_none() && clean.len() <= MAX_SERVED_IMAGE_BYTES {
            served = Some(clean);
        } else {
            last = clean;
        }
    }
    Ok(served.unwrap_or(last))
}

fn encode_jpeg_at(image: &DynamicImage, quality: u8) -> Result<Vec<u8>, ImageError> {
    let mut clean = Vec::new();
    JpegEncoder::new_with_quality(&mut clean, quality).encode_image(image)?;
    Ok(clean)
}

fn encode_png(image: &DynamicImage) -> Result<Vec<u8>, ImageError> {
    let mut clean = Cursor::new(Vec::new());
    let pixels = image.as_bytes().len() as u64;
    let is_small = pixels <= PNG_OPTIMIZED_LIMIT;
    let compression = if is_small { CompressionType::Fast } else { CompressionType::Default };
    image.write_with_encoder(PngEncoder::new_with_quality(&mut clean, compression, FilterType::Adaptive))?;
    let clean = clean.into_inner();
    if !is_small {
        return Ok(clean);
    }
    let options = oxipng::Options::from_preset(u8::from(pixels <= PNG_STRONG_LIMIT));
    // Without the optimization the encoder's own file is equally valid, only larger.
    Ok(oxipng::optimize_from_memory(&clean, &options).unwrap_or(clean))
}

/// `GET /images/org/{org}/{file}`: needs no authentication, because the login page shows it to people who are not
/// logged in.
pub(super) async fn serve_image(
    State(app): State<Arc<App>>,
    Extension(account): Extension<RequestMemory>,
    Path((org, file)): Path<(i64, String)>,
) -> Result<Response, ApiError> {
    let missing = || ApiError::not_found("Image", &file);
    let content_type = app.store.image_type(org, &file).await?.ok_or_else(missing)?;
    let picture = app.image_cache.load_image(&app, org, &file, &account).await?.ok_or_else(missing)?;
    let content_type = HeaderValue::from_str(&content_type).map_err(|_| ApiError::Internal)?;
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
        (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'")),
        // A console on another host may show the brand too; the picture is public.
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin")),
    ];
    let mut response = (StatusCode::OK, headers, Body::from(Bytes::from_owner(ImageBody(picture)))).into_response();
    response.extensions_mut().insert(AlreadyCounted);
    Ok(response)
}

/// Body of an image that is being sent.
struct ImageBody(Arc<TrackedBytes>);

impl AsRef<[u8]> for ImageBody {
    fn as_ref(&self) -> &[u8] {
        TrackedBytes::as_ref(&self.0)
    }
}

/// Images that are being sent now: all readers of one image share its bytes.
#[derive(Default)]
pub(super) struct ImageCache(Mutex<HashMap<(i64, String), Weak<TrackedBytes>>>);

impl ImageCache {
    /// Loads an image from the database, one at a time, unless another reader already has it. The request that loads it
    /// is charged with its memory.
    pub(super) async fn load_image(
        &self,
        app: &App,
        org: i64,
        file: &str,
        memory: &RequestMemory,
    ) -> Result<Option<Arc<TrackedBytes>>, ApiError> {
        let mut sent = self.0.lock().await;
        let key = (org, file.to_owned());
        if let Some(picture) = sent.get(&key).and_then(Weak::upgrade) {
            return Ok(Some(picture));
        }
        sent.retain(|_, picture| picture.strong_count() > 0);
        let Some((_, content)) = app.store.image(org, file).await? else { return Ok(None) };
        let hold = memory.reserve_bytes(content.len())?;
        let bytes = STANDARD.decode(content).map_err(|_| ApiError::Internal)?.into();
        let picture = Arc::new(TrackedBytes { bytes, _hold: hold });
        sent.insert(key, Arc::downgrade(&picture));
        Ok(Some(picture))
    }
}
