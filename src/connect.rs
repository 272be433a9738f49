//! HTTP client of the tenancy API: token, pacer, errors, and the map between fields and the wire's JSON.
//!
//! One [`Platform`] stands for one [`Connection`]. Every call ends within one deadline, says in [`Error`] what is to be
//! done about its failure, and never repeats a request that the platform may have carried out.

mod breaker;
mod bucket;
mod budget;
mod call;
mod connection;
mod error;
mod flight;
mod guard;
mod headers;
mod hold;
mod http;
mod inspect;
mod living;
mod map;
mod pacer;
mod place;
mod platform;
mod proxy;
mod reservation;
mod roots;
mod said;
mod server_clock;
mod tally;
mod token;
mod trace;
mod turn;

pub use breaker::Breaker;
pub use connection::{Connection, ConnectionError};
pub use error::Error;
pub use guard::Guard;
pub use http::{Dial, Wire, dial};
pub use inspect::Inspection;
pub use living::{Freshness, Listed, Listing, Sought};
pub use map::{OddRow, Page};
pub use place::Place;
pub use platform::Platform;
pub use proxy::Proxy;
pub use reservation::Reservation;
pub use server_clock::ServerClock;
pub use tally::{Exchange, tallied};
pub use trace::{Trace, trace, traced};
