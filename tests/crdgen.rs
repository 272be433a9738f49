//! Writes the CRDs, one file for each kind, into the folder named by the first argument, as the chart carries them into
//! that named by the second, the reference of the API into the file named by the third, the page of the chart beside its
//! values into that named by the fourth, and the page of the plugin into that named by the fifth.

#[path = "crdgen/plugin.rs"]
mod plugin;
#[path = "crdgen/reference.rs"]
mod reference;
#[path = "crdgen/values.rs"]
mod values;

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use tenantry::api;

fn main() -> Result<(), Box<dyn Error>> {
    let named: Vec<PathBuf> = env::args().skip(1).map(PathBuf::from).collect();
    let [plain, kinds, page, chart, plugin_page] = named.as_slice() else {
        let files = "crds charts/tenantry/kinds docs/reference.md charts/tenantry/README.md docs/plugin.md";
        return Err(format!("name what to write: `{files}`").into());
    };
    write_crds(plain, false)?;
    write_crds(kinds, true)?;
    let definitions = api::crds().iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    fs::write(page, reference::render_page(&definitions))?;
    let beside = |name: &str| fs::read_to_string(chart.with_file_name(name));
    fs::write(chart, values::render_page(&beside("values.schema.json")?, &beside("values.yaml")?))?;
    fs::write(plugin_page, plugin::render_page())?;
    Ok(())
}

fn write_crds(folder: &Path, is_kept: bool) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    for mut crd in api::crds() {
        if is_kept {
            // Removing a definition removes every object of its kind, so Helm must leave it.
            crd.metadata.annotations = Some([("helm.sh/resource-policy".to_owned(), "keep".to_owned())].into());
        }
        fs::write(folder.join(format!("{}.yaml", crd.spec.names.plural)), api::to_yaml(&crd)?)?;
    }
    Ok(())
}
