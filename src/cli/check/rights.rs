//! What the operator's ServiceAccount may do, as the API server judges it.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Api;
use kube::api::PostParams;

use super::Report;
use crate::api::GROUP;
use crate::cli::cluster::{Cluster, sentence};

const WHAT: &str = "rights";

/// A right that the operator needs.
struct Right {
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    /// The one object that it is needed for.
    name: &'static str,
    verbs: &'static [&'static str],
    place: Place,
}

/// Where a right is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Where the operator looks for objects.
    Watched,
    /// In the namespace of the operator.
    Own,
    /// In the cluster, where the operator looks for objects everywhere; it goes on without it where it does not.
    Cluster,
}

/// Where the operator looks for objects.
pub(super) enum Watched {
    /// In every namespace.
    Everywhere,
    /// In these.
    Namespaces(Vec<String>),
    /// No Deployment says so.
    Unknown,
}

/// Whose rights are checked.
pub(super) struct Account {
    /// The ServiceAccount as `NAMESPACE/NAME`.
    pub(super) name: String,
    /// Where it must have them.
    pub(super) watched: Watched,
}

const fn right(group: &'static str, resource: &'static str, verbs: &'static [&'static str]) -> Right {
    Right { group, resource, subresource: "", name: "", verbs, place: Place::Watched }
}

const fn own(group: &'static str, resource: &'static str, name: &'static str, verbs: &'static [&'static str]) -> Right {
    Right { name, place: Place::Own, ..right(group, resource, verbs) }
}

const fn definition(name: &'static str) -> Right {
    Right { name, place: Place::Cluster, ..right("apiextensions.k8s.io", "customresourcedefinitions", &["get"]) }
}

/// What the chart gives.
const RIGHTS: [Right; 15] = [
    right(GROUP, "partners", &["get", "list", "watch", "patch"]),
    right(GROUP, "clients", &["get", "list", "watch", "patch"]),
    Right { subresource: "status", ..right(GROUP, "partners", &["patch"]) },
    Right { subresource: "status", ..right(GROUP, "clients", &["patch"]) },
    right("", "secrets", &["get"]),
    right("", "configmaps", &["get", "list", "watch"]),
    right("", "namespaces", &["get"]),
    right("events.k8s.io", "events", &["create", "patch"]),
    own("coordination.k8s.io", "leases", "", &["create"]),
    own("coordination.k8s.io", "leases", "tenantry-operator", &["get", "update"]),
    own("", "configmaps", "", &["create"]),
    own("", "configmaps", "tenantry-terminations", &["update"]),
    own("", "secrets", "", &["create"]),
    definition("partners.tenantry.dev"),
    definition("clients.tenantry.dev"),
];

/// Where a right is needed that tells an install for all namespaces from one for some.
const EVERYWHERE: Right = right(GROUP, "partners", &["list"]);

/// Asks the API server for each right.
pub(super) async fn check(account: &Account, cluster: &Cluster, report: &mut Report) {
    let Account { name: account, watched } = account;
    let Some((namespace, name)) = account.split_once('/') else {
        report.wrong(WHAT, format!("`{account}` names no ServiceAccount: write it as `NAMESPACE/NAME`"));
        return;
    };
    match missing(&Subject { namespace, name, cluster }, watched).await {
        Err(error) => report.unknown(WHAT, format!("what `{account}` may do cannot be asked: {}", sentence(&error))),
        Ok(missing) => missing.tell(account, report),
    }
}

/// Rights that are not given.
#[derive(Default)]
struct Missing {
    needed: Vec<String>,
    /// Such that an operator for some namespaces does not need.
    perhaps: Vec<String>,
}

impl Missing {
    /// Reports what a ServiceAccount may not do.
    fn tell(&self, account: &str, report: &mut Report) {
        let Self { needed, perhaps } = self;
        if needed.is_empty() && perhaps.is_empty() {
            report.well(WHAT, format!("ServiceAccount `{account}` may do everything that the operator does"));
        }
        // Without rights of its own it is no operator yet, wherever it looks.
        if !needed.is_empty() {
            let all: Vec<&str> = needed.iter().chain(perhaps).map(String::as_str).collect();
            let all = all.join(", ");
            report.wrong(WHAT, format!("ServiceAccount `{account}` may not {all}: give it the rights of the chart"));
        } else if !perhaps.is_empty() {
            let message = format!(
                "ServiceAccount `{account}` may not {}: give it the rights of the chart, unless it watches some namespaces alone",
                perhaps.join(", ")
            );
            report.unknown(WHAT, message);
        }
    }
}

async fn missing(subject: &Subject<'_>, watched: &Watched) -> Result<Missing, kube::Error> {
    // An account that may list everywhere is meant to look everywhere.
    let is_everywhere = match watched {
        Watched::Everywhere => true,
        Watched::Namespaces(_) => false,
        Watched::Unknown => EVERYWHERE.is_given("list", None, subject).await?,
    };
    let mut missing = Missing::default();
    for right in &RIGHTS {
        let places: Vec<Option<&str>> = match (right.place, watched) {
            (Place::Own, _) => vec![Some(subject.namespace)],
            (Place::Watched, Watched::Namespaces(names)) => names.iter().map(|name| Some(name.as_str())).collect(),
            (Place::Watched | Place::Cluster, _) => vec![None],
        };
        let is_needed = match (right.place, watched) {
            (Place::Own, _) | (Place::Watched, Watched::Namespaces(_)) => true,
            (Place::Watched | Place::Cluster, _) => is_everywhere,
        };
        for place in places {
            for verb in right.verbs {
                if !right.is_given(verb, place, subject).await? {
                    let list = if is_needed { &mut missing.needed } else { &mut missing.perhaps };
                    list.push(right.sentence(verb, place));
                }
            }
        }
    }
    Ok(missing)
}

impl Right {
    fn sentence(&self, verb: &str, namespace: Option<&str>) -> String {
        let Self { group, resource, subresource, name, verbs: _, place } = self;
        let part =
            |separator: &str, text: &str| if text.is_empty() { String::new() } else { format!("{separator}{text}") };
        let place = match (namespace, place) {
            (Some(name), _) => format!(" in namespace `{name}`"),
            (None, Place::Cluster) => String::new(),
            (None, Place::Watched | Place::Own) => " in every namespace".to_owned(),
        };
        format!("{verb} `{resource}{}{}{}`{place}", part(".", group), part("/", subresource), part(" ", name))
    }

    /// The name of the object that it is about; of a namespace the rights there are those to read it.
    fn name_in(&self, namespace: Option<&str>) -> String {
        match namespace {
            Some(namespace) if self.resource == "namespaces" => namespace.to_owned(),
            Some(_) | None => self.name.to_owned(),
        }
    }

    /// Whether the API server lets the subject do it.
    async fn is_given(
        &self,
        verb: &str,
        place: Option<&str>,
        Subject { namespace, name, cluster }: &Subject<'_>,
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

/// Whose rights are asked for: a ServiceAccount.
struct Subject<'a> {
    namespace: &'a str,
    name: &'a str,
    cluster: &'a Cluster,
}
