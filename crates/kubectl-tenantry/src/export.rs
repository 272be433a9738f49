//! `export`: writes every tenant as a manifest that adopts it without a change.

mod client_defaults;
mod declarable;
mod files;
mod names;
mod new_tenant_defaults;
mod spec;
mod tenant_reader;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use tenantry_api::{GROUP, Partner, VERSION, is_namespace_name, is_object_name};
use tenantry_client::PlatformClient;
use tenantry_core::object::unique_id;
use tenantry_core::{Field, ObservedMark, ResolvedReferences, TenantKind, Value, client_default_settings};
use tenantry_wire::Mark;

use super::accounts::{UnusableConnection, UsableAccounts};
use super::cluster::{Cluster, ClusterFlags};
use super::connection::ConnectionFlags;
use super::failure::Failure;
use super::{CommandResult, ExitKind, output};
use declarable::DeclarableSchemas;
use files::ExportFiles;
use names::{UsedNames, is_system_namespace};
use new_tenant_defaults::NewTenantDefaults;
use spec::{ExportedSpec, SpecContext};
use tenant_reader::{FailedPartner, PartnerReads, PartnerTenants, ReadTenant, read_all_partners};

/// Write every tenant as a manifest that takes it over without changing it.
///
/// Each manifest has `adoption: {policy: IfIdentical, uniqueId: ...}`: applied, the operator writes its mark and
/// nothing else, or refuses and names what differs. Left out is what every new tenant has: switches that are off,
/// business hours from Monday to Friday, 9 to 17, and the PCI DSS password policy. The operator does not manage what is
/// left out; `--all-fields` writes it. What all clients of a partner have in common becomes the Partner's
/// `clients.defaults` and is left out of the Clients. Images become ConfigMaps. What cannot be declared, such as a key
/// that the platform never shows, is a comment in the file and is listed at the end. The same tenants give the same
/// files again, byte for byte.
///
/// A partner that the platform does not show is named at the end, with exit status 1; its files of an earlier export stay.
/// Without a named connection the Partners of the cluster must lead to one account.
///
/// The Secret with the connection is not written: put it into each namespace under the name of `--secret-name`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry export --connection platform.env -d tenants/\n  kubectl tenantry export --connection platform.env --partner msp_92 --namespace acme | kubectl apply -f -"
)]
pub(crate) struct ExportFlags {
    #[command(flatten)]
    connection: ConnectionFlags,
    /// Unique id of the one partner to write, with its clients.
    #[arg(long, value_name = "ID")]
    partner: Option<String>,
    /// Folder for one file an object and a kustomization; without it everything goes to stdout.
    #[arg(short = 'd', long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Form of stdout: `yaml`. Any other word, such as `tenants/`, is a folder as with --folder.
    #[arg(short, long, value_name = "FORM", conflicts_with = "folder")]
    output: Option<String>,
    /// Name of the Secret with the connection, in each namespace.
    #[arg(long, value_name = "NAME", default_value = "platform")]
    secret_name: String,
    /// Write every setting, also what every new tenant has, so that the operator keeps it as it is now.
    #[arg(long)]
    all_fields: bool,
}

/// Output formats of other verbs and of kubectl.
const OTHER_FORMS: [&str; 8] = ["yml", "json", "table", "text", "wide", "name", "markdown", "sarif"];

impl ExportFlags {
    /// Returns the folder to write to. In every other verb `-o` is a format, so a format name is refused as a folder
    /// name.
    fn output_folder(&self) -> Result<Option<PathBuf>, Failure> {
        match self.output.as_deref() {
            None | Some("yaml") => Ok(self.folder.clone()),
            Some(form) if OTHER_FORMS.contains(&form) => {
                let message = format!(
                    "`-o {form}` is no form of this verb: leave it out for YAML, or name a folder with `--folder`"
                );
                Err(Failure::new(message))
            }
            Some(folder) => Ok(Some(PathBuf::from(folder))),
        }
    }
}

pub(crate) async fn run(flags: &ExportFlags, cluster: &ClusterFlags) -> CommandResult {
    let folder = flags.output_folder()?;
    let connected = cluster.connect().await?;
    let SelectedPlatform { platform, unusable } = select_platform(flags, connected.as_ref()).await?;
    let declared = match &connected {
        Some(connected) => connected.partners_by_tenant_id().await?,
        None => BTreeMap::new(),
    };
    let PartnerReads { partners: families, failed } = read_all_partners(&platform, flags.partner.as_deref()).await?;
    let mut export = ExportRun {
        schemas: DeclarableSchemas::new(),
        files: ExportFiles::default(),
        namespaces: UsedNames::default(),
        occupied_places: BTreeSet::new(),
        names: BTreeMap::new(),
        left_out: Vec::new(),
        written_namespaces: BTreeSet::new(),
        flags,
        namespace: cluster.namespace(),
        declared,
    };
    for family in &families {
        export.reserve_marked_names(family);
    }
    for family in &families {
        export.export_partner_tenants(family)?;
    }
    export.write_files(folder.as_deref(), &failed)?;
    let failures: Vec<Failure> = unusable.into_iter().chain(failed.into_iter().map(Failure::from)).collect();
    if failures.is_empty() { Ok(ExitKind::Success) } else { Err(failures) }
}

/// The platform that is exported.
struct SelectedPlatform {
    platform: PlatformClient,
    /// Why Partners of the cluster lead to no platform.
    unusable: Vec<Failure>,
}

/// Selects the platform that a flag names, or the one that the Partners of the cluster lead to.
async fn select_platform(flags: &ExportFlags, cluster: Option<&Cluster>) -> Result<SelectedPlatform, Vec<Failure>> {
    let given = flags.connection.connection_override(cluster).await?;
    let name_it = "give the connection with `--connection FILE` or `--connection-secret NAME`";
    let cluster = match (&given.platform, cluster) {
        (Some(named), _) => return Ok(SelectedPlatform { platform: named.clone(), unusable: Vec::new() }),
        (None, None) => return Err(Failure::new(format!("the platform must be named: {name_it}")).into()),
        (None, Some(cluster)) => cluster,
    };
    let UsableAccounts { mut platforms, unusable } = UsableAccounts::from_cluster(given, cluster, None).await?;
    match (platforms.pop(), platforms.as_slice()) {
        (Some(platform), []) => {
            Ok(SelectedPlatform { platform, unusable: unusable.into_iter().map(Failure::from).collect() })
        }
        (None, _) if unusable.is_empty() => {
            Err(Failure::new(format!("no Partner names a connection: {name_it}")).into())
        }
        (None, _) => {
            let failure = |UnusableConnection { partner, reason: why }| {
                Failure::new(format!("{why}; or {name_it}")).about(partner)
            };
            Err(unusable.into_iter().map(failure).collect())
        }
        (Some(one), others) => {
            let accounts = others.iter().chain([&one]);
            let accounts = accounts.map(|one| format!("`{}` at `{}`", one.tenant_id(), one.host()));
            let accounts = accounts.collect::<Vec<_>>().join(", ");
            Err(Failure::new(format!("the Partners lead to several accounts ({accounts}): {name_it}")).into())
        }
    }
}

/// The state of an export.
struct ExportRun<'a> {
    schemas: DeclarableSchemas,
    files: ExportFiles,
    namespaces: UsedNames,
    /// Places that are taken by a tenant with a mark. A copied mark does not give a second tenant the same place.
    occupied_places: BTreeSet<(String, TenantKind, String)>,
    /// Names in use by namespace and kind.
    names: BTreeMap<(String, TenantKind), UsedNames>,
    left_out: Vec<String>,
    written_namespaces: BTreeSet<String>,
    flags: &'a ExportFlags,
    namespace: Option<&'a str>,
    /// Partner objects of the cluster by the id of their tenants.
    declared: BTreeMap<String, Partner>,
}

/// Namespace and name of an object.
#[derive(Clone, Debug)]
struct ExportedName {
    namespace: String,
    name: String,
}

impl ExportRun<'_> {
    /// Reserves the names of objects that already have a tenant.
    fn reserve_marked_names(&mut self, partner_tenants: &PartnerTenants) {
        for (kind, found) in partner_tenants
            .partner
            .iter()
            .map(|found| (TenantKind::Partner, found))
            .chain(partner_tenants.clients.iter().map(|found| (TenantKind::Client, found)))
        {
            if let Some(Mark { namespace, name, .. }) = valid_mark(found) {
                self.namespaces.reserve_name(namespace);
                self.names.entry((namespace.clone(), kind)).or_default().reserve_name(name);
            }
        }
    }

    fn export_partner_tenants(&mut self, partner_tenants: &PartnerTenants) -> Result<(), Failure> {
        let PartnerTenants { id, partner, clients, left_out } = partner_tenants;
        self.left_out.extend(left_out.iter().cloned());
        let (own, seat) = match partner {
            None => (BTreeMap::new(), None),
            Some(partner) => {
                let exported_name = self.choose_name(TenantKind::Partner, partner, None);
                let all: Vec<_> = clients.iter().map(|client| &client.inspection).collect();
                let (block, own) = if let Some(object) = self.declared.get(id) {
                    declared_client_defaults(object)
                } else {
                    let shared = client_defaults::common_settings(
                        &all,
                        &self.schemas,
                        NewTenantDefaults::new(self.flags.all_fields),
                    );
                    let block =
                        (!shared.is_empty()).then(|| json!({"defaults": client_defaults::defaults_block(&shared)}));
                    (block, shared)
                };
                // Clients of a partner that cannot be declared refer to it by its id.
                let is_declared = self.export_partner(partner, &exported_name, block)?;
                if is_declared { (own, Some(exported_name)) } else { (BTreeMap::new(), None) }
            }
        };
        for client in clients {
            self.export_client(client, id, seat.as_ref(), &own)?;
        }
        Ok(())
    }

    /// Chooses namespace and name of an object: from the tenant's mark, otherwise in the namespace of its Partner.
    fn choose_name(
        &mut self,
        kind: TenantKind,
        tenant: &ReadTenant,
        partner_name: Option<&ExportedName>,
    ) -> ExportedName {
        if let Some(Mark { namespace, name, .. }) = valid_mark(tenant)
            && self.occupied_places.insert((namespace.clone(), kind, name.clone()))
        {
            return ExportedName { namespace: namespace.clone(), name: name.clone() };
        }
        let observed = &tenant.inspection.observed;
        let namespace = match (self.namespace, partner_name) {
            (Some(namespace), _) => namespace.to_owned(),
            (None, Some(above)) => above.namespace.clone(),
            (None, None) => {
                let name = names::slug(&observed.name);
                let name = if is_system_namespace(&name) { format!("partner-{name}") } else { name };
                self.namespaces.assign_name(&name, &observed.unique_id)
            }
        };
        let taken = self.names.entry((namespace.clone(), kind)).or_default();
        ExportedName { name: taken.assign_name(&observed.name, &observed.unique_id), namespace }
    }

    fn export_partner(
        &mut self,
        tenant: &ReadTenant,
        exported_name: &ExportedName,
        clients: Option<Json>,
    ) -> Result<bool, Failure> {
        let mut written = self.build_spec(TenantKind::Partner, tenant, &BTreeMap::new(), exported_name);
        if let Some(clients) = clients {
            written.spec["clients"] = clients;
        }
        written.spec["connectionSecretRef"] = json!({"name": self.flags.secret_name});
        self.add_object_files(TenantKind::Partner, exported_name, tenant, written)
    }

    fn export_client(
        &mut self,
        tenant: &ReadTenant,
        partner: &str,
        partner_name: Option<&ExportedName>,
        defaults: &BTreeMap<Field, Value>,
    ) -> Result<(), Failure> {
        let fallback = ExportedName { namespace: names::slug(partner), name: String::new() };
        let exported_name = self.choose_name(TenantKind::Client, tenant, Some(partner_name.unwrap_or(&fallback)));
        let mut written = self.build_spec(TenantKind::Client, tenant, defaults, &exported_name);
        match partner_name {
            Some(above) if above.namespace == exported_name.namespace => {
                written.spec["partnerRef"] = json!({"name": above.name});
            }
            Some(above) => {
                written.spec["partnerRef"] = json!({"name": above.name, "namespace": above.namespace});
            }
            None => {
                written.spec["partnerUniqueId"] = json!(partner);
                written.spec["connectionSecretRef"] = json!({"name": self.flags.secret_name});
            }
        }
        self.add_object_files(TenantKind::Client, &exported_name, tenant, written).map(drop)
    }

    fn build_spec(
        &self,
        kind: TenantKind,
        tenant: &ReadTenant,
        defaults: &BTreeMap<Field, Value>,
        exported_name: &ExportedName,
    ) -> ExportedSpec {
        let images = images_config_map_name(kind.name(), &exported_name.name);
        let unchosen = NewTenantDefaults::new(self.flags.all_fields);
        spec::build_exported_spec(
            kind,
            &tenant.inspection,
            defaults,
            &SpecContext { schemas: &self.schemas, images: &images, unchosen },
        )
    }

    /// Adds the files of an object. Adds nothing if its name cannot be declared.
    fn add_object_files(
        &mut self,
        kind: TenantKind,
        exported_name: &ExportedName,
        tenant: &ReadTenant,
        written: ExportedSpec,
    ) -> Result<bool, Failure> {
        let ExportedSpec { mut spec, images, mut left_out, values } = written;
        let ExportedName { namespace, name } = exported_name;
        if !values.contains_key(&Field::Name) {
            let id = &tenant.inspection.observed.unique_id;
            self.left_out.extend(left_out.iter().map(|one| format!("{} {id} as a whole: {one}", kind.name())));
            return Ok(false);
        }
        if self.namespace.is_none() && self.written_namespaces.insert(namespace.clone()) {
            let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            self.files.add_object(format!("{namespace}/namespace.yaml"), &object, &[])?;
        }
        let id = &tenant.inspection.observed.unique_id;
        spec["adoption"] = json!({"policy": "IfIdentical", "uniqueId": id});
        let mut object = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"), "kind": kind.name(),
            "metadata": {"name": name, "namespace": namespace}, "spec": spec,
        });
        match self.schemas.remove_refused_settings(kind, &mut object) {
            Ok(refused) => left_out.extend(refused),
            Err(why) => {
                self.left_out.push(format!("{} {id} as a whole: {why}", kind.name()));
                return Ok(false);
            }
        }
        let file = |what: &str| format!("{namespace}/{what}-{name}.yaml");
        let lower = kind.name().to_ascii_lowercase();
        self.files.add_object(file(&lower), &object, &left_out)?;
        self.left_out.extend(left_out.iter().map(|one| format!("{} {namespace}/{name} ({id}): {one}", kind.name())));
        if !images.is_empty() {
            let mut data = json!({});
            for (key, field) in images {
                let bytes = tenant.images.get(&field).cloned().unwrap_or_default();
                data[key] = json!(k8s_openapi::ByteString(bytes));
            }
            let map = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": images_config_map_name(kind.name(), name), "namespace": namespace}, "binaryData": data,
            });
            self.files.add_object(file(&format!("{lower}-images")), &map, &[])?;
        }
        Ok(true)
    }

    /// Writes all files. Keeps the files of an earlier export for partners that could not be read.
    fn write_files(mut self, folder: Option<&Path>, failed: &[FailedPartner]) -> Result<(), Failure> {
        let count = self.files.count();
        match folder {
            None => output::print(&self.files.to_stream())?,
            Some(folder) => {
                let failed: BTreeSet<&str> = failed.iter().map(|one| one.id.as_str()).collect();
                if !failed.is_empty() {
                    self.files.retain_earlier_files(folder, &failed)?;
                }
                self.files.add_kustomization()?;
                self.files.write_to_folder(folder)?;
                output::print_note(&format!("{count} objects were written to `{}`", folder.display()));
            }
        }
        for line in &self.left_out {
            output::print_note(&format!("not exported: {line}"));
        }
        Ok(())
    }
}

/// Returns the mark of a tenant if the platform shows it in full.
fn valid_mark(tenant: &ReadTenant) -> Option<&Mark> {
    match &tenant.inspection.observed.mark {
        // A mark whose name no object can have is ignored.
        ObservedMark::Full(mark) => (is_namespace_name(&mark.namespace) && is_object_name(&mark.name)).then_some(mark),
        ObservedMark::Short(_) | ObservedMark::None | ObservedMark::Occupied | ObservedMark::Unreadable => None,
    }
}

/// Returns the name of the `ConfigMap` with the images of an object.
fn images_config_map_name(kind: &str, name: &str) -> String {
    format!("{}-{name}-images", kind.to_ascii_lowercase())
}

/// Returns what a Partner object of the cluster declares for its Clients.
fn declared_client_defaults(object: &Partner) -> (Option<Json>, BTreeMap<Field, Value>) {
    debug_assert!(unique_id(object).is_some());
    let clients = object.spec.clients.as_ref();
    let defaults = clients.and_then(|clients| clients.defaults.as_ref());
    let settings = defaults.and_then(|defaults| client_default_settings(defaults, &ResolvedReferences::default()).ok());
    (
        clients.and_then(|clients| serde_json::to_value(clients).ok()),
        settings.map(|settings| settings.values).unwrap_or_default(),
    )
}
