//! Partners and Clients of an IT-operations platform as Kubernetes objects.
//!
//! Rooms, top to bottom; each may use those below it, never one above:
//!
//! | room | what it is |
//! | --- | --- |
//! | `cli` | the kubectl plugin: plan, export, unmanaged |
//! | `operator` | watches, reconcilers, finalizer, status, metrics, probes |
//! | `platform` | the self-hosted platform (feature `platform`) |
//! | `object` | an object of the cluster as a tenant: what both programs judge alike |
//! | `connect` | HTTP client of the tenancy API, and the map between fields and its JSON |
//! | `plan` | pure: fields, inheritance, plan, removal, verdict |
//! | `wire` | pure: the tenancy API's JSON |
//! | `api` | the custom resources: what people write, and status |
//! | `catalog` | pure: packages, add-ons, what is missing without them |
//! | `clock` | the time of day, for the rooms that are not pure |
//! | `build` | version, commit and date of this build |

pub mod api;
pub mod build;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod connect;
mod object;
pub mod operator;
pub mod plan;
#[cfg(feature = "platform")]
pub mod platform;
pub mod telemetry;
pub mod wire;
