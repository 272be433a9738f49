//! Writes the CRDs, one file for each kind, into the folder named by the first argument, and the reference of the API
//! into the file named by the second.

#[path = "crdgen/reference.rs"]
mod reference;

use std::{env, error::Error, fs, path::PathBuf};

use tenantry::api;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args().nth(1).ok_or("name the folder to write to, for example `crds`")?);
    let page = env::args().nth(2).ok_or("name the page to write, for example `docs/reference.md`")?;
    fs::create_dir_all(&folder)?;
    let mut definitions = Vec::new();
    for crd in api::crds() {
        fs::write(folder.join(format!("{}.yaml", crd.spec.names.plural)), api::to_yaml(&crd)?)?;
        definitions.push(serde_json::to_value(&crd)?);
    }
    fs::write(page, reference::page(&definitions))?;
    Ok(())
}
