//! The API server of an application server.

/// Returns the host name of a host or URL, without scheme, path and port.
pub(crate) fn host_name(text: &str) -> Option<&str> {
    let text = text.trim();
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => host,
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    (host.len() <= 253 && host.split('.').all(is_label)).then_some(host)
}

/// Maps `x.app.y` to `x.api.y`, and any other host to `api.<host>`.
pub(crate) fn api_server(application_server: &str) -> Option<String> {
    let host = host_name(application_server)?;
    Some(match host.split_once(".app.") {
        Some((start, rest)) => format!("{start}.api.{rest}"),
        None => format!("api.{host}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_server_is_derived() {
        for (application, api) in [
            ("cloud.app.example.net", "cloud.api.example.net"),
            ("https://cloud.app.example.net:8443/login", "cloud.api.example.net"),
            ("portal.example.com", "api.portal.example.com"),
            ("app.example.com", "api.app.example.com"),
            ("localhost:8080", "api.localhost"),
        ] {
            assert_eq!(api_server(application).as_deref(), Some(api));
        }
        for wrong in ["", "a b", "https://", "-x.example", "a..b", "user@host"] {
            assert_eq!(api_server(wrong), None, "{wrong}");
        }
    }
}
