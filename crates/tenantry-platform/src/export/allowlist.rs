//! Allowlist of export destinations, and the match of a request against it.

use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization as _;
use url::Url;

/// Destination of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// A path below an allowed folder.
    Folder {
        /// The folder of the allowlist.
        root: PathBuf,
        /// Path below it, without a leading slash.
        below: PathBuf,
    },
    /// A prefix in a bucket.
    Bucket {
        /// Scheme, host and port.
        endpoint: Url,
        /// First segment of the path.
        bucket: String,
        /// The rest of the path, without slashes around it.
        prefix: String,
    },
    /// A URL that accepts POST requests.
    Webhook(Url),
}

enum AllowlistEntry {
    Folder(PathBuf),
    Url(Url),
}

/// The destinations that the configuration allows.
pub(super) struct DestinationAllowlist(Vec<AllowlistEntry>);

impl DestinationAllowlist {
    /// Parses the entries: folders by absolute path, and URLs (`https:`, `http:`, `s3+https:`, `s3+http:`) that also
    /// allow everything below their path.
    pub(super) fn new(entries: &[String]) -> Result<Self, String> {
        let entry = |text: &String| {
            if let Some(path) = parse_folder(text) {
                return Ok(AllowlistEntry::Folder(path));
            }
            parse_url(text).map(AllowlistEntry::Url).ok_or_else(|| {
                format!("the export destination `{text}` is neither an absolute path nor an http or s3+http URL")
            })
        };
        Ok(Self(entries.iter().map(entry).collect::<Result<_, _>>()?))
    }

    /// Returns the destination of a request if it equals an entry or lies below one.
    pub(super) fn find(&self, requested: &str) -> Option<Destination> {
        if let Some(path) = parse_folder(requested) {
            return self.0.iter().find_map(|entry| {
                let AllowlistEntry::Folder(root) = entry else { return None };
                let below = path.strip_prefix(root).ok()?.to_owned();
                Some(Destination::Folder { root: root.clone(), below })
            });
        }
        let url = parse_url(requested)?;
        let holds = |entry: &AllowlistEntry| matches!(entry, AllowlistEntry::Url(allowed) if is_below(&url, allowed));
        if !self.0.iter().any(holds) {
            return None;
        }
        let Some(scheme) = url.scheme().strip_prefix("s3+") else { return Some(Destination::Webhook(url)) };
        let (bucket, prefix) =
            url.path().trim_matches('/').split_once('/').unwrap_or((url.path().trim_matches('/'), ""));
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let endpoint = Url::parse(&format!("{scheme}://{authority}")).ok()?;
        (!bucket.is_empty()).then(|| Destination::Bucket {
            endpoint,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

/// Parses an absolute path without `..` segments.
fn parse_folder(text: &str) -> Option<PathBuf> {
    let path = Path::new(text.strip_prefix("file://").unwrap_or(text));
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    (path.is_absolute() && plain && !text.contains('\0')).then(|| path.to_owned())
}

/// Parses a URL without user name, password and fragment, whose path has only one interpretation.
fn parse_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let path = url.path().strip_prefix('/').unwrap_or_default().trim_end_matches('/');
    let has_one_reading = path.is_empty() || path.split('/').all(is_plain_segment);
    let known = matches!(url.scheme(), "http" | "https" | "s3+http" | "s3+https");
    (known && plain && has_one_reading && url.host_str().is_some_and(|host| !host.is_empty())).then_some(url)
}

/// Returns whether a segment stays the same if a server decodes it once more, in another encoding or not at all: no
/// `..`, no slash, no parameter after a semicolon. `url` itself resolves `..` only for http.
fn is_plain_segment(segment: &str) -> bool {
    let Ok(decoded) = percent_decode_str(segment).decode_utf8() else { return false };
    let read: String = decoded.nfkc().collect();
    let splits = |letter: char| letter.is_control() || matches!(letter, '/' | '\\' | ';' | '%');
    // Some servers drop empty segments.
    !read.contains(splits) && !read.chars().all(|letter| letter == '.' || letter.is_whitespace())
}

fn is_below(url: &Url, allowed: &Url) -> bool {
    let port = |url: &Url| {
        let default = if url.scheme().ends_with("https") { 443 } else { 80 };
        url.port_or_known_default().unwrap_or(default)
    };
    let prefix = allowed.path().trim_end_matches('/');
    let below = url.path().strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    url.scheme() == allowed.scheme() && url.host_str() == allowed.host_str() && port(url) == port(allowed) && below
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_allowlist() -> DestinationAllowlist {
        let list = ["/var/exports", "https://hooks.example/in", "s3+https://s3.example:9000/bucket/tenantry"];
        DestinationAllowlist::new(&list.map(str::to_owned)).unwrap()
    }

    #[test]
    fn what_is_on_the_list_or_below_it_is_found() {
        let found = |text| test_allowlist().find(text);
        let folder = |below: &str| Some(Destination::Folder { root: "/var/exports".into(), below: below.into() });
        assert_eq!((found("/var/exports/acme"), found("file:///var/exports")), (folder("acme"), folder("")));
        assert!(matches!(found("https://hooks.example:443/in/x?key=1"), Some(Destination::Webhook(_))));
        for text in [
            "https://hooks.example/in/b%C3%BCro",
            "https://hooks.example/in/.well-known/a..b/",
            "https://hooks.example/in/",
        ] {
            assert!(matches!(found(text), Some(Destination::Webhook(_))), "{text}");
        }
        let Some(Destination::Bucket { endpoint, bucket, prefix }) =
            found("s3+https://s3.example:9000/bucket/tenantry/a")
        else {
            panic!("it is on the list");
        };
        assert_eq!(
            (endpoint.as_str(), bucket.as_str(), prefix.as_str()),
            ("https://s3.example:9000/", "bucket", "tenantry/a")
        );
    }

    #[test]
    fn nothing_else_is_reached_by_any_spelling() {
        for text in [
            "",
            "exports",
            "/var/exports2",
            "/var/exports/../../etc",
            "/etc",
            "file://host/var/exports",
            "http://hooks.example/in",
            "https://hooks.example/inside",
            "https://hooks.example/in/../admin",
            "https://hooks.example/in/%2e%2e/admin",
            "https://hooks.example/in/..%2fadmin",
            "https://hooks.example/in/..%2Fadmin",
            "https://hooks.example/in/..%5cadmin",
            "https://hooks.example/in/..;/admin",
            "https://hooks.example/in//evil.example",
            "https://hooks.example/in/%252e%252e/admin",
            "https://hooks.example/in/%25252e%25252e/admin",
            "https://hooks.example/in/..%3badmin",
            "https://hooks.example/in/..%c0%afadmin",
            "https://hooks.example/in/.%09./admin",
            "https://hooks.example/in/..%20/admin",
            "https://hooks.example/in/\u{ff0e}\u{ff0e}/admin",
            "https://hooks.example/in/\u{2025}/admin",
            "https://hooks.example/in/..\u{ff0f}admin",
            "https://hooks.example/in/%u002e%u002e/admin",
            "s3+https://s3.example:9000/bucket/tenantry/..%2fother",
            "s3+https://s3.example:9000/bucket/tenantry//other",
            "https://hooks.example:8443/in",
            "https://hooks.example@169.254.169.254/in",
            "https://user:pass@hooks.example/in",
            "https://hooks.example.evil.example/in",
            "https:\\\\evil.example\\in",
            "https://169.254.169.254/in",
            "s3+https://s3.example:9000/bucket",
            "s3+https://s3.example:9000/bucket/tenantry/../../other",
            "s3+https://s3.example:9000/bucket/tenantry/%2E%2e/other",
            "s3+https://s3.example/bucket/tenantry",
            "gopher://hooks.example/in",
        ] {
            assert_eq!(test_allowlist().find(text), None, "{text}");
        }
        assert!(
            DestinationAllowlist::new(&["ftp://x".to_owned()]).is_err()
                && DestinationAllowlist::new(&["relative".to_owned()]).is_err()
        );
    }
}
