//! A tenant's Duo keys. The secret key is sealed in the database with the key that also seals second factors. A secret
//! key stored before sealing existed is read as it is, and sealed at the next save.

use secrecy::{ExposeSecret as _, SecretString};
use tenantry_wire::Tenant;

use super::error::DuoError;
use crate::error::ApiError;
use crate::mfa::SecretCipher;

/// Prefix of a sealed text.
const SEALED: &str = "sealed:1:";
/// Owner in the seal, in place of a person's id, so that a sealed person's secret and a sealed Duo key cannot replace
/// each other.
const SEAL_OWNER: &str = "duo";

/// A tenant's complete Duo settings.
#[derive(Clone, Debug)]
pub(crate) struct DuoSettings {
    /// API host name, as the tenant wrote it.
    pub(crate) host: String,
    /// Integration key, which Duo calls client id. It is not secret.
    pub(crate) integration_key: String,
    /// Secret key: as stored, until it is opened.
    pub(crate) secret_key: SecretString,
}

impl DuoSettings {
    /// Opens the secret key.
    pub(crate) fn with_opened_key(self, vault: &SecretCipher) -> Result<Self, DuoError> {
        let secret_key = open_secret_key(vault, self.secret_key.expose_secret()).ok_or(DuoError::Secret)?;
        Ok(Self { secret_key, ..self })
    }
}

fn open_secret_key(vault: &SecretCipher, stored: &str) -> Option<SecretString> {
    let Some(sealed) = stored.strip_prefix(SEALED) else { return Some(stored.to_owned().into()) };
    let secret = vault.decrypt_secret(SEAL_OWNER, sealed)?;
    Some(std::str::from_utf8(secret.expose_secret()).ok()?.to_owned().into())
}

/// Seals the secret key of settings before they are stored. If it equals the stored one, the stored form is kept, so
/// that writing it again is no change.
pub(crate) fn seal_secret_key(vault: &SecretCipher, before: &Tenant, after: &mut Tenant) -> Result<(), ApiError> {
    let there = before.duo_security.as_ref().and_then(|duo| duo.secret_key.as_deref());
    let there = there.filter(|there| there.starts_with(SEALED));
    let Some(secret) = after.duo_security.as_mut().and_then(|duo| duo.secret_key.as_mut()) else { return Ok(()) };
    let is_there = |there: &&str| {
        *there == secret.as_str()
            || open_secret_key(vault, there).is_some_and(|opened| opened.expose_secret() == secret.as_str())
    };
    *secret = match there.filter(is_there) {
        Some(there) => there.to_owned(),
        None => format!("{SEALED}{}", vault.encrypt_secret(SEAL_OWNER, secret.as_bytes())?),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use tenantry_wire::DuoSecurity;

    use super::*;

    fn tenant_with_secret(secret: Option<&str>) -> Tenant {
        let duo = DuoSecurity { secret_key: secret.map(str::to_owned), ..DuoSecurity::default() };
        Tenant { duo_security: Some(duo), ..Tenant::default() }
    }

    fn stored_secret(tenant: &Tenant) -> Option<&str> {
        tenant.duo_security.as_ref()?.secret_key.as_deref()
    }

    #[test]
    fn a_key_is_sealed_once_and_opens_with_the_same_vault_only() {
        let vault = SecretCipher::for_second_factors(None).unwrap();
        let mut first = tenant_with_secret(Some("key"));
        seal_secret_key(&vault, &Tenant::default(), &mut first).unwrap();
        let text = stored_secret(&first).unwrap();
        assert!(text.starts_with(SEALED) && !text.contains("key"), "{text}");
        assert_eq!(open_secret_key(&vault, text).unwrap().expose_secret(), "key");
        assert!(open_secret_key(&SecretCipher::for_second_factors(None).unwrap(), text).is_none());
        let mut again = tenant_with_secret(Some("key"));
        seal_secret_key(&vault, &first, &mut again).unwrap();
        assert_eq!(again, first, "the same key again is no change");
        let mut untouched = first.clone();
        seal_secret_key(&vault, &first, &mut untouched).unwrap();
        assert_eq!(untouched, first);
        let mut other = tenant_with_secret(Some("other"));
        seal_secret_key(&vault, &first, &mut other).unwrap();
        assert_eq!(open_secret_key(&vault, stored_secret(&other).unwrap()).unwrap().expose_secret(), "other");
        let mut cleared = tenant_with_secret(None);
        seal_secret_key(&vault, &first, &mut cleared).unwrap();
        assert_eq!(stored_secret(&cleared), None);
    }

    #[test]
    fn a_key_of_before_the_seal_is_read_as_it_is_and_a_text_like_a_sealed_one_is_a_key() {
        let vault = SecretCipher::for_second_factors(None).unwrap();
        assert_eq!(open_secret_key(&vault, "plain").unwrap().expose_secret(), "plain");
        let mut same = tenant_with_secret(Some("plain"));
        seal_secret_key(&vault, &tenant_with_secret(Some("plain")), &mut same).unwrap();
        assert_eq!(open_secret_key(&vault, stored_secret(&same).unwrap()).unwrap().expose_secret(), "plain");
        assert!(stored_secret(&same).unwrap().starts_with(SEALED), "the next save seals it");
        let forged = format!("{SEALED}AAAA");
        let mut brought = tenant_with_secret(Some(&forged));
        seal_secret_key(&vault, &tenant_with_secret(Some("plain")), &mut brought).unwrap();
        assert_eq!(open_secret_key(&vault, stored_secret(&brought).unwrap()).unwrap().expose_secret(), forged);
    }
}
