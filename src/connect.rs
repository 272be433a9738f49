//! HTTP client of the tenancy API: token, rate limiter, errors, and the mapping between fields and the API's JSON.
//!
//! One [`PlatformClient`] has one [`Connection`]. Every call ends within one deadline, reports in [`CallError`] what to
//! do about its failure, and never repeats a request that the platform may have carried out.

mod active_tenants;
mod breaker;
mod connection;
mod error;
mod error_body;
mod guard;
mod headers;
mod http;
mod inspect;
mod mapping;
mod observe;
mod place;
mod platform_client;
mod proxy;
mod rate_limit_bucket;
mod rate_limit_budget;
mod rate_limiter;
mod request_session;
mod reservation;
mod retry_after;
mod server_clock;
mod single_flight;
mod tls_roots;
mod token;
mod trace;
mod transport;

pub use active_tenants::{Freshness, ListedTenant, NameSearchResult, TenantListing};
pub use breaker::CircuitBreaker;
pub use connection::{Connection, ConnectionError};
pub use error::CallError;
pub use guard::ChangeGuard;
pub use http::{Connector, HttpService, network_connector};
pub use inspect::TenantInspection;
pub use mapping::{TenantPage, UnreadableRow};
pub use observe::{Exchange, with_observer};
pub use place::Place;
pub use platform_client::PlatformClient;
pub use proxy::ProxyAddress;
pub use reservation::WriteReservation;
pub use server_clock::ServerClock;
pub use trace::{Trace, current_trace, with_new_trace};
