//! Times that a page shows as an example.

use jiff::{SignedDuration, Timestamp};

use crate::assets;

/// Returns the times of a text behind a word.
fn times<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = Timestamp> + 't {
    let behind = text.lines().filter_map(move |line| Some(line.split_once(word)?.1));
    behind.flat_map(|rest| rest.split([' ', '"'])).filter_map(|word| word.parse().ok())
}

#[test]
fn the_consent_of_the_readme_ends_within_seven_days_of_what_stands_above_it() {
    let readme = std::fs::read_to_string(assets::root().join("README.md")).unwrap();
    let ends: Vec<Timestamp> = times(&readme, "notAfter: ").collect();
    let made = times(&readme, "client.tenantry.dev/globex ").max().unwrap();
    assert!(!ends.is_empty());
    for end in ends {
        assert!(made < end && end <= made + SignedDuration::from_hours(7 * 24), "{end} for what was made at {made}");
    }
}
