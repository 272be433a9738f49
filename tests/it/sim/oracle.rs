//! stub
use jiff::Timestamp;
use super::ask::{Ask, Reply};
use super::cluster::Cluster;
use super::platform::Tenant;

#[derive(Default)]
pub(crate) struct Oracle { pub(crate) tenants: Vec<Tenant>, pub(crate) writes: usize }

impl Oracle {
    pub(crate) fn sent(&mut self, (life, ask): (usize, &Ask), cluster: &Cluster, at: Timestamp) {}
    pub(crate) fn answered(&mut self, (life, ask, reply): (usize, &Ask, &Reply), (cluster, tenants): (&Cluster, Option<Vec<Tenant>>), at: Timestamp) {
        if let Some(t) = tenants { self.tenants = t; }
    }
}
