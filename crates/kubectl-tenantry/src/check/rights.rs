//! Checks the permissions of the operator's ServiceAccount, as the API server evaluates them.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Api;
use kube::api::PostParams;
use tenantry_api::GROUP;

use super::CheckReport;
use crate::cluster::{Cluster, api_error_message};

const CHECK_NAME: &str = "rights";

/// A permission that the operator needs.
struct RequiredRight {
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    /// The one object that it applies to; empty for all objects.
    name: &'static str,
    verbs: &'static [&'static str],
    place: RightScope,
}

/// Where a permission is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RightScope {
    /// In the namespaces that the operator watches.
    Watched,
    /// In the operator's own namespace.
    Own,
    /// In the whole cluster, if the operator watches all namespaces. Otherwise the operator works without it.
    Cluster,
}

/// The namespaces that the operator watches.
pub(super) enum WatchedNamespaces {
    /// All namespaces.
    Everywhere,
    /// These namespaces.
    Namespaces(Vec<String>),
    /// No Deployment shows which.
    Unknown,
}

/// The account whose permissions are checked.
pub(super) struct OperatorAccount {
    /// The ServiceAccount as `NAMESPACE/NAME`.
    pub(super) name: String,
    /// The namespaces in which it needs them.
    pub(super) watched: WatchedNamespaces,
}

const fn watched_right(group: &'static str, resource: &'static str, verbs: &'static [&'static str]) -> RequiredRight {
    RequiredRight { group, resource, subresource: "", name: "", verbs, place: RightScope::Watched }
}

const fn own_namespace_right(
    group: &'static str,
    resource: &'static str,
    name: &'static str,
    verbs: &'static [&'static str],
) -> RequiredRight {
    RequiredRight { name, place: RightScope::Own, ..watched_right(group, resource, verbs) }
}

const fn definition_right(name: &'static str) -> RequiredRight {
    RequiredRight {
        name,
        place: RightScope::Cluster,
        ..watched_right("apiextensions.k8s.io", "customresourcedefinitions", &["get"])
    }
}

/// The permissions that the chart grants.
const REQUIRED_RIGHTS: [RequiredRight; 15] = [
    watched_right(GROUP, "partners", &["get", "list", "watch", "patch"]),
    watched_right(GROUP, "clients", &["get", "list", "watch", "patch"]),
    RequiredRight { subresource: "status", ..watched_right(GROUP, "partners", &["patch"]) },
    RequiredRight { subresource: "status", ..watched_right(GROUP, "clients", &["patch"]) },
    watched_right("", "secrets", &["get"]),
    watched_right("", "configmaps", &["get", "list", "watch"]),
    watched_right("", "namespaces", &["get"]),
    watched_right("events.k8s.io", "events", &["create", "patch"]),
    own_namespace_right("coordination.k8s.io", "leases", "", &["create"]),
    own_namespace_right("coordination.k8s.io", "leases", "tenantry-operator", &["get", "update"]),
    own_namespace_right("", "configmaps", "", &["create"]),
    own_namespace_right("", "configmaps", "tenantry-terminations", &["update"]),
    own_namespace_right("", "secrets", "", &["create"]),
    definition_right("partners.tenantry.dev"),
    definition_right("clients.tenantry.dev"),
];

/// The permission that distinguishes an install for all namespaces from one for some.
const LIST_EVERYWHERE: RequiredRight = watched_right(GROUP, "partners", &["list"]);

/// Checks each permission with the API server.
pub(super) async fn check_rights(account: &OperatorAccount, cluster: &Cluster, report: &mut CheckReport) {
    let OperatorAccount { name: account, watched } = account;
    let Some((namespace, name)) = account.split_once('/') else {
        report.add_wrong(CHECK_NAME, format!("`{account}` names no ServiceAccount: write it as `NAMESPACE/NAME`"));
        return;
    };
    match find_missing_rights(&ReviewSubject { namespace, name, cluster }, watched).await {
        Err(error) => report
            .add_unknown(CHECK_NAME, format!("what `{account}` may do cannot be asked: {}", api_error_message(&error))),
        Ok(missing) => missing.report_missing(account, report),
    }
}

/// Permissions that are not granted.
#[derive(Default)]
struct MissingRights {
    needed: Vec<String>,
    /// Permissions that an operator for some namespaces does not need.
    optional: Vec<String>,
}

impl MissingRights {
    /// Reports the permissions that a ServiceAccount lacks.
    fn report_missing(&self, account: &str, report: &mut CheckReport) {
        let Self { needed, optional: perhaps } = self;
        if needed.is_empty() && perhaps.is_empty() {
            report.add_ok(CHECK_NAME, format!("ServiceAccount `{account}` may do everything that the operator does"));
        }
        // An account that lacks its own permissions is not an operator yet, in any namespace.
        if !needed.is_empty() {
            let all: Vec<&str> = needed.iter().chain(perhaps).map(String::as_str).collect();
            let all = all.join(", ");
            report.add_wrong(
                CHECK_NAME,
                format!("ServiceAccount `{account}` may not {all}: give it the rights of the chart"),
            );
        } else if !perhaps.is_empty() {
            let message = format!(
                "ServiceAccount `{account}` may not {}: give it the rights of the chart, unless it watches some namespaces alone",
                perhaps.join(", ")
            );
            report.add_unknown(CHECK_NAME, message);
        }
    }
}

async fn find_missing_rights(
    subject: &ReviewSubject<'_>,
    watched: &WatchedNamespaces,
) -> Result<MissingRights, kube::Error> {
    // An account that may list all namespaces is meant to watch all of them.
    let is_everywhere = match watched {
        WatchedNamespaces::Everywhere => true,
        WatchedNamespaces::Namespaces(_) => false,
        WatchedNamespaces::Unknown => LIST_EVERYWHERE.is_granted("list", None, subject).await?,
    };
    let mut missing = MissingRights::default();
    for right in &REQUIRED_RIGHTS {
        let places: Vec<Option<&str>> = match (right.place, watched) {
            (RightScope::Own, _) => vec![Some(subject.namespace)],
            (RightScope::Watched, WatchedNamespaces::Namespaces(names)) => {
                names.iter().map(|name| Some(name.as_str())).collect()
            }
            (RightScope::Watched | RightScope::Cluster, _) => vec![None],
        };
        let is_needed = match (right.place, watched) {
            (RightScope::Own, _) | (RightScope::Watched, WatchedNamespaces::Namespaces(_)) => true,
            (RightScope::Watched | RightScope::Cluster, _) => is_everywhere,
        };
        for place in places {
            for verb in right.verbs {
                if !right.is_granted(verb, place, subject).await? {
                    let list = if is_needed { &mut missing.needed } else { &mut missing.optional };
                    list.push(right.sentence(verb, place));
                }
            }
        }
    }
    Ok(missing)
}

impl RequiredRight {
    fn sentence(&self, verb: &str, namespace: Option<&str>) -> String {
        let Self { group, resource, subresource, name, verbs: _, place } = self;
        let part =
            |separator: &str, text: &str| if text.is_empty() { String::new() } else { format!("{separator}{text}") };
        let place = match (namespace, place) {
            (Some(name), _) => format!(" in namespace `{name}`"),
            (None, RightScope::Cluster) => String::new(),
            (None, RightScope::Watched | RightScope::Own) => " in every namespace".to_owned(),
        };
        format!("{verb} `{resource}{}{}{}`{place}", part(".", group), part("/", subresource), part(" ", name))
    }

    /// Returns the name of the object that the permission applies to. For permissions on namespaces it is the namespace
    /// itself.
    fn name_in(&self, namespace: Option<&str>) -> String {
        match namespace {
            Some(namespace) if self.resource == "namespaces" => namespace.to_owned(),
            Some(_) | None => self.name.to_owned(),
        }
    }

    /// Returns whether the API server grants the permission to the subject.
    async fn is_granted(
        &self,
        verb: &str,
        place: Option<&str>,
        ReviewSubject { namespace, name, cluster }: &ReviewSubject<'_>,
    ) -> Result<bool, kube::Error> {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let attributes = ResourceAttributes {
            group: text(self.group),
            resource: text(self.resource),
            subresource: text(self.subresource),
            name: text(&self.name_in(place)),
            namespace: place.map(str::to_owned),
            verb: text(verb),
            ..ResourceAttributes::default()
        };
        let groups = ["system:serviceaccounts", &format!("system:serviceaccounts:{namespace}"), "system:authenticated"];
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(format!("system:serviceaccount:{namespace}:{name}")),
                groups: Some(groups.map(str::to_owned).to_vec()),
                resource_attributes: Some(attributes),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let answered = Api::all(cluster.client.clone()).create(&PostParams::default(), &review).await?;
        Ok(answered.status.is_some_and(|status| status.allowed))
    }
}

/// The subject of an access review: a ServiceAccount.
struct ReviewSubject<'a> {
    namespace: &'a str,
    name: &'a str,
    cluster: &'a Cluster,
}
