//! The servers of a world, before an operator runs.

use std::path::PathBuf;
use std::sync::Mutex;

use super::TestWorld;
use crate::controlplane::{self, ControlPlane};
use crate::kubectl::Kubectl;
use crate::process::Result;
use crate::programs::{OperatorOptions, PlatformOptions, PlatformProcess, ServiceProcess};
use crate::support::test_folder;
use crate::tenancy::TenancyApi;

/// A control plane and a platform without an operator, and without anything of ours installed.
pub struct TestServers {
    /// The folder with its files.
    pub folder: PathBuf,
    /// The control plane.
    pub control_plane: ControlPlane,
    /// The platform.
    pub platform: PlatformProcess,
    /// The administrator's `kubectl`.
    pub kubectl: Kubectl,
}

impl TestServers {
    /// Starts both servers.
    pub fn start(
        name: &str,
        (options, platform): (controlplane::ControlPlaneOptions, &PlatformOptions),
    ) -> Result<Self> {
        let folder = test_folder(name)?;
        let options = controlplane::ControlPlaneOptions { controllers: true, ..options };
        let control_plane = ControlPlane::start(&folder.join("cluster"), &options)?;
        let platform = PlatformProcess::start(&folder.join("platform"), platform)?;
        let kubectl = control_plane.kubectl("admin")?;
        Ok(Self { folder, control_plane, platform, kubectl })
    }

    /// Returns the world of an operator on these servers.
    ///
    /// # Panics
    /// Panics if the platform does not accept its own credential.
    pub fn into_world(self, operator: ServiceProcess, options: OperatorOptions) -> TestWorld {
        let Self { folder: _, control_plane, platform, kubectl } = self;
        let credential = &platform.credential;
        let key = (credential.client_id.as_str(), credential.client_secret.as_str());
        let tenancy = TenancyApi::connect(&credential.url, &credential.tenant_id, key).unwrap();
        TestWorld {
            operator,
            platform,
            control_plane,
            kubectl,
            tenancy,
            options,
            free_proxy_hosts: Mutex::default(),
            is_shared: false,
        }
    }
}
