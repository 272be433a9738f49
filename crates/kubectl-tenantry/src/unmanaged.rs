//! `unmanaged`: lists tenants that no object declares, and objects whose tenant is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use kube::ResourceExt as _;
use serde::Serialize;
use tenantry_api::{ManagementMode, Partner};
use tenantry_client::{CallError, PlatformClient};
use tenantry_core::object::{TenantResource, management_mode, namespace, unique_id};
use tenantry_core::{LifecycleState, Place, TenantKind};
use tenantry_wire::{TenantSearchItem, WireTenantState};

use super::accounts::{PlatformAccounts, UnusableConnection, UsableAccounts};
use super::cluster::ClusterFlags;
use super::connection::{ConnectionFlags, ConnectionOverride};
use super::failure::Failure;
use super::inventory::{Inventory, object_label};
use super::manifest::{FileFlags, ObjectKey};
use super::object_platform::is_connection_error;
use super::output::{self, OutputFormat, ProgressLine};
use super::references::ReferenceReader;
use super::{CommandResult, ExitKind, tenant_rows};

/// List the tenants that no object claims, and the objects whose tenant is gone.
///
/// A tenant is claimed by the object whose status holds its unique id, or whose `adoption.uniqueId` names it. What the
/// manifests of `-f` and `-k` claim counts as claimed as well.
///
/// With `--namespace` only what concerns that namespace is listed: tenants under the partners that its objects name, tenants
/// with a mark of it, and its objects. A connection that cannot be used is one line of the result.
///
/// Exit status: 0 there are none, 2 there are some, 1 an error, or a platform that could not be searched.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry unmanaged\n  kubectl tenantry unmanaged --connection platform.env -f tenants/ -o json"
)]
pub(crate) struct UnmanagedFlags {
    /// All namespaces, also where `--namespace` names one.
    #[arg(short = 'A', long, conflicts_with_all = ["files", "kustomizations"])]
    all_namespaces: bool,
    #[command(flatten)]
    files: FileFlags,
    #[command(flatten)]
    connection: ConnectionFlags,
    /// Form for programs.
    #[arg(short, long, value_enum)]
    output: Option<OutputFormat>,
}

/// A tenant that no object claims.
#[derive(Serialize, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
struct UnclaimedTenant {
    kind: &'static str,
    unique_id: String,
    name: String,
    /// Unique id of the partner of a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    partner: Option<String>,
    is_active: bool,
    /// The object that its mark names.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
}

/// An object without a tenant.
#[derive(Serialize, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
struct OrphanedObject {
    kind: &'static str,
    namespace: String,
    name: String,
    unique_id: String,
}

/// The result.
#[derive(Serialize, Debug, Default)]
#[serde(rename_all = "camelCase")]
struct UnmanagedReport {
    /// Tenants that no object claims.
    tenants: Vec<UnclaimedTenant>,
    /// Objects whose tenant is gone.
    objects: Vec<OrphanedObject>,
    /// Platforms and objects that could not be checked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_looked_at: Vec<UncheckedItem>,
}

/// Items that could not be checked for one reason.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct UncheckedItem {
    /// Objects, or the platform.
    what: Vec<String>,
    message: String,
}

impl UnmanagedReport {
    fn add_unchecked(&mut self, what: String, message: String) {
        match self.not_looked_at.iter_mut().find(|one| one.message == message) {
            Some(one) => one.what.push(what),
            None => self.not_looked_at.push(UncheckedItem { what: vec![what], message }),
        }
    }
}

/// A namespace and the partners that its objects name. Tenants of other partners are out of scope.
struct NamespaceScope {
    namespace: String,
    partners: BTreeSet<String>,
}

impl NamespaceScope {
    fn from_namespace(inventory: &Inventory, namespace: &str) -> Self {
        let ids = |object: &Partner| {
            let adopted = object.adoption().and_then(|adoption| adoption.unique_id.clone());
            unique_id(object).map(str::to_owned).into_iter().chain(adopted).collect::<Vec<_>>()
        };
        let own = inventory.partners.iter().filter(|(key, _)| key.0 == namespace).map(|(_, subject)| &subject.object);
        let clients =
            || inventory.clients.iter().filter(|(key, _)| key.0 == namespace).map(|(_, subject)| &subject.object);
        let above = clients().filter_map(|client| inventory.partner_of(client));
        let named = clients().filter_map(|client| client.spec.partner_unique_id.clone());
        let partners = own.chain(above).flat_map(ids).chain(named).collect();
        Self { namespace: namespace.to_owned(), partners }
    }

    fn concerns_tenant(&self, place: &Place, row: &TenantSearchItem) -> bool {
        let is_marked = row.managed_by.as_ref().is_some_and(|mark| mark.namespace == self.namespace);
        is_marked || place.kind() == TenantKind::Client && self.partners.contains(place.parent_id())
    }
}

pub(crate) async fn run(flags: &UnmanagedFlags, cluster: &ClusterFlags) -> CommandResult {
    let cluster = cluster.with_all_namespaces(flags.all_namespaces);
    let inventory = Inventory::load(&flags.files, &[], &cluster).await?;
    let given = flags.connection.connection_override(inventory.cluster.as_ref()).await?;
    let scope = cluster.namespace().map(|namespace| NamespaceScope::from_namespace(&inventory, namespace));
    let mut found = UnmanagedReport::default();
    let platforms = select_platforms(&inventory, given, scope.as_ref(), &mut found).await?;
    let claimed = claimed_ids(&inventory);
    let mut rows = BTreeMap::new();
    let mut progress = ProgressLine::begin("partners looked through");
    for platform in &platforms {
        match list_account_tenants(platform, &mut rows, scope.as_ref(), &mut progress).await {
            Ok(unlisted) => unlisted.into_iter().for_each(|(what, error)| found.add_unchecked(what, error.to_string())),
            Err(error) => found.add_unchecked(format!("platform `{}`", platform.host()), error.to_string()),
        }
    }
    for (id, (place, row)) in &rows {
        let is_asked = scope.as_ref().is_none_or(|scope| scope.concerns_tenant(place, row));
        if is_asked && row.status != Some(WireTenantState::Terminated) && !claimed.contains(id.as_str()) {
            found.tenants.push(unclaimed_tenant(place, row));
        }
    }
    let is_asked = |key: &ObjectKey| scope.as_ref().is_none_or(|scope| scope.namespace == key.0);
    for (_, subject) in inventory.partners.iter().filter(|(key, _)| is_asked(key)) {
        check_orphaned(&subject.object, &inventory, &rows, &platforms, &mut found).await;
    }
    for (_, subject) in inventory.clients.iter().filter(|(key, _)| is_asked(key)) {
        check_orphaned(&subject.object, &inventory, &rows, &platforms, &mut found).await;
    }
    found.tenants.sort_by(|one, other| {
        (other.kind, &one.partner, &one.name, &one.unique_id).cmp(&(
            one.kind,
            &other.partner,
            &other.name,
            &other.unique_id,
        ))
    });
    found.objects.sort();
    let text = match flags.output {
        Some(form) => form.text(&found)?,
        None => render_text(&found),
    };
    output::print(&text)?;
    if !found.not_looked_at.is_empty() {
        let message =
            "not everything could be looked at: the result says what, and nothing is known of the tenants there";
        return Err(Failure::new(message).into());
    }
    Ok(if found.tenants.is_empty() && found.objects.is_empty() { ExitKind::Success } else { ExitKind::Changes })
}

/// Returns every platform that the Partners lead to, or the one that a flag names.
async fn select_platforms(
    inventory: &Inventory,
    connection_override: ConnectionOverride,
    scope: Option<&NamespaceScope>,
    report: &mut UnmanagedReport,
) -> Result<Vec<PlatformClient>, Failure> {
    if let Some(named) = connection_override.platform {
        return Ok(vec![named]);
    }
    let mut references = ReferenceReader::new(inventory, connection_override);
    let mut accounts = PlatformAccounts::default();
    for subject in inventory.partners.values().filter(|subject| subject.object.connection_secret().is_some()) {
        let partner = &subject.object;
        let is_named = |scope: &NamespaceScope| {
            namespace(partner) == scope.namespace || unique_id(partner).is_some_and(|id| scope.partners.contains(id))
        };
        if !scope.is_none_or(is_named) {
            continue;
        }
        accounts.add_connection(partner, references.platform_of(partner, None, inventory.cluster.as_ref()).await);
    }
    let UsableAccounts { platforms, unusable } = accounts.check_credentials().await;
    if platforms.is_empty() && unusable.is_empty() {
        return Err(Failure::new("no Partner names a connection: give it with `--connection FILE`"));
    }
    for UnusableConnection { partner, reason: why } in unusable {
        report.add_unchecked(partner, why);
    }
    Ok(platforms)
}

/// Number of objects that are named if one reason applies to many.
const MAX_NAMES: usize = 5;

type TenantRowsById = BTreeMap<String, (Place, TenantSearchItem)>;

/// Reads every tenant of an account, including terminated ones. Returns the partners whose clients cannot be listed.
async fn list_account_tenants(
    platform: &PlatformClient,
    rows: &mut TenantRowsById,
    scope: Option<&NamespaceScope>,
    progress: &mut ProgressLine,
) -> Result<Vec<(String, CallError)>, CallError> {
    let account = platform.tenant_id().to_owned();
    let place = Place::Partners { sp: account.clone() };
    let mut partners: Vec<String> = Vec::new();
    match tenant_rows::list_tenant_rows(platform, &place).await {
        Ok(found) => {
            for (id, row) in found.iter() {
                if row.status != Some(WireTenantState::Terminated) {
                    partners.push(id.clone());
                }
                rows.insert(id.clone(), (place.clone(), row.clone()));
            }
        }
        // If the API has no partners, the credential's own tenant is the only one.
        Err(CallError::Unsupported { .. } | CallError::NotFound { .. }) => partners.push(account),
        Err(error) => return Err(error),
    }
    partners.retain(|id| scope.is_none_or(|scope| scope.partners.contains(id)));
    let mut unlisted = Vec::new();
    for partner in &partners {
        let place = Place::Clients { msp: partner.clone() };
        match tenant_rows::list_tenant_rows(platform, &place).await {
            Ok(found) => rows.extend(found.iter().map(|(id, row)| (id.clone(), (place.clone(), row.clone())))),
            Err(error) if is_connection_error(&error) => return Err(error),
            Err(error) => unlisted.push((format!("partner `{partner}`"), error)),
        }
        progress.count_one(partners.len());
    }
    Ok(unlisted)
}

fn claimed_ids(inventory: &Inventory) -> BTreeSet<&str> {
    fn ids_claimed_by<K: TenantResource>(object: &K) -> impl Iterator<Item = &str> {
        unique_id(object).into_iter().chain(object.adoption().and_then(|adoption| adoption.unique_id.as_deref()))
    }
    let partners = inventory.partners.values().flat_map(|subject| ids_claimed_by(&subject.object));
    let clients = inventory.clients.values().flat_map(|subject| ids_claimed_by(&subject.object));
    let above = inventory.clients.values().filter_map(|subject| subject.object.spec.partner_unique_id.as_deref());
    partners.chain(clients).chain(above).collect()
}

fn unclaimed_tenant(place: &Place, row: &TenantSearchItem) -> UnclaimedTenant {
    UnclaimedTenant {
        kind: place.kind().name(),
        unique_id: row.unique_id.clone(),
        name: row.name.clone(),
        partner: (place.kind() == TenantKind::Client).then(|| place.parent_id().to_owned()),
        is_active: row.activated,
        owner: row.managed_by.as_ref().map(ToString::to_string),
    }
}

/// Checks whether the tenant of an object is gone. Absence from a list does not prove that, so the tenant is read.
async fn check_orphaned<K: TenantResource>(
    object: &K,
    inventory: &Inventory,
    rows: &TenantRowsById,
    platforms: &[PlatformClient],
    report: &mut UnmanagedReport,
) {
    let observed = object.adoption().filter(|_| management_mode(object) == ManagementMode::Observe);
    let id = unique_id(object).or_else(|| observed.and_then(|adoption| adoption.unique_id.as_deref()));
    let Some(id) = id else { return };
    let is_gone = match rows.get(id) {
        Some((_, row)) => row.status == Some(WireTenantState::Terminated),
        None => match is_tenant_gone(object, id, inventory, rows, platforms).await {
            Ok(is_gone) => is_gone,
            Err(error) => return report.add_unchecked(object_label(object), error.to_string()),
        },
    };
    if is_gone {
        report.objects.push(OrphanedObject {
            kind: K::KIND.name(),
            namespace: namespace(object),
            name: object.name_any(),
            unique_id: id.to_owned(),
        });
    }
}

async fn is_tenant_gone<K: TenantResource>(
    object: &K,
    id: &str,
    inventory: &Inventory,
    rows: &TenantRowsById,
    platforms: &[PlatformClient],
) -> Result<bool, CallError> {
    let pinned = object.status().and_then(|status| status.connection.as_ref());
    // An object of another account is outside this list.
    let Some(platform) = platforms.iter().find(|platform| pinned.is_none_or(|pinned| pinned.host == platform.host()))
    else {
        return Ok(false);
    };
    let parent = pinned.and_then(|pinned| pinned.parent_id.clone());
    let parent = parent.or_else(|| inventory.partner_of(object).and_then(unique_id).map(str::to_owned));
    let is_ended = |id: &String| rows.get(id).is_some_and(|(_, row)| row.status == Some(WireTenantState::Terminated));
    if K::KIND == TenantKind::Client && parent.as_ref().is_some_and(is_ended) {
        // A terminated partner has no live clients, and the platform does not answer for it.
        return Ok(true);
    }
    let place = match (K::KIND, parent) {
        (TenantKind::Partner, _) => Place::Partners { sp: platform.tenant_id().to_owned() },
        (TenantKind::Client, Some(msp)) => Place::Clients { msp },
        (TenantKind::Client, None) => return Ok(false),
    };
    match platform.read_tenant(&place, id, false).await {
        Ok(read) => Ok(read.is_none_or(|read| read.lifecycle == LifecycleState::Terminated)),
        // Under a partner that is only suspended, some platforms do not answer at all.
        Err(CallError::NotFound { .. } | CallError::ParentGone { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn render_text(report: &UnmanagedReport) -> String {
    let mut text = String::new();
    for UnclaimedTenant { kind, unique_id, name, partner, is_active, owner } in &report.tenants {
        let under = partner.as_ref().map(|partner| format!(" of {partner}")).unwrap_or_default();
        let stopped = if *is_active { "" } else { ", not in service" };
        let owner = owner.as_ref().map(|owner| format!(", marked as of {owner}")).unwrap_or_default();
        let _ = writeln!(
            text,
            "{kind} {unique_id} \"{}\"{under}{stopped}{owner}: no object claims it",
            name.escape_debug()
        );
    }
    for OrphanedObject { kind, namespace, name, unique_id } in &report.objects {
        let _ = writeln!(text, "{kind} {namespace}/{name}: its tenant {unique_id} is gone");
    }
    for UncheckedItem { what, message } in &report.not_looked_at {
        let more = if what.len() > MAX_NAMES { format!(" and {} more", what.len() - MAX_NAMES) } else { String::new() };
        let what = what.iter().take(MAX_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "not looked at: {what}{more}: {message}");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "{} tenants that no object claims, {} objects whose tenant is gone.",
        report.tenants.len(),
        report.objects.len()
    );
    text
}
