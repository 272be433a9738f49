//! Recommendations of the product documentation for images are advice, and formats are a rule.

use tenantry_core::{ImageFormat, ImageRule, judge_image};

/// Returns a PNG of these dimensions and this size, with a valid header only.
fn png_header((width, height): (u32, u32), bytes: usize) -> Vec<u8> {
    let mut image = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    image.extend(width.to_be_bytes());
    image.extend(height.to_be_bytes());
    image.resize(bytes.max(image.len() + 9), 0);
    image
}

/// Returns a JPEG of these dimensions: its start and a frame header.
fn jpeg_header(width: u16, height: u16) -> Vec<u8> {
    let mut image = b"\xff\xd8\xff\xc0\x00\x11\x08".to_vec();
    image.extend(height.to_be_bytes());
    image.extend(width.to_be_bytes());
    image.extend([3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    image
}

/// shows: seeds/branding/logo-size, seeds/branding/logo-width, seeds/branding/favicon-size, seeds/branding/favicon-square
/// shows: seeds/branding/background-recommended
#[test]
fn an_image_beyond_the_recommended_size_gets_advice_and_passes() {
    let advice = |image: Vec<u8>, rule| judge_image(&image, rule).expect("a recommendation is no rule").1;
    for (rule, fits, beyond) in [
        (
            ImageRule::LOGO,
            png_header((512, 512), 9_999),
            vec![png_header((513, 512), 99), png_header((512, 513), 99), png_header((512, 512), 10_000)],
        ),
        (
            ImageRule::FAVICON,
            png_header((128, 128), 9_999),
            vec![png_header((129, 129), 99), png_header((128, 128), 10_000)],
        ),
        (
            ImageRule::BACKGROUND,
            png_header((1440, 900), 99_999),
            vec![png_header((1441, 900), 99), png_header((1440, 901), 99)],
        ),
    ] {
        assert_eq!(advice(fits, rule), None);
        for image in beyond {
            let (wide, high) = rule.recommended_size;
            let advice = advice(image, rule).expect("it is beyond what is recommended");
            assert!(advice.contains("recommended are "), "{advice}");
            assert!(advice.contains(&wide.to_string()) && advice.contains(&high.to_string()), "{advice}");
        }
    }
}

/// shows: seeds/branding/logo-height
#[test]
fn a_logo_of_another_height_gets_advice() {
    for size in [(512, 512), (1, 512)] {
        assert_eq!(judge_image(&png_header(size, 99), ImageRule::LOGO), Ok((ImageFormat::Png, None)), "{size:?}");
    }
    for size in [(40, 10), (512, 511), (64, 600)] {
        let (_, advice) = judge_image(&png_header(size, 99), ImageRule::LOGO).expect("a recommendation is no rule");
        assert!(advice.expect("it is not 512 high").contains("a height of 512 and a width of at most 512"), "{size:?}");
    }
}

/// shows: seeds/branding/favicon-square
#[test]
fn a_favicon_is_square_or_refused() {
    for side in [16, 128, 256] {
        assert!(judge_image(&png_header((side, side), 99), ImageRule::FAVICON).is_ok());
    }
    for size in [(128, 16), (127, 128), (256, 128)] {
        let refusal = judge_image(&png_header(size, 99), ImageRule::FAVICON).expect_err("it is not square");
        assert!(refusal.contains("must be square: cut it or pad it, 128 x 128 is recommended"), "{refusal}");
    }
    assert!(judge_image(&jpeg_header(64, 32), ImageRule::FAVICON).is_err());
}

/// shows: seeds/branding/logo-format, seeds/branding/favicon-format, seeds/branding/background-format
#[test]
fn each_image_may_be_png_or_jpeg_and_nothing_else() {
    for rule in [ImageRule::LOGO, ImageRule::FAVICON, ImageRule::BACKGROUND] {
        let kind = |image: &[u8]| judge_image(image, rule).map(|(kind, _)| kind);
        assert_eq!(kind(&png_header((64, 64), 99)), Ok(ImageFormat::Png));
        assert_eq!(kind(&jpeg_header(64, 64)), Ok(ImageFormat::Jpeg));
        for other in [b"GIF89a\x40\0\x40\0\0\0\0".as_slice(), b"<svg xmlns='http://www.w3.org/2000/svg'/>", b""] {
            let refusal = kind(other).expect_err("it is no picture of these two kinds");
            assert!(refusal.contains("neither PNG nor JPEG: convert it"), "{refusal}");
        }
    }
}
