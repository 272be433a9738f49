//! Writes the CRDs and the generated pages. The arguments are, in order: the folder for the CRDs, one file per kind;
//! the folder for the chart's copies of them; the file of the API reference; the page of the chart, which is next to
//! its values; and the page of the plugin.

#[path = "crdgen/definitions.rs"]
mod definitions;
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

fn main() -> Result<(), Box<dyn Error>> {
    let named: Vec<PathBuf> = env::args().skip(1).map(PathBuf::from).collect();
    let [plain, kinds, page, chart, plugin_page] = named.as_slice() else {
        let files = "crds charts/tenantry/kinds docs/reference.md charts/tenantry/README.md docs/plugin.md";
        return Err(format!("name what to write: `{files}`").into());
    };
    write_crds(plain, false)?;
    write_crds(kinds, true)?;
    let definitions = tenantry_api::crds().iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    fs::write(page, reference::render_page(&definitions))?;
    let beside = |name: &str| fs::read_to_string(chart.with_file_name(name));
    fs::write(chart, values::render_page(&beside("values.schema.json")?, &beside("values.yaml")?))?;
    fs::write(plugin_page, plugin::render_page())?;
    Ok(())
}

fn write_crds(folder: &Path, is_kept: bool) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    for mut crd in tenantry_api::crds() {
        if is_kept {
            // Deleting a CRD deletes every object of its kind, so Helm must keep it.
            crd.metadata.annotations = Some([("helm.sh/resource-policy".to_owned(), "keep".to_owned())].into());
        }
        fs::write(folder.join(format!("{}.yaml", crd.spec.names.plural)), definitions::to_yaml(&crd)?)?;
    }
    Ok(())
}
