//! Mistakes in the references of Clients to their Partners.

use super::{ExpectedMessage, MistakeAction, MistakeCase, MistakeStep, PARTNER, PARTNER_AND_CLIENT, mistakes};

mistakes! {
    a_client_without_a_partner: MistakeCase {
        manifests: "",
        steps: &[MistakeStep {
            action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {name: globex}
spec:
  details: {name: Globex}
"),
            messages: &[ExpectedMessage::Refused("The Client \"globex\" is invalid: spec: Invalid value: set exactly one of `partnerRef` and `partnerUniqueId`")],
        }],
    };
    a_misspelt_partner: MistakeCase {
        manifests: PARTNER,
        steps: &[MistakeStep {
            action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {name: globex}
spec:
  partnerRef: {name: acmee}
  details: {name: Globex}
"),
            messages: &[
                ExpectedMessage::NotReady("client/globex", "PartnerNotFound", "Partner `SPACE/acmee` does not exist: create it, or delete this Client and create it with the right `partnerRef`"),
                ExpectedMessage::Event("client/globex", "PartnerNotFound", "Partner `SPACE/acmee` does not exist: create it, or delete this Client and create it with the right `partnerRef`"),
            ],
        }],
    };
    a_partner_of_a_namespace_that_does_not_allow_it: MistakeCase {
        manifests: "
apiVersion: v1
kind: Namespace
metadata: {name: SPACE-owner}
---
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme, namespace: SPACE-owner}
spec:
  details: {name: Acme of SPACE}
",
        steps: &[MistakeStep {
            action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {name: globex}
spec:
  partnerRef: {name: acme, namespace: SPACE-owner}
  details: {name: Globex}
"),
            messages: &[ExpectedMessage::NotReady("client/globex", "NamespaceNotAllowed", "Partner `SPACE-owner/acme` does not allow Clients from namespace `SPACE`: allow it in the Partner's `clients.allowedNamespaces`")],
        }],
    };
    a_client_beyond_its_partner: MistakeCase {
        manifests: PARTNER,
        steps: &[MistakeStep {
            action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {name: globex}
spec:
  partnerRef: {name: acme}
  details: {name: Globex}
  packages: [RemediationAndAutomation]
"),
            messages: &[ExpectedMessage::NotReady("client/globex", "PackageNotAvailable", "the platform refused `packages`: The partner does not have the package \"Remediation and Automation\"; add it to the partner first")],
        }],
    };
    a_default_that_is_locked: MistakeCase {
        manifests: "
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  connectionSecretRef: {name: platform}
  details: {name: Acme of SPACE}
  clients: {defaults: {country: Germany}, locked: [country]}
",
        steps: &[MistakeStep {
            action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {name: globex}
spec:
  partnerRef: {name: acme}
  details: {name: Globex, country: France}
"),
            messages: &[ExpectedMessage::NotReady("client/globex", "PolicyViolation", "`details.country` is \"France\" and the Partner has locked it at \"Germany\": remove it here, or ask the Partner's owner")],
        }],
    };
    another_partner_for_a_client: MistakeCase {
        manifests: PARTNER_AND_CLIENT,
        steps: &[MistakeStep {
            action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {name: globex}
spec:
  partnerRef: {name: initech}
  details: {name: Globex}
"),
            messages: &[ExpectedMessage::Refused("The Client \"globex\" is invalid: spec: Invalid value: `partnerRef` cannot be changed: a client stays with its partner; create another Client object instead")],
        }],
    };
}
