//! The client of the tenancy API over real HTTP, against servers that misbehave on purpose.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests fail and print as tests do")]

mod active_tenants;
mod answer_forms;
mod change_guard;
pub(crate) mod fake_platform;
mod faults;
mod http2_retries;
mod intermediaries;
pub(crate) mod proxy;
mod rate_limits;
mod real_platform;
mod routes;
mod tls;
mod token;

use std::collections::BTreeMap;
use std::time::Duration;

use fake_platform::FakePlatform;
use tenantry_client::{Connection, PlatformClient};
use tenantry_core::{Field, Place, SettingChange, SettingsPayload, Value};
use tenantry_wire::Mark;

/// Secret values that must never be printed.
pub(crate) const SECRETS: [&str; 4] = ["key-of-the-client", "s3cr3t-of-the-client", "token-number-1", "duo-s3cr3t"];

/// Creates a client of a server at this address.
pub(crate) fn client_for_url(url: &str, timeout: Duration) -> PlatformClient {
    PlatformClient::new(Connection::from_secret(&connection_secret(url)).unwrap(), timeout).unwrap()
}

/// Returns the Secret data of a connection.
pub(crate) fn connection_secret(url: &str) -> BTreeMap<String, Vec<u8>> {
    [("url", url), ("tenantId", "msp_1"), ("clientId", SECRETS[0]), ("clientSecret", SECRETS[1])]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()))
        .collect()
}

impl FakePlatform {
    /// Creates a client of this server with a timeout of three seconds.
    pub(crate) fn client_of_fake(&self) -> PlatformClient {
        client_for_url(&self.url, Duration::from_secs(3))
    }
}

pub(crate) fn clients_place() -> Place {
    Place::Clients { msp: "msp_1".to_owned() }
}

pub(crate) fn partners_place() -> Place {
    Place::Partners { sp: "sp_1".to_owned() }
}

pub(crate) fn test_mark() -> Mark {
    "c1/Client/ns/globex/u1".parse().unwrap()
}

/// Returns a change of the city.
pub(crate) fn city_change() -> [SettingChange; 1] {
    [SettingChange { field: Field::City, to: Value::text("Berlin") }]
}

pub(crate) fn no_payload() -> SettingsPayload {
    SettingsPayload::default()
}
