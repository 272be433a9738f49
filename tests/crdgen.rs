//! Writes the CRDs, one file for each kind, into the folder named by the first argument.

use std::{env, error::Error, fs, path::PathBuf};

use tenantry::api;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args().nth(1).ok_or("name the folder to write to, for example `crds`")?);
    fs::create_dir_all(&folder)?;
    for crd in api::crds() {
        fs::write(folder.join(format!("{}.yaml", crd.spec.names.plural)), api::to_yaml(&crd)?)?;
    }
    Ok(())
}
