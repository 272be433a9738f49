//! GitOps: Flux's own controller, and the Lua of Argo CD, on the manifests of `examples/gitops`.
//!
//! Everything runs as installed: the chart with its admission policies, the operator with the permissions of its
//! account, and Flux as the user of its Kustomization.

mod argo;
mod endings;
pub(crate) mod flux;
mod health;
mod lua;
mod managers;
mod page;
mod pushes;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::assets;
use crate::chart::Helm;
use crate::chart::stage::ChartRelease;
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
        let ground =
            TestServers::start("gitops", (ControlPlaneOptions::default(), &PlatformOptions::default())).unwrap();
        let kubeconfig = ground.control_plane.kubeconfig("admin");
        let helm = Helm::on_cluster(&kubeconfig, "gitops");
        RELEASE.install_chart(&helm, Path::new("charts/tenantry"), &ground, &[]);
        let operator = RELEASE.start_deployed_operator("gitops", &ground.control_plane, &ground.kubectl).unwrap();
        let flux = FluxController::start("gitops", (&kubeconfig, &ground.kubectl)).unwrap();
        let world = ground.into_world(operator, OperatorOptions::new(&kubeconfig, ""));
        GitopsFixture { world, flux }
    })
}

/// Returns the path of an example file.
fn example_path(path: &str) -> PathBuf {
    assets::root().join("examples/gitops").join(path)
}

/// Counts the tenants that were ever created under a Partner, including terminated ones.
fn count_created_tenants(space: &TestNamespace<'_>, partner: &str) -> usize {
    let list = |active| space.world.tenancy.list_tenants(&format!("{partner}/clients"), active).unwrap().len();
    list(true) + list(false)
}
