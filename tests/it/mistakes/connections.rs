//! Secrets and connections.

use super::{Act, Mistake, PARTNER, Step, Told, mistakes};

mistakes! {
    a_misspelt_name_of_a_secret: Mistake {
        given: "",
        steps: &[Step {
            act: Act::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  connectionSecretRef: {name: platfrom}
  details: {name: Acme of SPACE}
"),
            told: &[Told::NotReady("partner/acme", "CredentialsUnavailable", "Secret `SPACE/platfrom` does not exist: create it with `url`, `tenantId`, `clientId` and `clientSecret`")],
        }],
    };
    a_misspelt_key_in_a_secret: Mistake {
        given: "
apiVersion: v1
kind: Secret
metadata: {name: platform}
stringData: {url: '<URL>', tenantId: <TENANT>, clientID: <ID>, clientId: '', clientSecret: <SECRET>}
",
        steps: &[Step {
            act: Act::Apply(PARTNER),
            told: &[Told::NotReady("partner/acme", "CredentialsUnavailable", "Secret `SPACE/platform`: key `clientId` is missing or empty: write it instead of `clientID`")],
        }],
    };
    a_host_that_is_not_allowed: Mistake {
        given: "
apiVersion: v1
kind: Secret
metadata: {name: platform}
stringData: {url: 'https://platform.internal.example', tenantId: <TENANT>, clientId: <ID>, clientSecret: <SECRET>}
",
        steps: &[Step {
            act: Act::Apply(PARTNER),
            told: &[Told::NotReady("partner/acme", "HostNotAllowed", "host `platform.internal.example` of Secret `SPACE/platform` is not on the operator's list: add it to `--platform-hosts`, or correct `url`")],
        }],
    };
    a_wrong_client_secret: Mistake {
        given: "
apiVersion: v1
kind: Secret
metadata: {name: platform}
stringData: {url: '<URL>', tenantId: <TENANT>, clientId: <ID>, clientSecret: not-the-secret}
",
        steps: &[
            Step {
                act: Act::Apply(PARTNER),
                told: &[Told::NotReady("partner/acme", "CredentialsRefused", "the platform refuses the credential: Bad API credentials (HTTP 401): check `clientId` and `clientSecret` in the connection's Secret: the connection is Secret `SPACE/platform`, host `HOST`")],
            },
        ],
    };
    no_connection: Mistake {
        given: "",
        steps: &[Step {
            act: Act::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  details: {name: Acme of SPACE}
"),
            told: &[Told::NotReady("partner/acme", "NoConnection", "no connection: set `connectionSecretRef`; the operator's default connection does not serve namespace `SPACE`")],
        }],
    };
    a_secret_that_is_deleted_while_it_is_used: Mistake {
        given: PARTNER,
        steps: &[Step {
            act: Act::Delete("secret/platform"),
            told: &[Told::NotReady("partner/acme", "CredentialsUnavailable", "Secret `SPACE/platform` does not exist: create it with `url`, `tenantId`, `clientId` and `clientSecret`")],
        }],
    };
}
