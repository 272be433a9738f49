//! `tenantry-platform credential show`: prints the first credential in the format that a Secret and the plugin read.

use std::io::Write;
use std::path::Path;

use super::command::CredentialError;
use super::first_credential::{CredentialFile, read_credential_file};
use crate::store::{CredentialStatus, Store};
use crate::{PlatformStartError, PublicUrl, time};

/// File of the first credential, and the platform's URL.
#[derive(Clone, Copy)]
pub(crate) struct FirstCredential<'a> {
    /// The credential file.
    pub(crate) file: &'a Path,
    /// Takes precedence over the URL in the file, which may be outdated.
    pub(crate) public_url: Option<&'a PublicUrl>,
}

impl FirstCredential<'_> {
    /// Prints it as lines `KEY=VALUE`. A credential that is no longer valid is not printed: it would only fail later.
    pub(super) async fn print(self, store: &Store, mut out: impl Write) -> Result<(), CredentialError> {
        let path = self.file;
        if !path.exists() {
            return Err(CredentialError::Missing(path.display().to_string()));
        }
        let CredentialFile { url, credential } = read_credential_file(path)?;
        match store.credential_status(&credential.hashes(), time::now()).await? {
            CredentialStatus::Valid => {}
            CredentialStatus::Ended => return Err(CredentialError::Ended(path.display().to_string())),
            CredentialStatus::Unknown => {
                let reason = "belongs to another database; name the right database with `--database`".to_owned();
                return Err(PlatformStartError::Credential { path: path.to_owned(), reason }.into());
            }
        }
        let url = self.public_url.map_or(url, ToString::to_string);
        writeln!(out, "url={url}")?;
        writeln!(out, "tenantId={}", credential.tenant_id)?;
        writeln!(out, "clientId={}", credential.client_id)?;
        writeln!(out, "clientSecret={}", credential.client_secret)?;
        Ok(out.flush()?)
    }
}
