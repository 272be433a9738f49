//! Pictures from other encoders, as users upload them. The platform encodes each of them again, into other bytes.

use base64::Engine as _;
use serde_json::{Value, json};

/// Each has 64 x 64 pixels: a PNG of Pillow with a palette, text chunks and a transparent colour; an interlaced one of
/// `PyPNG` with its gamma; a progressive JPEG of libjpeg-turbo with a camera's metadata.
pub(crate) const ENCODED_PICTURES: [(&str, &[u8]); 3] = [
    ("palette.png", include_bytes!("encoders/palette.png")),
    ("interlaced.png", include_bytes!("encoders/interlaced.png")),
    ("progressive.jpg", include_bytes!("encoders/progressive.jpg")),
];

/// Returns one of them as a request carries it.
pub(crate) fn upload_body(index: usize) -> Value {
    let (name, bytes) = ENCODED_PICTURES[index % ENCODED_PICTURES.len()];
    json!({"name": name, "file": base64::engine::general_purpose::STANDARD.encode(bytes)})
}
