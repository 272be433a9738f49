//! The values of flags. People type them and templates join them, so white space around an item and repeated items are
//! ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::ops::Deref;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command};
use tenantry_client::ProxyAddress;
use url::Url;

/// No flag needs a longer time, and this one can be added to any clock without overflow.
const MAX_DURATION: Duration = Duration::from_hours(24 * 366);

/// Hosts in the form that a connection uses: lower case, and no port if it is the default port of `https`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlatformHosts(BTreeSet<String>);

impl PlatformHosts {
    /// Returns whether the host of a connection is in the list.
    pub(super) fn contains(&self, host: &str) -> bool {
        self.0.contains(host)
    }
}

/// Platforms that moved to another host: the new host by the old one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlatformMoves(BTreeMap<String, String>);

impl PlatformMoves {
    /// Returns the host that an object recorded if the platform has moved from there to `host`; otherwise `host`.
    pub(crate) fn resolve_recorded<'a>(&self, host: &'a str, recorded: Option<&'a str>) -> &'a str {
        recorded.filter(|recorded| self.0.get(*recorded).is_some_and(|new| new == host)).unwrap_or(host)
    }
}

/// Names of namespaces, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceNames(Vec<String>);

impl Deref for NamespaceNames {
    type Target = [String];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Returns the items of a list.
fn split_items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

pub(super) fn parse_hosts(text: &str) -> Result<PlatformHosts, String> {
    split_items(text).map(parse_host).collect::<Result<_, _>>().map(PlatformHosts)
}

fn parse_host(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is no host: write `host` or `host:port`, for example `acme.api.example`");
    let url = Url::parse(&format!("https://{text}")).map_err(|_| wrong())?;
    let is_bare = url.path() == "/" && !text.contains(['/', '@', '?', '#']);
    let host = url.host_str().filter(|_| is_bare).ok_or_else(wrong)?;
    Ok(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// Parses `old=new` items.
pub(super) fn parse_moves(text: &str) -> Result<PlatformMoves, String> {
    let mut moves = BTreeMap::new();
    for item in split_items(text) {
        let wrong = || format!("`{item}` is no move: write `OLD=NEW`, the old and the new host of one platform");
        let (old, new) = item.split_once('=').ok_or_else(wrong)?;
        let (old, new) = (parse_host(old.trim())?, parse_host(new.trim())?);
        // An old host may move once only, so the result never depends on the order of the moves.
        if old == new || moves.insert(old, new).is_some() {
            return Err(wrong());
        }
    }
    Ok(PlatformMoves(moves))
}

pub(super) fn parse_namespaces(text: &str) -> Result<NamespaceNames, String> {
    let mut names = Vec::new();
    for item in split_items(text) {
        let name = parse_namespace(item)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    // A list of nothing but commas is a mistake, and "all namespaces" would be a dangerous guess.
    if names.is_empty() && !text.trim().is_empty() {
        Err(format!("`{text}` names nothing"))
    } else {
        Ok(NamespaceNames(names))
    }
}

/// Parses a name as Kubernetes accepts it for namespaces.
pub(super) fn parse_namespace(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_end = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = text.as_bytes();
    let is_inner = bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-');
    if bytes.len() <= 63 && is_inner && is_end(bytes.first()) && is_end(bytes.last()) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is no name of a namespace: it has 1 to 63 small letters, digits or `-`"))
    }
}

/// Parses `250ms`, `30s`, `10m`, `24h`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let wrong = || format!("`{text}` is no duration: write a number with `ms`, `s`, `m` or `h`, for example `10m`");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    if number.is_empty() {
        return Err(wrong());
    }
    // A number that overflows is too long as well.
    let duration = number.parse::<u64>().ok().and_then(|number| number.checked_mul(milliseconds));
    let duration = duration.map_or(Duration::MAX, Duration::from_millis);
    if duration > MAX_DURATION {
        return Err(format!("`{text}` is too long: at most a year, `8784h`"));
    }
    if duration.is_zero() { Err(wrong()) } else { Ok(duration) }
}

pub(super) fn parse_cluster_id(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_fit = (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    if is_fit { Ok(text.to_owned()) } else { Err(format!("`{text}` must be 1 to 64 letters, digits, `-`, `.` or `_`")) }
}

pub(super) fn parse_namespaced_name(text: &str) -> Result<(String, String), String> {
    text.split_once('/')
        .map(|(namespace, name)| (namespace.trim(), name.trim()))
        .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty() && !name.contains('/'))
        .map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
        .ok_or_else(|| format!("`{text}` must be `namespace/name`"))
}

/// Parses the address of a proxy. The value may hold credentials, and clap's usual error repeats the value.
#[derive(Clone)]
pub(super) struct ProxyParser;

impl TypedValueParser for ProxyParser {
    type Value = ProxyAddress;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<ProxyAddress, clap::Error> {
        value.to_str().unwrap_or_default().parse().map_err(|why| {
            let message = format!("the value of `--platform-proxy` {why}\n");
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::OperatorFlags;
    use super::*;

    fn parse_flags(args: &[&str]) -> Result<OperatorFlags, String> {
        let args = std::iter::once("tenantry-operator").chain(args.iter().copied());
        OperatorFlags::try_parse_from(args).map_err(|error| error.to_string())
    }

    #[test]
    fn durations_need_a_unit_and_have_an_end() {
        assert_eq!(parse_duration("10m"), Ok(Duration::from_mins(10)));
        assert_eq!(parse_duration(" 250ms "), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("8784h"), Ok(MAX_DURATION));
        for wrong in
            ["10", "m", "0s", "1d", "", "-1s", "1.5h", "8785h", "99999999999999999999s", "18446744073709551615h"]
        {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
        let said = parse_flags(&["--drift-interval", "18446744073709551615m"]).unwrap_err();
        assert!(said.contains("--drift-interval") && said.contains("too long"), "{said}");
    }

    #[test]
    fn hosts_are_compared_as_names_are_and_the_port_of_https_is_no_other_port() {
        let settings =
            parse_flags(&["--platform-hosts", " Acme.API.example , other.example:443,third.example:8443,,"]).unwrap();
        for host in ["acme.api.example", "other.example", "third.example:8443"] {
            assert!(settings.allows_host(host), "{host}");
        }
        for host in ["other.example:443", "third.example", "example", "", "acme.api.example:8443"] {
            assert!(!settings.allows_host(host), "{host}");
        }
        for wrong in ["https://acme.example", "acme.example/api", "a@b.example", "acme.example:port", "a b"] {
            let message = self::parse_flags(&["--platform-hosts", wrong]).unwrap_err();
            assert!(message.contains("--platform-hosts"), "{message}");
        }
        let none = self::parse_flags(&[]).unwrap();
        assert!(!none.allows_host("acme.example") && !none.allows_host(""));
    }

    #[test]
    fn a_namespace_that_stands_there_twice_is_one() {
        let settings =
            parse_flags(&["--namespaces", "acme, globex,acme,", "--default-connection-namespaces", " acme "]);
        let settings = settings.unwrap();
        assert_eq!(*settings.namespaces, ["acme", "globex"]);
        assert_eq!(*settings.default_connection_namespaces, ["acme"]);
        assert!(self::parse_flags(&["--namespaces", ""]).unwrap().namespaces.is_empty());
        for wrong in [",", "Acme", "acme/globex", "*", "-acme"] {
            assert!(self::parse_flags(&["--namespaces", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_platform_that_moved_is_the_one_that_an_object_recorded() {
        let moves = parse_flags(&["--platform-moved", "Old.example:443 = new.example"]).unwrap().platform_moved;
        assert_eq!(moves.resolve_recorded("new.example", Some("old.example")), "old.example");
        for (host, recorded) in [
            ("new.example", None),
            ("new.example", Some("new.example")),
            ("new.example", Some("third.example")),
            ("old.example", Some("new.example")),
            ("third.example", Some("old.example")),
        ] {
            assert_eq!(moves.resolve_recorded(host, recorded), host, "{recorded:?}");
        }
        for wrong in ["old.example", "a.example=a.example", "a.example=b.example,a.example=c.example", "=b.example"] {
            let message = parse_flags(&["--platform-moved", wrong]).unwrap_err();
            assert!(message.contains("--platform-moved"), "{message}");
        }
    }

    #[test]
    fn a_wrong_proxy_is_refused_by_the_flag_and_never_repeats_its_login() {
        let message = parse_flags(&["--platform-proxy", "socks5://key:s3cr3t@proxy:1080"]).unwrap_err();
        assert!(message.contains("--platform-proxy") && !message.contains("s3cr3t"), "{message}");
        let right = parse_flags(&["--platform-proxy", "http://key:s3cr3t@proxy:3128"]).unwrap();
        assert!(!format!("{right:?}").contains("s3cr3t"));
    }
}
