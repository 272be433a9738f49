//! HTTP client of the tenancy API: token, rate limiter, errors, and the mapping between fields and the API's JSON.
//!
//! One [`PlatformClient`] has one [`Connection`]. Every call ends within one deadline, reports in [`CallError`] what to
//! do about its failure, and never repeats a request that the platform may have carried out.

mod active_tenants;
mod breaker;
mod change_guard;
mod connection;
mod error;
mod error_body;
mod error_outcome;
mod exchange_observer;
mod http;
mod lookup;
mod mapping;
mod platform_client;
mod proxy;
mod rate_limit_bucket;
mod rate_limit_budget;
mod rate_limit_headers;
mod rate_limiter;
mod request_session;
mod request_trace;
mod retry_after;
mod route;
mod server_clock;
mod single_flight;
mod tenant_inspection;
mod tls_roots;
mod token;
mod transport;
mod write_reservation;

pub use active_tenants::{ListFreshness, ListedTenant, NameSearchResult, TenantListing};
pub use breaker::CircuitBreaker;
pub use change_guard::ChangeGuard;
pub use connection::{Connection, ConnectionError};
pub use error::CallError;
pub use error_outcome::{platform_error_outcome, translate_to_spec_paths};
pub use exchange_observer::{Exchange, with_observer};
pub use http::{Connector, HttpService, network_connector};
pub use lookup::{
    Lookup, load_image_digests, lookup_tenant, needs_branding, read_unterminated_tenant, writes_images_it_cannot_load,
};
pub use mapping::{TenantPage, UnreadableRow};
pub use platform_client::PlatformClient;
pub use proxy::ProxyAddress;
pub use request_trace::{Trace, current_trace, with_new_trace};
pub use server_clock::ServerClock;
pub use tenant_inspection::TenantInspection;
pub use write_reservation::WriteReservation;
