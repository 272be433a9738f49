//! Partners and Clients of an IT-operations platform as Kubernetes objects.
//!
//! The modules, top to bottom. Each may use those below it, never one above:
//!
//! | module | what it is |
//! | --- | --- |
//! | `cli` | the kubectl plugin: plan, export, unmanaged |
//! | `operator` | watches, reconcilers, finalizer, status, metrics, probes |
//! | `platform` | the self-hosted platform (feature `platform`) |
//! | `connect` | HTTP client of the tenancy API, and the mapping between fields and its JSON |
//! | `object` | a cluster object as a tenant: the decisions that operator and plugin share |
//! | `plan` | pure: fields, inheritance, diff, deletion, conditions |
//! | `wire` | pure: the tenancy API's JSON |
//! | `api` | the custom resources: what users write, and status |
//! | `catalog` | pure: packages, add-ons, and what is missing without them |
//! | `clock` | the time of day, for the modules that are not pure |
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
