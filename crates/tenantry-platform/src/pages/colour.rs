//! Colours, and the contrast that text needs (WCAG 2.2, 1.4.3).

use std::fmt;

/// Minimum contrast of text.
pub(super) const READABLE: f64 = 4.5;

/// A colour. Only parsed colours are written into a stylesheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour([u8; 3]);

impl Colour {
    pub(super) const BLACK: Self = Self([0, 0, 0]);
    pub(super) const WHITE: Self = Self([255, 255, 255]);

    /// Parses six hex digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() != 6 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let [_, red, green, blue] = u32::from_str_radix(text, 16).ok()?.to_be_bytes();
        Some(Self([red, green, blue]))
    }

    /// Returns the contrast, from 1 (equal) to 21 (black on white).
    pub(super) fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Returns black or white, whichever is more readable on this colour.
    pub(super) fn readable_text_colour(self) -> Self {
        if self.contrast(Self::BLACK) >= self.contrast(Self::WHITE) { Self::BLACK } else { Self::WHITE }
    }

    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.0722_f64.mul_add(blue, 0.2126_f64.mul_add(red, 0.7152 * green))
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrasts_are_those_of_the_guideline() {
        for (one, two, contrast) in [
            ("000000", "ffffff", 21.0),
            ("777777", "ffffff", 4.48),
            ("767676", "FFFFFF", 4.54),
            ("abcdef", "abcdef", 1.0),
        ] {
            let found = Colour::parse(one).unwrap().contrast(Colour::parse(two).unwrap());
            assert!((found - contrast).abs() < 0.01, "{one} on {two}: {found}");
        }
    }

    #[test]
    fn the_ink_is_always_readable() {
        for text in ["000000", "ffffff", "1f2937", "ff0000", "00ff00", "0000ff", "767676", "777777", "facc15"] {
            let colour = Colour::parse(text).unwrap();
            assert!(colour.readable_text_colour().contrast(colour) >= READABLE, "{text}");
        }
        assert_eq!(Colour::parse("facc15").unwrap().readable_text_colour(), Colour::BLACK);
        assert_eq!(Colour::parse("1f2937").unwrap().readable_text_colour(), Colour::WHITE);
    }

    #[test]
    fn what_is_no_colour_is_none() {
        for text in ["", "fff", "#fffff", "fffff}", "+fffff", "fffffff", "ééé"] {
            assert_eq!(Colour::parse(text), None, "{text}");
        }
        assert_eq!(Colour::parse("0aB1fF").unwrap().to_string(), "#0ab1ff");
    }
}
