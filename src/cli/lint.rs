//! `lint`: everything that can be known about manifests without a cluster and without a platform.

use super::cluster::ClusterFlags;
use super::{Ended, Exit};

/// Check manifests.
#[derive(clap::Args, Debug)]
pub(crate) struct Flags {}

pub(crate) async fn run(_flags: &Flags, _cluster: &ClusterFlags) -> Ended {
    Ok(Exit::Nothing)
}
