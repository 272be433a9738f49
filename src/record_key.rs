//! The key of the records of write-only settings: one Secret in the operator's namespace, created once and never
//! changed.

use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt};
use rand::RngExt;
use tenantry_core::RecordKey;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::FIELD_MANAGER;
use super::pass_stop::api_error_message;

/// Name of the Secret.
pub(crate) const SECRET_NAME: &str = "tenantry-record-key";
/// Key of the Secret's data.
const DATA_KEY: &str = "key";
/// Timeout of one attempt: passes wait for it.
const TRY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause before the next attempt after a failure.
const RETRY_PAUSE: Duration = Duration::from_secs(30);

/// Loads the key once and keeps it.
pub(crate) struct RecordKeyStore {
    secrets: Api<Secret>,
    state: Mutex<RecordKeyState>,
}

enum RecordKeyState {
    Missing,
    /// The last attempt failed at this time.
    Failed(Instant),
    Loaded(RecordKey),
}

impl RecordKeyStore {
    pub(crate) fn new(client: Client, namespace: &str) -> Self {
        Self { secrets: Api::namespaced(client, namespace), state: Mutex::new(RecordKeyState::Missing) }
    }

    /// Returns the key, and creates it if it does not exist. A leader calls this before its first pass. Returns `None`
    /// if the key is unavailable; the versions of the Secrets are then compared instead.
    pub(crate) async fn load_key(&self) -> Option<RecordKey> {
        let mut held = self.state.lock().await;
        match &*held {
            RecordKeyState::Loaded(key) => return Some(key.clone()),
            RecordKeyState::Failed(at) if at.elapsed() < RETRY_PAUSE => return None,
            RecordKeyState::Failed(_) | RecordKeyState::Missing => {}
        }
        let tried = timeout(TRY_TIMEOUT, self.get_or_create()).await;
        let why = match tried {
            Ok(Ok(key)) => {
                *held = RecordKeyState::Loaded(key.clone());
                return Some(key);
            }
            Ok(Err(why)) => why,
            Err(_elapsed) => "the API server does not answer in time".to_owned(),
        };
        tracing::warn!(
            "Secret `{SECRET_NAME}` with the key of records cannot be had: {why}; until it is there, a write-only setting is written again when the version of its Secret changes"
        );
        *held = RecordKeyState::Failed(Instant::now());
        None
    }

    async fn get_or_create(&self) -> Result<RecordKey, String> {
        let remedy = |error: kube::Error| {
            format!(
                "{}: make sure that the operator may `get` and `create` it in its own namespace",
                api_error_message(&error)
            )
        };
        if let Some(found) = self.secrets.get_opt(SECRET_NAME).await.map_err(remedy)? {
            return read_key(&found);
        }
        match self
            .secrets
            .create(
                &PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() },
                &new_key_secret(),
            )
            .await
        {
            Ok(made) => read_key(&made),
            // Another operator created it first: both use that key.
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                read_key(&self.secrets.get(SECRET_NAME).await.map_err(remedy)?)
            }
            Err(error) => Err(remedy(error)),
        }
    }
}

fn new_key_secret() -> Secret {
    let bytes: [u8; RecordKey::BYTES] = rand::rng().random();
    Secret {
        metadata: ObjectMeta { name: Some(SECRET_NAME.to_owned()), ..ObjectMeta::default() },
        // If the key changed, every write-only setting would be written again.
        immutable: Some(true),
        data: Some([(DATA_KEY.to_owned(), ByteString(bytes.to_vec()))].into()),
        ..Secret::default()
    }
}

fn read_key(secret: &Secret) -> Result<RecordKey, String> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(DATA_KEY));
    bytes.and_then(|bytes| RecordKey::from_bytes(&bytes.0)).ok_or_else(|| {
        format!(
            "`{DATA_KEY}` of Secret `{}` has fewer than {} bytes: delete the Secret, and the operator makes another",
            secret.name_any(),
            RecordKey::BYTES
        )
    })
}
