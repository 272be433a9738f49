//! Rules that compare a spec with the one before it.

use super::{Server, refusal, yaml};
use kube::api::PostParams;

/// A rule with changes that it lets pass and changes that it refuses.
pub(super) struct Change {
    pub(super) kind: &'static str,
    pub(super) says: &'static str,
    before: &'static str,
    accepted: &'static [&'static str],
    refused: &'static [&'static str],
}

pub(super) const ROWS: &[Change] = &[
    Change {
        kind: "Client",
        says: "`partnerRef` cannot be changed: a client stays with its partner; create another Client object instead",
        before: "{partnerRef: {name: acme}, connectionSecretRef: {name: platform}, details: {name: G}}",
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
    Change {
        kind: "Client",
        says: "`partnerUniqueId` cannot be changed: a client stays with its partner; create another Client object instead",
        before: "{partnerUniqueId: msp_92, connectionSecretRef: {name: platform}, details: {name: G}}",
        accepted: &["{partnerUniqueId: msp_92, connectionSecretRef: {name: rotated}, details: {name: G}}"],
        refused: &[
            "{partnerUniqueId: msp_93, connectionSecretRef: {name: platform}, details: {name: G}}",
            "{partnerRef: {name: acme}, connectionSecretRef: {name: platform}, details: {name: G}}",
            "{connectionSecretRef: {name: platform}, details: {name: G}}",
        ],
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn a_client_stays_with_its_partner() {
    let server = Server::new("changes").await;
    for (number, Change { kind, says, before, accepted, refused }) in ROWS.iter().enumerate() {
        let name = format!("changed-{number}");
        let made = server.create((kind, &name), &yaml(before), false).await.expect("what is changed is right before");
        for (text, is_right) in accepted.iter().map(|text| (text, true)).chain(refused.iter().map(|text| (text, false)))
        {
            let mut changed = made.clone();
            changed.data["spec"] = yaml(text);
            let params = PostParams { dry_run: true, ..PostParams::default() };
            let answer = server.objects(kind).replace(&name, &params, &changed).await.map_err(refusal);
            match answer {
                Ok(_) => assert!(is_right, "{text} is taken"),
                Err(refusal) => assert!(!is_right && refusal.says("spec", says), "{text}: {refusal:?}"),
            }
        }
        assert!(!accepted.is_empty() && !refused.is_empty());
    }
}
