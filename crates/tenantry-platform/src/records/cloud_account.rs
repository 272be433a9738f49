//! `blockDuplicateCloudAccounts`: a cloud account is registered once, across partners.

use serde_json::{Map, Value};
use tenantry_wire::Tenant;

use crate::error::{ApiError, quote};
use crate::settings::Problems;
use crate::store::{Record, TenantLevel, TenantRecord, Tx, account_holder_settings};

/// The member that registers a cloud account.
const MEMBER: &str = "cloudAccount";

/// Returns the account of a record in the form for comparison: provider and number, without case and spaces.
pub(super) fn account_key(members: &Map<String, Value>, problems: &mut Problems) -> Option<String> {
    let account = members.get(MEMBER)?;
    let part = |name: &str| account.get(name).and_then(Value::as_str).map(|text| text.trim().to_lowercase());
    match (part("provider"), part("accountId")) {
        (Some(provider), Some(number)) if is_valid_part(&provider) && is_valid_part(&number) => {
            Some(format!("{provider}/{number}"))
        }
        _ => {
            let message = "The account needs the texts provider and accountId, of 1 to 255 characters without a slash";
            problems.refuse(MEMBER, message);
            None
        }
    }
}

fn is_valid_part(text: &str) -> bool {
    (1..=255).contains(&text.chars().count()) && !text.contains('/') && !text.chars().any(char::is_control)
}

/// Refuses an account that is already registered, if the partner of either side has the setting. The error does not
/// name the holder, who may be another partner's customer.
pub(super) async fn ensure_account_free(tx: &mut Tx, tenant: &TenantRecord, record: &Record) -> Result<(), ApiError> {
    let Some(account) = &record.cloud_account else { return Ok(()) };
    let holders = account_holder_settings(tx, account, record.id).await?;
    let blocks = |partner: &Tenant| partner.block_duplicate_cloud_accounts == Some(true);
    let own = match &tenant.parent {
        Some(partner) if tenant.kind == TenantLevel::Client => &partner.settings,
        _ => &tenant.settings,
    };
    let whose = if !holders.is_empty() && blocks(own) {
        "of this partner"
    } else if holders.iter().any(blocks) {
        "of the partner whose client has it"
    } else {
        return Ok(());
    };
    Err(ApiError::field(
        MEMBER,
        format!(
            "The cloud account {} is registered already, and the rule blockDuplicateCloudAccounts {whose} refuses it twice",
            quote(account)
        ),
    ))
}
