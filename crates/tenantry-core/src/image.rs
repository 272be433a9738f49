//! Checks the bytes of an image before it is sent.

use imagesize::{ImageSize, ImageType};

use super::Field;

/// Kind of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFormat {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
}

impl ImageFormat {
    /// Returns the file extension.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
        }
    }
}

/// Relation of width and height that is required or recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageShape {
    /// Width equals height; other images are refused.
    Square,
    /// Recommended: exactly the recommended height.
    FullHeight,
    /// No requirement.
    Any,
}

/// Limits and recommendations for one use of an image.
#[derive(Clone, Copy, Debug)]
pub struct ImageRule {
    /// Maximum size in bytes.
    pub max_bytes: usize,
    /// Recommended maximum size in bytes; 0 if there is no recommendation.
    pub recommended_bytes: usize,
    /// Recommended maximum width and height in pixels.
    pub recommended_size: (usize, usize),
    /// Shape that is required or recommended.
    pub shape: ImageShape,
}

impl ImageRule {
    /// Returns the rule for a field that is an image.
    pub const fn for_field(field: Field) -> Option<Self> {
        match field {
            Field::Logo => Some(Self::LOGO),
            Field::Favicon => Some(Self::FAVICON),
            Field::LoginBackgroundImage => Some(Self::BACKGROUND),
            _ => None,
        }
    }

    /// Maximum length of a side in pixels.
    pub const MAX_SIDE: usize = 4096;
    /// The logo: recommended are less than 10 KB, a height of 512 px and a width of at most 512 px.
    pub const LOGO: Self = Self {
        max_bytes: 64 * 1024,
        recommended_bytes: 10_000,
        recommended_size: (512, 512),
        shape: ImageShape::FullHeight,
    };
    /// The favicon: square; recommended are less than 10 KB and 128 x 128 px.
    pub const FAVICON: Self = Self {
        max_bytes: 64 * 1024,
        recommended_bytes: 10_000,
        recommended_size: (128, 128),
        shape: ImageShape::Square,
    };
    /// The background: recommended are 1440 x 900 px; a smaller one is tiled.
    pub const BACKGROUND: Self =
        Self { max_bytes: 512 * 1024, recommended_bytes: 0, recommended_size: (1440, 900), shape: ImageShape::Any };
}

/// Checks an image. Returns its format and, if it differs from a recommendation, a sentence about that.
///
/// # Errors
///
/// Returns a clause that explains what is wrong and what is allowed.
pub fn check_image(bytes: &[u8], rule: ImageRule) -> Result<(ImageFormat, Option<String>), String> {
    if bytes.len() > rule.max_bytes {
        return Err(format!("is {} bytes, at most {} are allowed: use a smaller file", bytes.len(), rule.max_bytes));
    }
    let kind = match imagesize::image_type(bytes) {
        Ok(ImageType::Png) => ImageFormat::Png,
        Ok(ImageType::Jpeg) => ImageFormat::Jpeg,
        Ok(_) | Err(_) => return Err("is neither PNG nor JPEG: convert it to one of them".to_owned()),
    };
    let size =
        imagesize::blob_size(bytes).map_err(|_| "has a damaged header: export it again as PNG or JPEG".to_owned())?;
    if size.width == 0 || size.height == 0 || size.width.max(size.height) > ImageRule::MAX_SIDE {
        return Err(format!(
            "is {} x {} pixels, at most {} a side are allowed: scale it down",
            size.width,
            size.height,
            ImageRule::MAX_SIDE
        ));
    }
    if rule.shape == ImageShape::Square && size.width != size.height {
        return Err(format!(
            "is {} x {} pixels and must be square: cut it or pad it, {} x {} is recommended",
            size.width, size.height, rule.recommended_size.0, rule.recommended_size.1
        ));
    }
    Ok((kind, recommendation(size, bytes.len(), rule)))
}

/// Returns the recommendation of the documentation if an image differs from it.
fn recommendation(ImageSize { width, height }: ImageSize, bytes: usize, rule: ImageRule) -> Option<String> {
    let (wide, high) = rule.recommended_size;
    let is_heavy = rule.recommended_bytes > 0 && bytes >= rule.recommended_bytes;
    let is_low = rule.shape == ImageShape::FullHeight && height < high;
    let weight = if rule.recommended_bytes > 0 {
        format!(" and less than {} bytes", rule.recommended_bytes)
    } else {
        String::new()
    };
    let size = match rule.shape {
        ImageShape::FullHeight => format!("a height of {high} and a width of at most {wide}"),
        ImageShape::Square | ImageShape::Any => format!("at most {wide} x {high}"),
    };
    (is_heavy || is_low || width > wide || height > high)
        .then(|| format!("is {width} x {height} pixels and {bytes} bytes, recommended are {size}{weight}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the first bytes of a PNG of the given size; enough for its header.
    fn png_header(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 6, 0, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn png_passes_and_large_ones_get_advice() {
        assert_eq!(check_image(&png_header(128, 128), ImageRule::FAVICON), Ok((ImageFormat::Png, None)));
        let (_, advice) = check_image(&png_header(256, 256), ImageRule::FAVICON).unwrap();
        assert!(advice.unwrap().contains("128 x 128"));
    }

    #[test]
    fn other_formats_and_sizes_are_refused_with_the_way_out() {
        assert!(check_image(b"<svg/>", ImageRule::LOGO).unwrap_err().contains("neither PNG nor JPEG"));
        assert!(
            check_image(b"GIF89a\x01\0\x01\0\0\0\0", ImageRule::LOGO).unwrap_err().contains("neither PNG nor JPEG")
        );
        assert!(check_image(&png_header(5000, 10), ImageRule::LOGO).unwrap_err().contains("scale it down"));
        assert!(check_image(&vec![0; 70_000], ImageRule::LOGO).unwrap_err().contains("smaller file"));
    }
}
