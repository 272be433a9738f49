//! Where a world stands, before there is one.

use std::path::PathBuf;
use std::sync::Mutex;

use super::World;
use crate::controlplane::{self, ControlPlane};
use crate::kubectl::Kubectl;
use crate::process::Result;
use crate::programs::{OperatorOptions, Platform, PlatformOptions, Service};
use crate::support::folder;
use crate::tenancy::Tenancy;

/// A control plane and a platform on which no operator runs yet, nor anything of ours is installed.
pub struct Ground {
    /// Where its files are.
    pub folder: PathBuf,
    /// The control plane.
    pub control_plane: ControlPlane,
    /// The platform.
    pub platform: Platform,
    /// The administrator's `kubectl`.
    pub kubectl: Kubectl,
}

impl Ground {
    /// Starts both.
    pub fn start(name: &str, (options, platform): (controlplane::Options, &PlatformOptions)) -> Result<Self> {
        let folder = folder(name)?;
        let options = controlplane::Options { controllers: true, ..options };
        let control_plane = ControlPlane::start(&folder.join("cluster"), &options)?;
        let platform = Platform::start(&folder.join("platform"), platform)?;
        let kubectl = control_plane.kubectl("admin")?;
        Ok(Self { folder, control_plane, platform, kubectl })
    }

    /// The world of an operator on it.
    ///
    /// # Panics
    /// When the platform does not take its own credential.
    pub fn with(self, operator: Service, options: OperatorOptions) -> World {
        let Self { folder: _, control_plane, platform, kubectl } = self;
        let credential = &platform.credential;
        let key = (credential.client_id.as_str(), credential.client_secret.as_str());
        let tenancy = Tenancy::connect(&credential.url, &credential.tenant_id, key).unwrap();
        World {
            operator,
            platform,
            control_plane,
            kubectl,
            tenancy,
            options,
            doors: Mutex::default(),
            is_shared: false,
        }
    }
}
