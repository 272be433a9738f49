//! Which build this is, from the variables that the build script sets.

use std::sync::LazyLock;

use jiff::Timestamp;

/// Version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that was built; `None` in a debug build and in a build without git.
pub const COMMIT: Option<&str> = option_env!("TENANTRY_BUILT_OF");

/// Returns the day of the commit, or of `SOURCE_DATE_EPOCH`, in UTC. A second build of the same commit has the same
/// day.
pub fn commit_date() -> Option<String> {
    format_day(option_env!("TENANTRY_BUILT_AT")?)
}

/// Returns version, commit and date in one line.
pub fn version_text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let is_release = env!("TENANTRY_IS_RELEASE") == "true";
        format!("{VERSION} ({})", describe_build(COMMIT, commit_date().as_deref(), is_release))
    });
    &TEXT
}

fn format_day(seconds: &str) -> Option<String> {
    let time = Timestamp::from_second(seconds.parse().ok()?).ok()?;
    Some(time.strftime("%Y-%m-%d").to_string())
}

fn describe_build(commit: Option<&str>, date: Option<&str>, is_release: bool) -> String {
    let of = match commit {
        Some(commit) => format!("commit {commit}"),
        None if is_release => "commit unknown, built without git".to_owned(),
        None => "debug build".to_owned(),
    };
    date.map_or_else(|| of.clone(), |date| format!("{of}, {date}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_names_its_commit_and_day_or_says_that_it_knows_none() {
        assert_eq!(format_day("1796021696").as_deref(), Some("2026-11-30"));
        assert_eq!(format_day("yesterday"), None);
        assert_eq!(describe_build(Some("40c4783"), Some("2026-11-30"), true), "commit 40c4783, 2026-11-30");
        assert_eq!(describe_build(None, None, true), "commit unknown, built without git");
        assert_eq!(describe_build(None, None, false), "debug build");
        assert!(version_text().starts_with(concat!(env!("CARGO_PKG_VERSION"), " (")), "{}", version_text());
    }
}
