//! Values that are misspelt, of the wrong type, too large, or inconsistent.

use super::{ExpectedMessage, MistakeAction, MistakeCase, MistakeStep, mistakes};

mistakes! {
    a_misspelt_country: MistakeCase {
        manifests: "",
        steps: &[
            MistakeStep {
                action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  connectionSecretRef: {name: platform}
  details: {name: Acme of SPACE, country: Germny}
"),
                messages: &[ExpectedMessage::NotReady("partner/acme", "InvalidValue", "the platform refused `spec.details.country`: `Germny` is no country that is known: did you mean `Germany`?")],
            },
        ],
    };
    a_misspelt_time_zone: MistakeCase {
        manifests: "",
        steps: &[MistakeStep {
            action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  connectionSecretRef: {name: platform}
  details: {name: Acme of SPACE, timezone: Europe/Berln}
"),
            messages: &[ExpectedMessage::NotReady("partner/acme", "InvalidValue", "the platform refused `spec.details.timezone`: `Europe/Berln` is no time zone that is known: did you mean `Europe/Berlin`?")],
        }],
    };
    a_postal_code_without_quotes: MistakeCase {
        manifests: "",
        steps: &[
            MistakeStep {
                action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  details:
    name: Acme of SPACE
    postalCode: 01067
"),
                messages: &[ExpectedMessage::Refused("The Partner \"acme\" is invalid: spec.details.postalCode: Invalid value: 567: write it in quotes, for example \"01067\": without them YAML reads a number, and leading zeros are lost")],
            },
            MistakeStep {
                action: MistakeAction::Lint("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  details:
    name: Acme of SPACE
    postalCode: 01067
"),
                messages: &[ExpectedMessage::Refused("tenants.yaml:8:17: Partner `default/acme`: spec.details.postalCode: `01067` without quotes is a number: write `\"01067\"` [quotes]")],
            },
        ],
    };
    an_unknown_field: MistakeCase {
        manifests: "",
        steps: &[
            MistakeStep {
                action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  details:
    name: Acme of SPACE
    notificationEmial: noc@acme.example
"),
                messages: &[ExpectedMessage::Refused("Error from server (BadRequest): error when creating \"STDIN\": Partner in version \"v1alpha1\" cannot be handled as a Partner: strict decoding error: unknown field \"spec.details.notificationEmial\"")],
            },
            MistakeStep {
                action: MistakeAction::Lint("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  details:
    name: Acme of SPACE
    notificationEmial: noc@acme.example
"),
                messages: &[ExpectedMessage::Refused("tenants.yaml:8: Partner `default/acme`: unknown field `spec.details.notificationEmial`: did you mean `notificationEmail`? [schema]")],
            },
        ],
    };
    an_add_on_without_its_package: MistakeCase {
        manifests: "",
        steps: &[MistakeStep {
            action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  details: {name: Acme of SPACE}
  addOns: [OfflineAlerts, SLAManagement, SMSAndVoice]
"),
            messages: &[ExpectedMessage::Refused("The Partner \"acme\" is invalid: spec.addOns: Invalid value: `addOns` holds `SLAManagement`, `SMSAndVoice`, without the package `EventAndIncidentManagement`: add it to `packages` or remove the add-on")],
        }],
    };
    a_package_that_does_not_exist: MistakeCase {
        manifests: "",
        steps: &[
            MistakeStep {
                action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  details: {name: Acme of SPACE}
  packages: [EventManagement]
"),
                messages: &[ExpectedMessage::Refused("The Partner \"acme\" is invalid: \n* spec.packages[0]: Unsupported value: \"EventManagement\": supported values: \"HybridDiscoveryAndMonitoring\", \"EventAndIncidentManagement\", \"RemediationAndAutomation\"\n* <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation")],
            },
            MistakeStep {
                action: MistakeAction::Lint("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  details: {name: Acme of SPACE}
  packages: [EventIncidentManagement]
"),
                messages: &[ExpectedMessage::Refused("tenants.yaml:7: Partner `default/acme`: spec.packages[0]: Unsupported value: \"EventIncidentManagement\": did you mean `EventAndIncidentManagement`? Supported values: \"HybridDiscoveryAndMonitoring\", \"EventAndIncidentManagement\", \"RemediationAndAutomation\" [schema]")],
            },
        ],
    };
    a_bad_address: MistakeCase {
        manifests: "",
        steps: &[MistakeStep {
            action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  details: {name: Acme of SPACE}
  security: {access: {allowedIPs: [10.0.0.999]}}
"),
            messages: &[ExpectedMessage::Refused("The Partner \"acme\" is invalid: spec.security.access.allowedIPs[0]: Invalid value: \"10.0.0.999\": write an IPv4 or IPv6 address, a CIDR, 10.0.0.* or 10.0.0.[0-50]")],
        }],
    };
    both_password_policies: MistakeCase {
        manifests: "",
        steps: &[MistakeStep {
            action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  details: {name: Acme of SPACE}
  security: {passwordPolicy: {pciDSS: {}, custom: {minLength: 12}}}
"),
            messages: &[ExpectedMessage::Refused("The Partner \"acme\" is invalid: spec.security.passwordPolicy: Invalid value: set exactly one of `pciDSS` and `custom`")],
        }],
    };
    a_color_with_a_number_sign: MistakeCase {
        manifests: "",
        steps: &[MistakeStep {
            action: MistakeAction::Apply("
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  connectionSecretRef: {name: platform}
  details: {name: Acme of SPACE}
  branding: {loginPage: {textColor: '#1F2937'}}
"),
            messages: &[ExpectedMessage::Ready("partner/acme")],
        }],
    };
    an_image_that_is_missing: MistakeCase {
        manifests: "",
        steps: &[MistakeStep {
            action: MistakeAction::Apply(LOGO),
            messages: &[ExpectedMessage::NotReady("partner/acme", "ImageNotFound", "`branding.logo` names key `logo.png` of ConfigMap `brand`, which does not exist: create it in this namespace, for example with `kubectl create configmap brand --from-file=logo.png`")],
        }],
    };
    an_image_that_is_too_large: MistakeCase {
        manifests: "",
        steps: &[
            // kubectl stores what it applied in an annotation, whose size is limited.
            MistakeStep {
                action: MistakeAction::Apply("
apiVersion: v1
kind: ConfigMap
metadata: {name: brand}
binaryData: {logo.png: ZEROS(270448)}
"),
                messages: &[ExpectedMessage::Refused("The ConfigMap \"brand\" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes")],
            },
            MistakeStep {
                action: MistakeAction::ApplyServerSide("
apiVersion: v1
kind: ConfigMap
metadata: {name: brand}
binaryData: {logo.png: ZEROS(270448)}
"),
                messages: &[],
            },
            MistakeStep {
                action: MistakeAction::Apply(LOGO),
                messages: &[ExpectedMessage::NotReady("partner/acme", "ImageInvalid", "`branding.logo` is 270448 bytes, at most 65536 are allowed: use a smaller file")],
            },
        ],
    };
    an_image_that_is_svg: MistakeCase {
        manifests: "
apiVersion: v1
kind: ConfigMap
metadata: {name: brand}
binaryData: {logo.png: PHN2Zy8+}
",
        steps: &[MistakeStep {
            action: MistakeAction::Apply(LOGO),
            messages: &[ExpectedMessage::NotReady("partner/acme", "ImageInvalid", "`branding.logo` is neither PNG nor JPEG: convert it to one of them")],
        }],
    };
}

const LOGO: &str = "
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  connectionSecretRef: {name: platform}
  details: {name: Acme of SPACE}
  branding: {logo: {configMapKeyRef: {name: brand, key: logo.png}}}
";
