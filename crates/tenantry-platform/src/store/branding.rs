//! Branding: texts, references to images, and the images themselves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use sqlx::{AnyExecutor, Row as _};
use tenantry_wire::{Branding, ImagePaths};

use super::{Store, Tx};
use crate::credential::hex;
use crate::error::ApiError;

/// An image as stored.
pub(crate) struct StoredImage {
    /// `logo`, `favIcon` or `loginPageImage`.
    pub(crate) slot: &'static str,
    /// Last segment of its URL path.
    pub(crate) file: String,
    /// `image/png` or `image/jpeg`.
    pub(crate) content_type: &'static str,
    /// Base64 of the bytes.
    pub(crate) content: String,
}

impl Store {
    /// Adds the digest of the served bytes to images that were stored before digests were kept, one image at a time. A
    /// second run finds nothing to do.
    pub(super) async fn write_served_digests(&self) -> Result<(), sqlx::Error> {
        let rows = sqlx::query("SELECT tenant_id, document FROM branding ORDER BY tenant_id");
        for row in rows.fetch_all(&self.readers).await? {
            let (tenant, document): (i64, String) = (row.try_get("tenant_id")?, row.try_get("document")?);
            let Ok(mut branding) = serde_json::from_str::<Branding<ImagePaths>>(&document) else { continue };
            let images = [&mut branding.logo, &mut branding.fav_icon, &mut branding.login_page_image];
            let mut is_changed = false;
            for image in images.into_iter().flatten().filter(|image| image.served_sha256.is_none()) {
                image.served_sha256 = self.served_digest(tenant, &image.logo_path).await?;
                is_changed |= image.served_sha256.is_some();
            }
            let Some(changed) = serde_json::to_string(&branding).ok().filter(|_| is_changed) else { continue };
            let mut tx = self.begin().await?;
            // Another process may have changed the branding meanwhile; its version already has the digest.
            let update = sqlx::query("UPDATE branding SET document = $1 WHERE tenant_id = $2 AND document = $3");
            update.bind(changed).bind(tenant).bind(document).execute(&mut *tx).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn served_digest(&self, tenant: i64, path: &str) -> Result<Option<String>, sqlx::Error> {
        let file = path.rsplit('/').next().unwrap_or_default();
        let content = sqlx::query_scalar("SELECT content FROM image WHERE tenant_id = $1 AND file = $2");
        let content: Option<String> = content.bind(tenant).bind(file).fetch_optional(&self.readers).await?;
        Ok(content.and_then(|content| STANDARD.decode(content).ok()).map(|bytes| hex(&Sha256::digest(bytes))))
    }

    /// Returns the tenant's own branding.
    pub(crate) async fn branding(&self, tenant: i64) -> Result<Branding<ImagePaths>, ApiError> {
        load_branding(&self.readers, tenant).await
    }

    /// Returns the content type of an image of a tenant that is not terminated.
    pub(crate) async fn image_type(&self, tenant: i64, file: &str) -> Result<Option<String>, ApiError> {
        let row = sqlx::query_scalar(
            "SELECT i.content_type FROM image i JOIN tenant t ON t.id = i.tenant_id \
             WHERE i.tenant_id = $1 AND i.file = $2 AND t.state <> 'TERMINATED'",
        );
        Ok(row.bind(tenant).bind(file).fetch_optional(&self.readers).await?)
    }

    /// Returns content type and base64 content of an image of a tenant that is not terminated.
    pub(crate) async fn image(&self, tenant: i64, file: &str) -> Result<Option<(String, String)>, ApiError> {
        let row = sqlx::query(
            "SELECT i.content_type, i.content FROM image i JOIN tenant t ON t.id = i.tenant_id \
             WHERE i.tenant_id = $1 AND i.file = $2 AND t.state <> 'TERMINATED'",
        );
        let row = row.bind(tenant).bind(file).fetch_optional(&self.readers).await?;
        row.map(|row| Ok((row.try_get("content_type")?, row.try_get("content")?))).transpose()
    }
}

/// Loads the tenant's own branding; empty if there is none.
pub(crate) async fn load_branding<'e>(
    executor: impl AnyExecutor<'e>,
    tenant: i64,
) -> Result<Branding<ImagePaths>, ApiError> {
    let document: Option<String> = sqlx::query_scalar("SELECT document FROM branding WHERE tenant_id = $1")
        .bind(tenant)
        .fetch_optional(executor)
        .await?;
    document.map_or_else(|| Ok(Branding::default()), |document| Ok(serde_json::from_str(&document)?))
}

/// Stores a tenant's branding and the given images. An image that is `None` is deleted.
pub(crate) async fn save_branding(
    tx: &mut Tx,
    tenant: i64,
    branding: &Branding<ImagePaths>,
    images: &[(&'static str, Option<StoredImage>)],
) -> Result<(), ApiError> {
    sqlx::query(
        "INSERT INTO branding (tenant_id, document) VALUES ($1, $2) \
         ON CONFLICT (tenant_id) DO UPDATE SET document = excluded.document",
    )
    .bind(tenant)
    .bind(serde_json::to_string(branding)?)
    .execute(&mut **tx)
    .await?;
    for (place, image) in images {
        sqlx::query("DELETE FROM image WHERE tenant_id = $1 AND place = $2")
            .bind(tenant)
            .bind(*place)
            .execute(&mut **tx)
            .await?;
        let Some(image) = image else { continue };
        sqlx::query("INSERT INTO image (tenant_id, place, file, content_type, content) VALUES ($1, $2, $3, $4, $5)")
            .bind(tenant)
            .bind(image.slot)
            .bind(&image.file)
            .bind(image.content_type)
            .bind(&image.content)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}
