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
    /// Whether it is needed in the operator's own namespace alone.
    is_own: bool,
}

const fn right(group: &'static str, resource: &'static str, verbs: &'static [&'static str]) -> Right {
    Right { group, resource, subresource: "", name: "", verbs, is_own: false }
}

const fn own(group: &'static str, resource: &'static str, name: &'static str, verbs: &'static [&'static str]) -> Right {
    Right { group, resource, subresource: "", name, verbs, is_own: true }
}

/// What the chart gives; an install that watches some namespaces only has the first ones there and not everywhere.
const RIGHTS: [Right; 13] = [
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
];

/// Asks the API server for each right.
pub(super) async fn check(account: &str, cluster: &Cluster, report: &mut Report) {
    let Some((namespace, name)) = account.split_once('/') else {
        report.wrong(WHAT, format!("`{account}` names no ServiceAccount: write it as `NAMESPACE/NAME`"));
        return;
    };
    let subject = Subject { namespace, name };
    let (mut missing, mut is_own) = (Vec::new(), false);
    for right in &RIGHTS {
        for verb in right.verbs {
            match right.is_given(verb, &subject, cluster).await {
                Ok(true) => {}
                Ok(false) => {
                    is_own |= right.is_own;
                    missing.push(right.sentence(verb, namespace));
                }
                Err(error) => {
                    report.unknown(WHAT, format!("what `{account}` may do cannot be asked: {}", sentence(&error)));
                    return;
                }
            }
        }
    }
    let missing = missing.join(", ");
    if missing.is_empty() {
        report.well(WHAT, format!("ServiceAccount `{account}` may do everything that the operator does"));
    } else if is_own {
        report.wrong(WHAT, format!("ServiceAccount `{account}` may not {missing}: give it the rights of the chart"));
    } else {
        let message = format!(
            "ServiceAccount `{account}` may not {missing} in every namespace: give it the rights of the chart, unless it watches some namespaces alone"
        );
        report.unknown(WHAT, message);
    }
}

impl Right {
    fn sentence(&self, verb: &str, own: &str) -> String {
        let Self { group, resource, subresource, name, verbs: _, is_own } = self;
        let part =
            |separator: &str, text: &str| if text.is_empty() { String::new() } else { format!("{separator}{text}") };
        let place = if *is_own { format!(" in namespace `{own}`") } else { String::new() };
        format!("{verb} `{resource}{}{}{}`{place}", part(".", group), part("/", subresource), part(" ", name))
    }

    /// Whether the API server lets the subject do it.
    async fn is_given(&self, verb: &str, subject: &Subject<'_>, cluster: &Cluster) -> Result<bool, kube::Error> {
        let Subject { namespace, name } = subject;
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let attributes = ResourceAttributes {
            group: text(self.group),
            resource: text(self.resource),
            subresource: text(self.subresource),
            name: text(self.name),
            namespace: self.is_own.then(|| (*namespace).to_owned()),
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
}
