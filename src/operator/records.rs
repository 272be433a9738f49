//! The key of the records of write-only settings: one Secret in the operator's namespace, made once and never changed.

use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt};
use rand::RngExt;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::FIELD_MANAGER;
use super::error::sentence;
use crate::plan::RecordKey;

/// Name of the Secret.
pub(crate) const NAME: &str = "tenantry-record-key";
/// Key in it.
const KEY: &str = "key";
/// Longest time of one try: passes wait for it.
const TRY: Duration = Duration::from_secs(5);
/// Pause before the next try after one that failed.
const PAUSE: Duration = Duration::from_secs(30);

/// Keeps the key once it is had.
pub(crate) struct RecordKeys {
    secrets: Api<Secret>,
    held: Mutex<Held>,
}

enum Held {
    Nothing,
    /// It could not be had then.
    Failed(Instant),
    Key(RecordKey),
}

impl RecordKeys {
    pub(crate) fn new(client: Client, namespace: &str) -> Self {
        Self { secrets: Api::namespaced(client, namespace), held: Mutex::new(Held::Nothing) }
    }

    /// The key; where it is not there yet, it is made. A leader asks before its first pass. Nothing where it cannot be had:
    /// then the versions of the Secrets are compared.
    pub(crate) async fn key(&self) -> Option<RecordKey> {
        let mut held = self.held.lock().await;
        match &*held {
            Held::Key(key) => return Some(key.clone()),
            Held::Failed(at) if at.elapsed() < PAUSE => return None,
            Held::Failed(_) | Held::Nothing => {}
        }
        let tried = timeout(TRY, self.get_or_create()).await;
        let why = match tried {
            Ok(Ok(key)) => {
                *held = Held::Key(key.clone());
                return Some(key);
            }
            Ok(Err(why)) => why,
            Err(_elapsed) => "the API server does not answer in time".to_owned(),
        };
        tracing::warn!(
            "Secret `{NAME}` with the key of records cannot be had: {why}; until it is there, a write-only setting is written again when the version of its Secret changes"
        );
        *held = Held::Failed(Instant::now());
        None
    }

    async fn get_or_create(&self) -> Result<RecordKey, String> {
        let remedy = |error: kube::Error| {
            format!("{}: make sure that the operator may `get` and `create` it in its own namespace", sentence(&error))
        };
        if let Some(found) = self.secrets.get_opt(NAME).await.map_err(remedy)? {
            return read(&found);
        }
        match self
            .secrets
            .create(&PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }, &new())
            .await
        {
            Ok(made) => read(&made),
            // Another operator was first: there is one key for both.
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                read(&self.secrets.get(NAME).await.map_err(remedy)?)
            }
            Err(error) => Err(remedy(error)),
        }
    }
}

fn new() -> Secret {
    let bytes: [u8; RecordKey::BYTES] = rand::rng().random();
    Secret {
        metadata: ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() },
        // One that is changed would let every write-only setting be written again.
        immutable: Some(true),
        data: Some([(KEY.to_owned(), ByteString(bytes.to_vec()))].into()),
        ..Secret::default()
    }
}

fn read(secret: &Secret) -> Result<RecordKey, String> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(KEY));
    bytes.and_then(|bytes| RecordKey::from_bytes(&bytes.0)).ok_or_else(|| {
        format!(
            "`{KEY}` of Secret `{}` has fewer than {} bytes: delete the Secret, and the operator makes another",
            secret.name_any(),
            RecordKey::BYTES
        )
    })
}
