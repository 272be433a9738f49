//! Another client that writes to an object continuously.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use kube::api::{Api, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tenantry_api::TenantClient;

use crate::world::TestNamespace;

/// Writes an annotation repeatedly until it is dropped. Each write makes a new resource version.
pub(super) struct AnnotationWriter {
    written: Arc<AtomicU64>,
    end: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl AnnotationWriter {
    /// Starts writing to the Client of that name, which need not exist yet, with a pause between two writes.
    pub(super) fn start(namespace: &TestNamespace<'_>, name: &str, pause: Duration) -> Self {
        let (written, end) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counter, over) = (Arc::clone(&written), Arc::clone(&end));
        let kubeconfig = namespace.world.control_plane.kubeconfig("admin");
        let place = (namespace.name.clone(), name.to_owned());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(write_until_stopped(kubeconfig, place, &counter, &over, pause));
        });
        Self { written, end, thread: Some(thread) }
    }

    /// Returns the number of writes.
    pub(super) fn write_count(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }
}

impl Drop for AnnotationWriter {
    fn drop(&mut self) {
        self.end.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn write_until_stopped(
    kubeconfig: PathBuf,
    (namespace, name): (String, String),
    counter: &AtomicU64,
    over: &AtomicBool,
    pause: Duration,
) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let clients = Api::<TenantClient>::namespaced(Client::try_from(config).unwrap(), &namespace);
    while !over.load(Ordering::SeqCst) {
        let number = counter.load(Ordering::SeqCst);
        let patch = serde_json::json!({"metadata": {"annotations": {"example.com/number": number.to_string()}}});
        if clients.patch_metadata(&name, &PatchParams::default(), &Patch::Merge(&patch)).await.is_ok() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
        tokio::time::sleep(pause).await;
    }
}
