//! Mistakes in Secrets and connections.

use super::{ExpectedMessage, MistakeAction, MistakeCase, MistakeStep, PARTNER, mistakes};

mistakes! {
    a_misspelt_name_of_a_secret: MistakeCase {
        manifests: "",
        steps: &[MistakeStep {
            action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  connectionSecretRef: {name: platfrom}
  details: {name: Acme of SPACE}
"),
            messages: &[ExpectedMessage::NotReady("partner/acme", "CredentialsUnavailable", "Secret `SPACE/platfrom` does not exist: create it with `url`, `tenantId`, `clientId` and `clientSecret`")],
        }],
    };
    a_misspelt_key_in_a_secret: MistakeCase {
        manifests: "
apiVersion: v1
kind: Secret
metadata: {name: platform}
stringData: {url: '<URL>', tenantId: <TENANT>, clientID: <ID>, clientId: '', clientSecret: <SECRET>}
",
        steps: &[MistakeStep {
            action: MistakeAction::Apply(PARTNER),
            messages: &[ExpectedMessage::NotReady("partner/acme", "CredentialsUnavailable", "Secret `SPACE/platform`: key `clientId` is missing or empty: write it instead of `clientID`")],
        }],
    };
    a_host_that_is_not_allowed: MistakeCase {
        manifests: "
apiVersion: v1
kind: Secret
metadata: {name: platform}
stringData: {url: 'https://platform.internal.example', tenantId: <TENANT>, clientId: <ID>, clientSecret: <SECRET>}
",
        steps: &[MistakeStep {
            action: MistakeAction::Apply(PARTNER),
            messages: &[ExpectedMessage::NotReady("partner/acme", "HostNotAllowed", "host `platform.internal.example` of Secret `SPACE/platform` is not on the operator's list: add it to `--platform-hosts`, or correct `url`")],
        }],
    };
    a_wrong_client_secret: MistakeCase {
        manifests: "
apiVersion: v1
kind: Secret
metadata: {name: platform}
stringData: {url: '<URL>', tenantId: <TENANT>, clientId: <ID>, clientSecret: not-the-secret}
",
        steps: &[
            MistakeStep {
                action: MistakeAction::Apply(PARTNER),
                messages: &[ExpectedMessage::NotReady("partner/acme", "CredentialsRefused", "the platform refuses the credential: Bad API credentials (HTTP 401): check `clientId` and `clientSecret` in the connection's Secret: the connection is Secret `SPACE/platform`, host `HOST`")],
            },
        ],
    };
    no_connection: MistakeCase {
        manifests: "",
        steps: &[MistakeStep {
            action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  details: {name: Acme of SPACE}
"),
            messages: &[ExpectedMessage::NotReady("partner/acme", "NoConnection", "no connection: set `connectionSecretRef`; the operator's default connection does not serve namespace `SPACE`")],
        }],
    };
    a_secret_that_is_deleted_while_it_is_used: MistakeCase {
        manifests: PARTNER,
        steps: &[MistakeStep {
            action: MistakeAction::Delete("secret/platform"),
            messages: &[ExpectedMessage::NotReady("partner/acme", "CredentialsUnavailable", "Secret `SPACE/platform` does not exist: create it with `url`, `tenantId`, `clientId` and `clientSecret`")],
        }],
    };
}
