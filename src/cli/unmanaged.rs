//! `unmanaged`: what nobody declares, and declarations of what is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use kube::ResourceExt as _;
use serde::Serialize;

use super::cluster::ClusterFlags;
use super::connection::{ConnectionFlags, Given};
use super::failure::Failure;
use super::ground::{Ground, named};
use super::manifest::FileFlags;
use super::output::{self, Machine, Progress};
use super::references::{Lack, References};
use super::{Ended, Exit, tenants};
use crate::api::ManagementMode;
use crate::connect::{Error, Place, Platform};
use crate::object::{Object, mode, namespace, unique_id};
use crate::plan::{Kind, TenantLife};
use crate::wire::{SearchItem, State};

/// List the tenants that no object claims, and the objects whose tenant is gone.
///
/// A tenant is claimed by the object whose status holds its unique id, or whose `adoption.uniqueId` names it. What the
/// manifests of `-f` and `-k` claim counts as claimed as well.
///
/// Exit status: 0 there are none, 2 there are some, 1 an error.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry unmanaged\n  kubectl tenantry unmanaged --connection platform.env -f tenants/ -o json"
)]
pub(crate) struct Flags {
    #[command(flatten)]
    files: FileFlags,
    #[command(flatten)]
    connection: ConnectionFlags,
    /// Form for programs.
    #[arg(short, long, value_enum)]
    output: Option<Machine>,
}

/// A tenant that nobody claims.
#[derive(Serialize, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
struct Unclaimed {
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
struct Orphan {
    kind: &'static str,
    namespace: String,
    name: String,
    unique_id: String,
}

/// What was found.
#[derive(Serialize, Debug, Default)]
#[serde(rename_all = "camelCase")]
struct Found {
    /// Tenants that no object claims.
    tenants: Vec<Unclaimed>,
    /// Objects whose tenant is gone.
    objects: Vec<Orphan>,
}

pub(crate) async fn run(flags: &Flags, cluster: &ClusterFlags) -> Ended {
    let ground = Ground::gather(&flags.files, &[], cluster).await?;
    let given = flags.connection.given(ground.cluster.as_ref()).await?;
    let platforms = platforms(&ground, given).await?;
    let claimed = claimed(&ground);
    let mut found = Found::default();
    let mut rows = BTreeMap::new();
    let mut progress = Progress::begin("partners looked through");
    for platform in &platforms {
        let failed = |error: &Error| Failure::new(format!("platform `{}`: {error}", platform.host()));
        look(platform, &mut rows, &mut progress).await.map_err(|error| failed(&error))?;
    }
    for (id, (place, row)) in &rows {
        if row.status != Some(State::Terminated) && !claimed.contains(id.as_str()) {
            found.tenants.push(unclaimed(place, row));
        }
    }
    for subject in ground.partners.values() {
        orphan(&subject.object, (&ground, &rows, &platforms), &mut found).await?;
    }
    for subject in ground.clients.values() {
        orphan(&subject.object, (&ground, &rows, &platforms), &mut found).await?;
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
        None => text(&found),
    };
    output::print(&text)?;
    Ok(if found.tenants.is_empty() && found.objects.is_empty() { Exit::Nothing } else { Exit::Changes })
}

/// Every platform that the Partners lead to, or the one that was named.
async fn platforms(ground: &Ground, given: Given) -> Result<Vec<Platform>, Failure> {
    if let Some(named) = given.platform {
        return Ok(vec![named]);
    }
    let mut references = References::new(ground, given);
    let mut platforms: BTreeMap<(String, String), Platform> = BTreeMap::new();
    for subject in ground.partners.values().filter(|subject| subject.object.connection_secret().is_some()) {
        match references.platform(&subject.object, None, ground.cluster.as_ref()).await {
            Ok(platform) => {
                platforms.insert((platform.host(), platform.tenant_id().to_owned()), platform);
            }
            Err(Lack::Failure(failure)) => return Err(failure.about(named(&subject.object))),
            Err(Lack::Outcome(_)) => {
                let message = "its connection does not exist, so that its platform is not looked through";
                output::note(&format!("{}: {message}", named(&subject.object)));
            }
        }
    }
    if platforms.is_empty() {
        return Err(Failure::new("no Partner names a connection: give it with `--connection FILE`"));
    }
    Ok(platforms.into_values().collect())
}

type Rows = BTreeMap<String, (Place, SearchItem)>;

/// Every tenant of an account, the terminated ones included.
async fn look(platform: &Platform, rows: &mut Rows, progress: &mut Progress) -> Result<(), Error> {
    let account = platform.tenant_id().to_owned();
    let place = Place::Partners { sp: account.clone() };
    let mut partners: Vec<String> = Vec::new();
    match tenants::rows(platform, &place).await {
        Ok(found) => {
            for (id, row) in found.iter() {
                if row.status != Some(State::Terminated) {
                    partners.push(id.clone());
                }
                rows.insert(id.clone(), (place.clone(), row.clone()));
            }
        }
        // Without partners in the API the credential's own tenant is one.
        Err(Error::Unsupported { .. } | Error::NotFound { .. }) => partners.push(account),
        Err(error) => return Err(error),
    }
    for partner in &partners {
        let place = Place::Clients { msp: partner.clone() };
        for (id, row) in tenants::rows(platform, &place).await?.iter() {
            rows.insert(id.clone(), (place.clone(), row.clone()));
        }
        progress.step(partners.len());
    }
    Ok(())
}

fn claimed(ground: &Ground) -> BTreeSet<&str> {
    fn of<K: Object>(object: &K) -> impl Iterator<Item = &str> {
        unique_id(object).into_iter().chain(object.adoption().and_then(|adoption| adoption.unique_id.as_deref()))
    }
    let partners = ground.partners.values().flat_map(|subject| of(&subject.object));
    let clients = ground.clients.values().flat_map(|subject| of(&subject.object));
    let above = ground.clients.values().filter_map(|subject| subject.object.spec.partner_unique_id.as_deref());
    partners.chain(clients).chain(above).collect()
}

fn unclaimed(place: &Place, row: &SearchItem) -> Unclaimed {
    Unclaimed {
        kind: place.kind().name(),
        unique_id: row.unique_id.clone(),
        name: row.name.clone(),
        partner: (place.kind() == Kind::Client).then(|| place.parent().to_owned()),
        is_active: row.activated,
        owner: row.managed_by.as_ref().map(ToString::to_string),
    }
}

/// An object whose tenant is gone: absence from a list is never that, a read decides.
async fn orphan<K: Object>(
    object: &K,
    (ground, rows, platforms): (&Ground, &Rows, &[Platform]),
    found: &mut Found,
) -> Result<(), Failure> {
    let observed = object.adoption().filter(|_| mode(object) == ManagementMode::Observe);
    let id = unique_id(object).or_else(|| observed.and_then(|adoption| adoption.unique_id.as_deref()));
    let Some(id) = id else { return Ok(()) };
    let is_gone = match rows.get(id) {
        Some((_, row)) => row.status == Some(State::Terminated),
        None => is_gone(object, id, (ground, rows, platforms)).await?,
    };
    if is_gone {
        found.objects.push(Orphan {
            kind: K::KIND.name(),
            namespace: namespace(object),
            name: object.name_any(),
            unique_id: id.to_owned(),
        });
    }
    Ok(())
}

async fn is_gone<K: Object>(
    object: &K,
    id: &str,
    (ground, rows, platforms): (&Ground, &Rows, &[Platform]),
) -> Result<bool, Failure> {
    let pinned = object.status().and_then(|status| status.connection.as_ref());
    // An object of another account is not this list's to judge.
    let Some(platform) = platforms.iter().find(|platform| pinned.is_none_or(|pinned| pinned.host == platform.host()))
    else {
        return Ok(false);
    };
    let parent = pinned.and_then(|pinned| pinned.parent_id.clone());
    let parent = parent.or_else(|| ground.partner_of(object).and_then(unique_id).map(str::to_owned));
    let is_ended = |id: &String| rows.get(id).is_some_and(|(_, row)| row.status == Some(State::Terminated));
    if K::KIND == Kind::Client && parent.as_ref().is_some_and(is_ended) {
        // Under a partner that was ended nothing lives, and nothing is answered.
        return Ok(true);
    }
    let place = match (K::KIND, parent) {
        (Kind::Partner, _) => Place::Partners { sp: platform.tenant_id().to_owned() },
        (Kind::Client, Some(msp)) => Place::Clients { msp },
        (Kind::Client, None) => return Ok(false),
    };
    match platform.read(&place, id, false).await {
        Ok(read) => Ok(read.is_none_or(|read| read.life == TenantLife::Terminated)),
        // Under a partner that is only suspended some platforms do not answer at all.
        Err(Error::NotFound { .. } | Error::ParentGone { .. }) => Ok(false),
        Err(error) => Err(Failure::new(format!("platform `{}`: {error}", platform.host())).about(named(object))),
    }
}

fn text(found: &Found) -> String {
    let mut text = String::new();
    for Unclaimed { kind, unique_id, name, partner, is_active, owner } in &found.tenants {
        let under = partner.as_ref().map(|partner| format!(" of {partner}")).unwrap_or_default();
        let stopped = if *is_active { "" } else { ", not in service" };
        let owner = owner.as_ref().map(|owner| format!(", marked as of {owner}")).unwrap_or_default();
        let _ = writeln!(
            text,
            "{kind} {unique_id} \"{}\"{under}{stopped}{owner}: no object claims it",
            name.escape_debug()
        );
    }
    for Orphan { kind, namespace, name, unique_id } in &found.objects {
        let _ = writeln!(text, "{kind} {namespace}/{name}: its tenant {unique_id} is gone");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "{} tenants that no object claims, {} objects whose tenant is gone.",
        found.tenants.len(),
        found.objects.len()
    );
    text
}
