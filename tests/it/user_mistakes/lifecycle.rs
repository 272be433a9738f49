//! Mistakes in names, adoption, and deletions or changes of what is still used.

use super::{ExpectedMessage, MistakeAction, MistakeCase, MistakeStep, PARTNER, PARTNER_AND_CLIENT, mistakes};

mistakes! {
    a_name_that_another_object_of_mine_has: MistakeCase {
        manifests: PARTNER_AND_CLIENT,
        steps: &[MistakeStep {
            action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {name: twin}
spec:
  partnerRef: {name: acme}
  details: {name: Globex}
"),
            messages: &[
                ExpectedMessage::NotReady("client/twin", "NameTaken", "the name `Globex` is that of tenant `client_N`, which belongs to Client `SPACE/globex`: change `details.name` here; to move the tenant to this object, set `adoption: {policy: IfIdentical, uniqueId: client_N}` here and, if that object still exists, `handOver: {name: twin}` there"),
                ExpectedMessage::Event("client/twin", "NameTaken", "the name `Globex` is that of tenant `client_N`, which belongs to Client `SPACE/globex`: change `details.name` here; to move the tenant to this object, set `adoption: {policy: IfIdentical, uniqueId: client_N}` here and, if that object still exists, `handOver: {name: twin}` there"),
            ],
        }],
    };
    an_adoption_id_that_never_existed: MistakeCase {
        manifests: "",
        steps: &[MistakeStep {
            action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  connectionSecretRef: {name: platform}
  details: {name: Acme of SPACE}
  adoption: {policy: Adopt, uniqueId: msp_9999}
"),
            messages: &[
                ExpectedMessage::NotReady("partner/acme", "AdoptionTargetNotFound", "no living tenant `msp_9999` is found under this object's parent: correct `adoption.uniqueId`; `kubectl tenantry unmanaged` lists the tenants that no object declares"),
                ExpectedMessage::Event("partner/acme", "AdoptionTargetNotFound", "no living tenant `msp_9999` is found under this object's parent: correct `adoption.uniqueId`; `kubectl tenantry unmanaged` lists the tenants that no object declares"),
            ],
        }],
    };
    a_package_that_a_client_still_uses: MistakeCase {
        manifests: "
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  connectionSecretRef: {name: platform}
  details: {name: Acme of SPACE}
  packages: [EventAndIncidentManagement]
---
apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {name: globex}
spec:
  partnerRef: {name: acme}
  details: {name: Globex}
  packages: [EventAndIncidentManagement]
",
        steps: &[MistakeStep {
            action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  connectionSecretRef: {name: platform}
  details: {name: Acme of SPACE}
  packages: []
"),
            messages: &[
                ExpectedMessage::NotReady("partner/acme", "ClientsStillUse", "1 Client still uses `EventAndIncidentManagement` (`SPACE/globex`): remove it from that Client first, or declare it here again"),
                ExpectedMessage::NotReady("client/globex", "PackageNotAvailable", "`packages` holds `EventAndIncidentManagement`, which the partner does not have: add it to the Partner's `packages` or remove it here"),
            ],
        }],
    };
    a_partner_that_is_terminated_before_its_clients: MistakeCase {
        manifests: "
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  connectionSecretRef: {name: platform}
  details: {name: Acme of SPACE}
  deletion: {policy: Terminate}
---
apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {name: globex}
spec:
  partnerRef: {name: acme}
  details: {name: Globex}
",
        steps: &[MistakeStep {
            action: MistakeAction::Delete("partner/acme"),
            messages: &[ExpectedMessage::Condition("partner/acme", "DeletionBlocked", "ClientsRemain", "1 Client object (`SPACE/globex`) names this Partner: delete it first")],
        }],
    };
    a_partner_that_is_let_go_before_its_clients: MistakeCase {
        manifests: PARTNER_AND_CLIENT,
        steps: &[MistakeStep {
            action: MistakeAction::Delete("partner/acme"),
            messages: &[
                ExpectedMessage::NotReady("client/globex", "PartnerNotFound", "Partner `SPACE/acme` does not exist: create it again with the same name; until then nothing is written to tenant `client_N`"),
                ExpectedMessage::Event("client/globex", "PartnerNotFound", "Partner `SPACE/acme` does not exist: create it again with the same name; until then nothing is written to tenant `client_N`"),
            ],
        },
        // The correction that the message asks for.
        MistakeStep { action: MistakeAction::Apply(PARTNER), messages: &[ExpectedMessage::Ready("client/globex")] },
        ],
    };
}
