//! Rules that compare an object with its old version.

use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use super::{DryRunServer, parse_yaml, to_rejection};

/// A rule with accepted and refused changes of a spec.
pub(super) struct ChangeRow {
    pub(super) kind: &'static str,
    /// Path of the rule: empty for the object as a whole.
    pub(super) path: &'static str,
    pub(super) message: &'static str,
    before: &'static str,
    /// The tenant of the object, if it has one.
    tenant: Option<&'static str>,
    accepted: &'static [&'static str],
    refused: &'static [&'static str],
}

impl ChangeRow {
    /// Returns the specs before and after, each as a separate object.
    pub(super) fn row_specs(&self) -> Vec<(String, serde_json::Value)> {
        let texts = [self.before].into_iter().chain(self.accepted.iter().chain(self.refused).copied());
        texts.map(|text| (self.kind.to_owned(), parse_yaml(text))).collect()
    }
}

const OTHER_TENANT_MESSAGE: &str = "`adoption.uniqueId` differs from `status.uniqueId`: an object stays with its tenant; create another object for the other one";

pub(super) const CHANGE_ROWS: &[ChangeRow] = &[
    ChangeRow {
        kind: "Client",
        path: "spec",
        message: "`partnerRef` cannot be changed: a client stays with its partner; create another Client object instead",
        before: "{partnerRef: {name: acme}, connectionSecretRef: {name: platform}, details: {name: G}}",
        tenant: None,
        accepted: &[
            "{partnerRef: {name: acme}, connectionSecretRef: {name: platform}, details: {name: G, city: Berlin}}",
            "{partnerRef: {name: acme}, details: {name: Globex}}",
        ],
        refused: &[
            "{partnerRef: {name: other}, connectionSecretRef: {name: platform}, details: {name: G}}",
            "{partnerRef: {name: acme, namespace: elsewhere}, details: {name: G}}",
            "{partnerUniqueId: msp_92, connectionSecretRef: {name: platform}, details: {name: G}}",
            "{connectionSecretRef: {name: platform}, details: {name: G}}",
        ],
    },
    ChangeRow {
        kind: "Client",
        path: "spec",
        message: "`partnerUniqueId` cannot be changed: a client stays with its partner; create another Client object instead",
        before: "{partnerUniqueId: msp_92, connectionSecretRef: {name: platform}, details: {name: G}}",
        tenant: None,
        accepted: &["{partnerUniqueId: msp_92, connectionSecretRef: {name: rotated}, details: {name: G}}"],
        refused: &[
            "{partnerUniqueId: msp_93, connectionSecretRef: {name: platform}, details: {name: G}}",
            "{partnerRef: {name: acme}, connectionSecretRef: {name: platform}, details: {name: G}}",
            "{connectionSecretRef: {name: platform}, details: {name: G}}",
        ],
    },
    ChangeRow {
        kind: "Partner",
        path: "",
        message: OTHER_TENANT_MESSAGE,
        before: "{details: {name: A}}",
        tenant: Some("msp_1"),
        accepted: &[
            "{details: {name: A, city: Bonn}}",
            "{details: {name: A}, adoption: {policy: Adopt, uniqueId: msp_1}}",
        ],
        refused: &["{details: {name: A}, adoption: {policy: Adopt, uniqueId: msp_2}}"],
    },
    ChangeRow {
        kind: "Client",
        path: "",
        message: OTHER_TENANT_MESSAGE,
        before: "{partnerRef: {name: acme}, details: {name: G}, adoption: {policy: Adopt, uniqueId: client_1}}",
        tenant: Some("client_1"),
        accepted: &[
            "{partnerRef: {name: acme}, details: {name: G}}",
            "{partnerRef: {name: acme}, details: {name: G}, adoption: {policy: IfIdentical, uniqueId: client_1}}",
        ],
        refused: &[
            "{partnerRef: {name: acme}, details: {name: G}, adoption: {policy: Adopt, uniqueId: client_2}}",
            "{partnerRef: {name: acme}, details: {name: G}, adoption: {uniqueId: client_2}, management: {mode: Observe}}",
        ],
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn an_object_stays_with_its_partner_and_its_tenant() {
    let server = DryRunServer::new("changes").await;
    for (number, row) in CHANGE_ROWS.iter().enumerate() {
        let ChangeRow { kind, path, message, before, tenant, accepted, refused } = row;
        let (name, objects) = (format!("changed-{number}"), server.objects(kind));
        let mut made =
            server.create((kind, &name), &parse_yaml(before), false).await.expect("it is right before the change");
        if let Some(id) = tenant {
            let status = Patch::Merge(json!({"status": {"uniqueId": id}}));
            made =
                objects.patch_status(&name, &PatchParams::default(), &status).await.expect("a status can be written");
        }
        // The server has no name for the object as a whole.
        let field = if path.is_empty() { "<nil>" } else { path };
        let tries = accepted.iter().map(|text| (text, true)).chain(refused.iter().map(|text| (text, false)));
        for (text, is_right) in tries {
            let mut changed = made.clone();
            changed.data["spec"] = parse_yaml(text);
            let params = PostParams { dry_run: true, ..PostParams::default() };
            match objects.replace(&name, &params, &changed).await.map_err(to_rejection) {
                Ok(_) => assert!(is_right, "{text} is taken"),
                Err(refusal) => assert!(!is_right && refusal.has_cause(field, message), "{text}: {refusal:?}"),
            }
        }
        assert!(!accepted.is_empty() && !refused.is_empty());
    }
}
