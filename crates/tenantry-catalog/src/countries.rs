//! Countries: the only table of names, codes and other names.
//!
//! Source: ISO 3166-1 (codes and English short names).

mod names;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use names::{OTHER_NAMES, TWO_LETTERS};

/// Every country: three-letter code and name.
pub const COUNTRIES: &[(&str, &str)] = &[
    ("AFG", "Afghanistan"),
    ("ALB", "Albania"),
    ("DZA", "Algeria"),
    ("ASM", "American Samoa"),
    ("AND", "Andorra"),
    ("AGO", "Angola"),
    ("AIA", "Anguilla"),
    ("ATA", "Antarctica"),
    ("ATG", "Antigua and Barbuda"),
    ("ARG", "Argentina"),
    ("ARM", "Armenia"),
    ("ABW", "Aruba"),
    ("AUS", "Australia"),
    ("AUT", "Austria"),
    ("AZE", "Azerbaijan"),
    ("BHS", "Bahamas"),
    ("BHR", "Bahrain"),
    ("BGD", "Bangladesh"),
    ("BRB", "Barbados"),
    ("BLR", "Belarus"),
    ("BEL", "Belgium"),
    ("BLZ", "Belize"),
    ("BEN", "Benin"),
    ("BMU", "Bermuda"),
    ("BTN", "Bhutan"),
    ("BOL", "Bolivia"),
    ("BIH", "Bosnia and Herzegovina"),
    ("BWA", "Botswana"),
    ("BVT", "Bouvet Island"),
    ("BRA", "Brazil"),
    ("IOT", "British Indian Ocean Territory"),
    ("VGB", "British Virgin Islands"),
    ("BRN", "Brunei"),
    ("BGR", "Bulgaria"),
    ("BFA", "Burkina Faso"),
    ("BDI", "Burundi"),
    ("KHM", "Cambodia"),
    ("CMR", "Cameroon"),
    ("CAN", "Canada"),
    ("CPV", "Cape Verde"),
    ("BES", "Caribbean NL"),
    ("CYM", "Cayman Islands"),
    ("CAF", "Central African Rep."),
    ("TCD", "Chad"),
    ("CHL", "Chile"),
    ("CHN", "China"),
    ("CXR", "Christmas Island"),
    ("CCK", "Cocos (Keeling) Islands"),
    ("COL", "Colombia"),
    ("COM", "Comoros"),
    ("COG", "Congo"),
    ("COK", "Cook Islands"),
    ("CRI", "Costa Rica"),
    ("HRV", "Croatia"),
    ("CUB", "Cuba"),
    ("CUW", "Curaçao"),
    ("CYP", "Cyprus"),
    ("CZE", "Czechia"),
    ("CIV", "Côte d'Ivoire"),
    ("COD", "DR Congo"),
    ("DNK", "Denmark"),
    ("DJI", "Djibouti"),
    ("DMA", "Dominica"),
    ("DOM", "Dominican Republic"),
    ("TLS", "East Timor"),
    ("ECU", "Ecuador"),
    ("EGY", "Egypt"),
    ("SLV", "El Salvador"),
    ("GNQ", "Equatorial Guinea"),
    ("ERI", "Eritrea"),
    ("EST", "Estonia"),
    ("SWZ", "Eswatini (Swaziland)"),
    ("ETH", "Ethiopia"),
    ("FLK", "Falkland Islands"),
    ("FRO", "Faroe Islands"),
    ("FJI", "Fiji"),
    ("FIN", "Finland"),
    ("FRA", "France"),
    ("GUF", "French Guiana"),
    ("PYF", "French Polynesia"),
    ("ATF", "French S. Terr."),
    ("GAB", "Gabon"),
    ("GMB", "Gambia"),
    ("GEO", "Georgia"),
    ("DEU", "Germany"),
    ("GHA", "Ghana"),
    ("GIB", "Gibraltar"),
    ("GRC", "Greece"),
    ("GRL", "Greenland"),
    ("GRD", "Grenada"),
    ("GLP", "Guadeloupe"),
    ("GUM", "Guam"),
    ("GTM", "Guatemala"),
    ("GGY", "Guernsey"),
    ("GIN", "Guinea"),
    ("GNB", "Guinea-Bissau"),
    ("GUY", "Guyana"),
    ("HTI", "Haiti"),
    ("HMD", "Heard Island and McDonald Islands"),
    ("HND", "Honduras"),
    ("HKG", "Hong Kong"),
    ("HUN", "Hungary"),
    ("ISL", "Iceland"),
    ("IND", "India"),
    ("IDN", "Indonesia"),
    ("IRN", "Iran"),
    ("IRQ", "Iraq"),
    ("IRL", "Ireland"),
    ("IMN", "Isle of Man"),
    ("ISR", "Israel"),
    ("ITA", "Italy"),
    ("JAM", "Jamaica"),
    ("JPN", "Japan"),
    ("JEY", "Jersey"),
    ("JOR", "Jordan"),
    ("KAZ", "Kazakhstan"),
    ("KEN", "Kenya"),
    ("KIR", "Kiribati"),
    ("KWT", "Kuwait"),
    ("KGZ", "Kyrgyzstan"),
    ("LAO", "Laos"),
    ("LVA", "Latvia"),
    ("LBN", "Lebanon"),
    ("LSO", "Lesotho"),
    ("LBR", "Liberia"),
    ("LBY", "Libya"),
    ("LIE", "Liechtenstein"),
    ("LTU", "Lithuania"),
    ("LUX", "Luxembourg"),
    ("MAC", "Macau"),
    ("MDG", "Madagascar"),
    ("MWI", "Malawi"),
    ("MYS", "Malaysia"),
    ("MDV", "Maldives"),
    ("MLI", "Mali"),
    ("MLT", "Malta"),
    ("MHL", "Marshall Islands"),
    ("MTQ", "Martinique"),
    ("MRT", "Mauritania"),
    ("MUS", "Mauritius"),
    ("MYT", "Mayotte"),
    ("MEX", "Mexico"),
    ("FSM", "Micronesia"),
    ("MDA", "Moldova"),
    ("MCO", "Monaco"),
    ("MNG", "Mongolia"),
    ("MNE", "Montenegro"),
    ("MSR", "Montserrat"),
    ("MAR", "Morocco"),
    ("MOZ", "Mozambique"),
    ("MMR", "Myanmar"),
    ("NAM", "Namibia"),
    ("NRU", "Nauru"),
    ("NPL", "Nepal"),
    ("NLD", "Netherlands"),
    ("NCL", "New Caledonia"),
    ("NZL", "New Zealand"),
    ("NIC", "Nicaragua"),
    ("NER", "Niger"),
    ("NGA", "Nigeria"),
    ("NIU", "Niue"),
    ("NFK", "Norfolk Island"),
    ("PRK", "North Korea"),
    ("MKD", "North Macedonia"),
    ("MNP", "Northern Mariana Islands"),
    ("NOR", "Norway"),
    ("OMN", "Oman"),
    ("PAK", "Pakistan"),
    ("PLW", "Palau"),
    ("PSE", "Palestine"),
    ("PAN", "Panama"),
    ("PNG", "Papua New Guinea"),
    ("PRY", "Paraguay"),
    ("PER", "Peru"),
    ("PHL", "Philippines"),
    ("PCN", "Pitcairn"),
    ("POL", "Poland"),
    ("PRT", "Portugal"),
    ("PRI", "Puerto Rico"),
    ("QAT", "Qatar"),
    ("ROU", "Romania"),
    ("RUS", "Russia"),
    ("RWA", "Rwanda"),
    ("REU", "Réunion"),
    ("BLM", "Saint Barthelemy"),
    ("SHN", "Saint Helena"),
    ("KNA", "Saint Kitts and Nevis"),
    ("LCA", "Saint Lucia"),
    ("MAF", "Saint Martin"),
    ("SPM", "Saint Pierre and Miquelon"),
    ("VCT", "Saint Vincent"),
    ("WSM", "Samoa"),
    ("SMR", "San Marino"),
    ("STP", "Sao Tome and Principe"),
    ("SAU", "Saudi Arabia"),
    ("SEN", "Senegal"),
    ("SRB", "Serbia"),
    ("SYC", "Seychelles"),
    ("SLE", "Sierra Leone"),
    ("SGP", "Singapore"),
    ("SXM", "Sint Maarten"),
    ("SVK", "Slovakia"),
    ("SVN", "Slovenia"),
    ("SLB", "Solomon Islands"),
    ("SOM", "Somalia"),
    ("ZAF", "South Africa"),
    ("SGS", "South Georgia and the South Sandwich Islands"),
    ("KOR", "South Korea"),
    ("SSD", "South Sudan"),
    ("ESP", "Spain"),
    ("LKA", "Sri Lanka"),
    ("SDN", "Sudan"),
    ("SUR", "Suriname"),
    ("SJM", "Svalbard and Jan Mayen"),
    ("SWE", "Sweden"),
    ("CHE", "Switzerland"),
    ("SYR", "Syria"),
    ("TWN", "Taiwan"),
    ("TJK", "Tajikistan"),
    ("TZA", "Tanzania"),
    ("THA", "Thailand"),
    ("TGO", "Togo"),
    ("TKL", "Tokelau"),
    ("TON", "Tonga"),
    ("TTO", "Trinidad and Tobago"),
    ("TUN", "Tunisia"),
    ("TUR", "Turkey"),
    ("TKM", "Turkmenistan"),
    ("TCA", "Turks and Caicos Is"),
    ("TUV", "Tuvalu"),
    ("VIR", "US Virgin Islands"),
    ("UMI", "US minor outlying islands"),
    ("UGA", "Uganda"),
    ("UKR", "Ukraine"),
    ("ARE", "United Arab Emirates"),
    ("GBR", "United Kingdom"),
    ("USA", "United States"),
    ("URY", "Uruguay"),
    ("UZB", "Uzbekistan"),
    ("VUT", "Vanuatu"),
    ("VAT", "Vatican City"),
    ("VEN", "Venezuela"),
    ("VNM", "Vietnam"),
    ("WLF", "Wallis and Futuna"),
    ("ESH", "Western Sahara"),
    ("YEM", "Yemen"),
    ("ZMB", "Zambia"),
    ("ZWE", "Zimbabwe"),
    ("ALA", "Åland Islands"),
];

/// Countries by their normalised names.
static COUNTRIES_BY_NAME: LazyLock<BTreeMap<String, &'static str>> = LazyLock::new(|| {
    let own = COUNTRIES.iter().map(|(_, name)| (normalise_name(name), *name));
    let two = TWO_LETTERS.split_whitespace().filter_map(|pair| {
        let (two, three) = pair.split_at_checked(2)?;
        let (_, name) = COUNTRIES.iter().find(|(code, _)| *code == three)?;
        Some((normalise_name(two), *name))
    });
    let three = COUNTRIES.iter().map(|(code, name)| (normalise_name(code), *name));
    let other = OTHER_NAMES.iter().map(|(other, name)| (normalise_name(other), *name));
    own.chain(two).chain(three).chain(other).collect()
});

/// Returns the name of a country by its name, its two- or three-letter code or another name in use, in any case.
pub fn find_country(text: &str) -> Option<&'static str> {
    COUNTRIES_BY_NAME.get(&normalise_name(text)).copied()
}

/// Normalises a name: its words in small letters, without accents, punctuation and articles.
fn normalise_name(text: &str) -> String {
    let plain: String = text.chars().flat_map(char::to_lowercase).filter_map(strip_accent).collect();
    let words: Vec<&str> = plain.split_whitespace().filter(|word| *word != "the").collect();
    words.join(" ")
}

/// Returns a small letter without its accent, a blank for a separator between words, and `None` for a combining accent
/// or the dot of an abbreviation.
fn strip_accent(letter: char) -> Option<char> {
    Some(match letter {
        '\u{300}'..='\u{36f}' | '.' => return None,
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' | 'ı' => 'i',
        'ñ' => 'n',
        'ò'..='ö' => 'o',
        'ù'..='ü' => 'u',
        letter if letter.is_alphanumeric() => letter,
        _ => ' ',
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// shows: seeds/account/country
    #[test]
    fn a_country_is_found_by_name_code_and_other_name() {
        for text in ["Germany", "germany", " GERMANY ", "DEU", "deu", "DE", "de"] {
            assert_eq!(find_country(text), Some("Germany"), "{text}");
        }
        for (text, name) in [
            ("USA", "United States"),
            ("US", "United States"),
            ("U.S.A.", "United States"),
            ("uk", "United Kingdom"),
            ("GB", "United Kingdom"),
            ("TÜRKİYE", "Turkey"),
            ("TÜRKIYE", "Turkey"),
            ("Tu\u{308}rkiye", "Turkey"),
            ("CÔTE D’IVOIRE", "Côte d'Ivoire"),
            ("Cote d'Ivoire", "Côte d'Ivoire"),
            ("CURAÇAO", "Curaçao"),
            ("åland islands", "Åland Islands"),
            ("Saint Barthélemy", "Saint Barthelemy"),
            ("The Gambia", "Gambia"),
            ("Bahamas (the)", "Bahamas"),
            ("Congo (the Democratic Republic of the)", "DR Congo"),
            ("Congo (the)", "Congo"),
            ("Korea (the Republic of)", "South Korea"),
            ("Korea (Democratic People's Republic of)", "North Korea"),
            ("Guinea Bissau", "Guinea-Bissau"),
            ("Niger", "Niger"),
            ("Nigeria", "Nigeria"),
        ] {
            assert_eq!(find_country(text), Some(name), "{text}");
        }
        for text in ["Atlantis", "", "the", "XX", "D", "Congo Republic Democratic"] {
            assert_eq!(find_country(text), None, "{text}");
        }
    }

    #[test]
    fn every_country_has_its_codes_and_no_name_is_that_of_two() {
        let two: Vec<&str> = TWO_LETTERS.split_whitespace().collect();
        assert_eq!(two.len(), COUNTRIES.len());
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for (code, name) in COUNTRIES {
            let pair = two.iter().find(|pair| pair.get(2..) == Some(code)).unwrap_or_else(|| panic!("{code}"));
            let names = [*name, code, &pair[..2]];
            let others = OTHER_NAMES.iter().filter(|(_, known)| known == name).map(|(other, _)| *other);
            for text in names.into_iter().chain(others) {
                assert_eq!(find_country(text), Some(*name), "{text}");
                for text in [text.to_uppercase(), text.to_lowercase()] {
                    assert_eq!(find_country(&text), Some(*name), "{text}");
                }
                let before = seen.insert(normalise_name(text), name);
                assert!(before.is_none_or(|before| before == *name), "{text} is {name} and {before:?}");
            }
        }
    }

    #[test]
    fn every_other_name_leads_to_a_country_of_the_table() {
        for (other, name) in OTHER_NAMES {
            assert!(COUNTRIES.iter().any(|(_, known)| known == name), "{other} leads to {name}");
        }
    }
}
