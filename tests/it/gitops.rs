//! GitOps: Flux's own controller, and the Lua of Argo CD, on the manifests of `examples/gitops`.
//!
//! Everything runs as installed: the chart with its admission policies, the operator with the permissions of its
//! account, and Flux as the user of its Kustomization.

mod argo;
mod field_managers;
pub(crate) mod flux;
mod health;
mod lua;
mod page;
mod pushes;
mod termination;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::assets;
use crate::chart::Helm;
use crate::chart::release::ChartRelease;
use crate::controlplane::ControlPlaneOptions;
use crate::programs::{OperatorOptions, PlatformOptions};
use crate::world::{TestNamespace, TestServers, TestWorld};
use flux::FluxController;

const RELEASE: ChartRelease = ChartRelease { name: "tenantry", namespace: "tenantry-system", deployment: "tenantry" };

/// The world that these tests share, with its Flux.
struct GitopsFixture {
    world: TestWorld,
    flux: FluxController,
}

fn shared_fixture() -> &'static GitopsFixture {
    static STAGE: OnceLock<GitopsFixture> = OnceLock::new();
    STAGE.get_or_init(|| {
        let servers =
            TestServers::start("gitops", (ControlPlaneOptions::default(), &PlatformOptions::default())).unwrap();
        let kubeconfig = servers.control_plane.kubeconfig("admin");
        let helm = Helm::on_cluster(&kubeconfig, "gitops");
        RELEASE.install_chart(&helm, Path::new("charts/tenantry"), &servers, &[]);
        let operator = RELEASE.start_deployed_operator("gitops", &servers.control_plane, &servers.kubectl).unwrap();
        let flux = FluxController::start("gitops", (&kubeconfig, &servers.kubectl)).unwrap();
        let world = servers.into_world(operator, OperatorOptions::new(&kubeconfig, ""));
        GitopsFixture { world, flux }
    })
}

/// Returns the path of an example file.
fn example_path(path: &str) -> PathBuf {
    assets::root().join("examples/gitops").join(path)
}

/// Counts the tenants that were ever created under a Partner, including terminated ones.
fn count_created_tenants(namespace: &TestNamespace<'_>, partner: &str) -> usize {
    let list = |active| namespace.world.tenancy.list_tenants(&format!("{partner}/clients"), active).unwrap().len();
    list(true) + list(false)
}
