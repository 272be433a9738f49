//! Writes the CRDs, one file for each kind, into the folder named by the first argument; and into that named by the
//! second as the chart carries them.

use std::{env, error::Error, fs, path::PathBuf};

use tenantry::api;

fn main() -> Result<(), Box<dyn Error>> {
    let mut folders = env::args().skip(1).map(PathBuf::from);
    let plain = folders.next().ok_or("name the folder to write to, for example `crds`")?;
    for folder in [Some((plain, false)), folders.next().map(|chart| (chart, true))].into_iter().flatten() {
        write(&folder.0, folder.1)?;
    }
    Ok(())
}

fn write(folder: &PathBuf, is_kept: bool) -> Result<(), Box<dyn Error>> {
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
