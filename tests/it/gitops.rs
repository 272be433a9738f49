//! From Git: Flux's own controller, and the Lua of Argo CD, on the manifests of `examples/gitops`.
//!
//! Everything runs as it is installed: the chart with its admission policies, the operator with the rights of its
//! account, and Flux as whom its Kustomization names.

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
use crate::chart::stage::Release;
use crate::controlplane::Options;
use crate::programs::{OperatorOptions, PlatformOptions};
use crate::world::{Ground, Space, World};
use flux::Flux;

const RELEASE: Release = Release { name: "tenantry", namespace: "tenantry-system", deployment: "tenantry" };

/// The one world of these tests, and the Flux in it.
struct Stage {
    world: World,
    flux: Flux,
}

fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| {
        let ground = Ground::start("gitops", (Options::default(), &PlatformOptions::default())).unwrap();
        let kubeconfig = ground.control_plane.kubeconfig("admin");
        let helm = Helm::on(&kubeconfig, "gitops");
        RELEASE.install(&helm, (Path::new("charts/tenantry"), &ground), &[]);
        let operator = RELEASE.operator("gitops", (&ground.control_plane, &ground.kubectl)).unwrap();
        let flux = Flux::start("gitops", (&kubeconfig, &ground.kubectl)).unwrap();
        let world = ground.with(operator, OperatorOptions::new(&kubeconfig, ""));
        Stage { world, flux }
    })
}

/// A file of the examples.
fn example(path: &str) -> PathBuf {
    assets::root().join("examples/gitops").join(path)
}

/// How many tenants there ever were under a Partner, ended ones included: what was created.
fn created(space: &Space<'_>, partner: &str) -> usize {
    let list = |active| space.world.tenancy.list(&format!("{partner}/clients"), active).unwrap().len();
    list(true) + list(false)
}
