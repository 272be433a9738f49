//! Secrets, read by name and never listed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::sync::Mutex as AsyncMutex;

use super::context::lock;
use crate::object::FoundSecret;

/// A Secret; nothing where it does not exist.
pub(crate) type SecretData = Option<Arc<FoundSecret>>;

type Slot = Arc<AsyncMutex<Option<(Instant, SecretData)>>>;

/// Secrets by namespace and name. Many objects share one, so a read serves all that ask within its age.
pub(crate) struct Secrets {
    client: Client,
    slots: Mutex<HashMap<(String, String), Slot>>,
}

impl Secrets {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, slots: Mutex::default() }
    }

    /// A Secret's data, at most `age` old.
    pub(crate) async fn get(&self, namespace: &str, name: &str, age: Duration) -> Result<SecretData, kube::Error> {
        let slot = {
            let mut slots = lock(&self.slots);
            Arc::clone(slots.entry((namespace.to_owned(), name.to_owned())).or_default())
        };
        let mut held = slot.lock().await;
        if let Some((_, data)) = held.as_ref().filter(|(read, _)| read.elapsed() < age) {
            return Ok(data.clone());
        }
        let secret = Api::<Secret>::namespaced(self.client.clone(), namespace).get_opt(name).await?;
        let data = secret.map(|secret| Arc::new(FoundSecret::from(secret)));
        *held = Some((Instant::now(), data.clone()));
        Ok(data)
    }
}
