//! Names, adoption, and what is deleted or changed while something else needs it.

use super::{Act, BOTH, Mistake, PARTNER, Step, Told, mistakes};

mistakes! {
    a_name_that_another_object_of_mine_has: Mistake {
        given: BOTH,
        steps: &[Step {
            act: Act::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {name: twin}
spec:
  partnerRef: {name: acme}
  details: {name: Globex}
"),
            told: &[
                Told::NotReady("client/twin", "NameTaken", "the name `Globex` is that of tenant `client_N`, which belongs to Client `SPACE/globex`: change `details.name` here; to move the tenant to this object, set `adoption: {policy: IfIdentical, uniqueId: client_N}` here and, if that object still exists, `handOver: {name: twin}` there"),
                Told::Event("client/twin", "NameTaken", "the name `Globex` is that of tenant `client_N`, which belongs to Client `SPACE/globex`: change `details.name` here; to move the tenant to this object, set `adoption: {policy: IfIdentical, uniqueId: client_N}` here and, if that object still exists, `handOver: {name: twin}` there"),
            ],
        }],
    };
    an_adoption_id_that_never_existed: Mistake {
        given: "",
        steps: &[Step {
            act: Act::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  connectionSecretRef: {name: platform}
  details: {name: Acme of SPACE}
  adoption: {policy: Adopt, uniqueId: msp_9999}
"),
            told: &[
                Told::NotReady("partner/acme", "AdoptionTargetNotFound", "no living tenant `msp_9999` is found under this object's parent: correct `adoption.uniqueId`; `kubectl tenantry unmanaged` lists the tenants that no object declares"),
                Told::Event("partner/acme", "AdoptionTargetNotFound", "no living tenant `msp_9999` is found under this object's parent: correct `adoption.uniqueId`; `kubectl tenantry unmanaged` lists the tenants that no object declares"),
            ],
        }],
    };
    a_package_that_a_client_still_uses: Mistake {
        given: "
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
        steps: &[Step {
            act: Act::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  connectionSecretRef: {name: platform}
  details: {name: Acme of SPACE}
  packages: []
"),
            told: &[
                Told::NotReady("partner/acme", "ClientsStillUse", "1 Client still uses `EventAndIncidentManagement` (`SPACE/globex`): remove it from that Client first, or declare it here again"),
                Told::NotReady("client/globex", "PackageNotAvailable", "`packages` holds `EventAndIncidentManagement`, which the partner does not have: add it to the Partner's `packages` or remove it here"),
            ],
        }],
    };
    a_partner_that_is_terminated_before_its_clients: Mistake {
        given: "
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
        steps: &[Step {
            act: Act::Delete("partner/acme"),
            told: &[Told::Condition("partner/acme", "DeletionBlocked", "ClientsRemain", "1 Client object (`SPACE/globex`) names this Partner: delete it first")],
        }],
    };
    a_partner_that_is_let_go_before_its_clients: Mistake {
        given: BOTH,
        steps: &[Step {
            act: Act::Delete("partner/acme"),
            told: &[
                Told::NotReady("client/globex", "PartnerNotFound", "Partner `SPACE/acme` does not exist: create it again with the same name; until then nothing is written to tenant `client_N`"),
                Told::Event("client/globex", "PartnerNotFound", "Partner `SPACE/acme` does not exist: create it again with the same name; until then nothing is written to tenant `client_N`"),
            ],
        },
        // What the answer asks for.
        Step { act: Act::Apply(PARTNER), told: &[Told::Ready("client/globex")] },
        ],
    };
}
