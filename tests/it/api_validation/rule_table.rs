//! Each rule of the schemas with objects that it accepts and objects that it refuses.

use super::RuleRow;

/// Accepted and refused specs, as YAML.
type RuleSamples = (&'static [&'static str], &'static [&'static str]);

const ADD_ONS_OF_EVENTS: &str =
    "without the package `EventAndIncidentManagement`: add it to `packages` or remove the add-on";
const ADD_ONS_OF_REMEDIATION: &str =
    "without the package `RemediationAndAutomation`: add it to `packages` or remove the add-on";
const QUOTES: &str =
    "write it in quotes, for example \"01067\": without them YAML reads a number, and leading zeros are lost";
const SPACES: &str = "remove the spaces before or after the name";
const IMAGE: &str = "set exactly one of `configMapKeyRef` and `inline`";
const HTTPS: &str = "write an address that starts with `https://`, or leave it empty to clear it";
const TEXT_COLOUR: &str = "write six hex digits in quotes, such as \"1F2937\"";
const BACKGROUND_COLOUR: &str = "write six hex digits in quotes, such as \"F9FAFB\"";
const ADDRESSES: &str = "write an IPv4 or IPv6 address, a CIDR, 10.0.0.* or 10.0.0.[0-50]";
const HOST: &str = "write the host name alone, without `https://` and path";
const TIME: &str = "write a time from \"00:00\" to \"23:59\", in quotes";

const IMAGES: RuleSamples = (
    &["{inline: iVBORw0KGgo=}", "{inline: \"\"}", "{configMapKeyRef: {name: brand, key: logo.png}}"],
    &["{}", "{inline: iVBORw0KGgo=, configMapKeyRef: {name: brand, key: logo.png}}"],
);
const DIGITS: RuleSamples = (&["'01067'", "''"], &["1067", "0"]);
const COLOURS: RuleSamples =
    (&["'1F2937'", "'#f9fafb'", "''"], &["red", "123456", "'#FFF'", "'1F29377'", "'#GGGGGG'", "'1F2937#'"]);
const IPS: RuleSamples = (
    &[
        "198.51.100.7",
        "2001:db8::1",
        "203.0.113.0/24",
        "2001:db8::/32",
        "172.22.22.*",
        "'172.22.2.[0-50]'",
        "'172.22.2.[0-255]'",
    ],
    &[
        "localhost",
        "198.51.100",
        "256.1.1.*",
        "172.22.*.*",
        "'172.22.2.[0-256]'",
        "'172.22.2.[290-295]'",
        "290.1.1.*",
        "'172.22.2.[50]'",
        "203.0.113.0/33",
        "' 198.51.100.8'",
        "'198.51.100.7,198.51.100.8'",
    ],
);
const HOSTS: RuleSamples =
    (&["api-1234.duo.example"], &["https://api-1234.duo.example", "api-1234.duo.example/", "//api-1234.duo.example"]);
const TIMES: RuleSamples = (&["'00:00'", "'09:30'", "'23:59'"], &["'24:00'", "'09:60'", "'9:300'", "'09.30'"]);
const URLS: RuleSamples =
    (&["https://docs.acme.example/start", "''"], &["http://docs.acme.example", "docs.acme.example", "'javascript:x'"]);
const NAMES: RuleSamples = (&["Acme", "Acme & Söhne GmbH"], &["' Acme'", "'Acme '", "' '"]);
const MAIL: RuleSamples = (
    &["noc@acme.example", "''"],
    &["acme.example", "'noc@'", "'a@acme.example, b@acme.example'", "'n oc@acme.example'"],
);

const ADOPT: RuleSamples = (
    &["{}", "{policy: Never}", "{policy: Adopt, uniqueId: client_93}", "{policy: IfIdentical, uniqueId: client_93}"],
    &["{policy: Adopt}", "{policy: IfIdentical, takeFrom: c/Client/n/a/u}"],
);
const HASHES: RuleSamples = (
    &["''", "'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'"],
    &["'9f86d081'", "'sha256:short'", "plan-1"],
);
const ADOPTION: &str = "nothing is adopted by name: set `uniqueId` to the id of the tenant to take over";
const HASH: &str = "copy the hash from `status.plan.hash`, with `sha256:` in front";
const OBSERVE: &str = "`Observe` needs to know which tenant: set `adoption.uniqueId`";
const USELESS: &str = "`adoption.uniqueId` with policy `Never` only makes sense with `management.mode: Observe`: set `policy` to `IfIdentical` or `Adopt`, or remove the id";

const fn rule_row(place: (&'static str, &'static str), says: &'static str, samples: RuleSamples) -> RuleRow {
    RuleRow { kind: place.0, path: place.1, message: says, accepted: samples.0, refused: samples.1 }
}

const fn partner_row(path: &'static str, says: &'static str, samples: RuleSamples) -> RuleRow {
    rule_row(("Partner", path), says, samples)
}

const fn client_row(path: &'static str, says: &'static str, samples: RuleSamples) -> RuleRow {
    rule_row(("Client", path), says, samples)
}

/// Every rule that applies to a single object.
const ONCE: &str = "write each entry once";

pub(super) const RULE_ROWS: &[RuleRow] = &[
    partner_row("spec.adoption", ADOPTION, ADOPT),
    partner_row("spec.management.approval.approvedPlan", HASH, HASHES),
    partner_row(
        "spec",
        OBSERVE,
        (
            &[
                "{details: {name: A}, management: {mode: Observe}, adoption: {uniqueId: x_1}}",
                "{details: {name: A}, management: {mode: Paused}}",
            ],
            &[
                "{details: {name: A}, management: {mode: Observe}}",
                "{details: {name: A}, management: {mode: Observe}, adoption: {}}",
            ],
        ),
    ),
    partner_row(
        "spec",
        USELESS,
        (
            &["{details: {name: A}, adoption: {policy: Adopt, uniqueId: x_1}}"],
            &[
                "{details: {name: A}, adoption: {uniqueId: x_1}}",
                "{details: {name: A}, adoption: {policy: Never, uniqueId: x_1}, management: {mode: Paused}}",
            ],
        ),
    ),
    client_row("spec.adoption", ADOPTION, ADOPT),
    client_row("spec.management.approval.approvedPlan", HASH, HASHES),
    client_row(
        "spec",
        OBSERVE,
        (
            &[
                "{partnerRef: {name: acme}, details: {name: A}, management: {mode: Observe}, adoption: {uniqueId: x_1}}",
                "{partnerRef: {name: acme}, details: {name: A}, management: {mode: Paused}}",
            ],
            &[
                "{partnerRef: {name: acme}, details: {name: A}, management: {mode: Observe}}",
                "{partnerRef: {name: acme}, details: {name: A}, management: {mode: Observe}, adoption: {}}",
            ],
        ),
    ),
    client_row(
        "spec",
        USELESS,
        (
            &["{partnerRef: {name: acme}, details: {name: A}, adoption: {policy: Adopt, uniqueId: x_1}}"],
            &[
                "{partnerRef: {name: acme}, details: {name: A}, adoption: {uniqueId: x_1}}",
                "{partnerRef: {name: acme}, details: {name: A}, adoption: {policy: Never, uniqueId: x_1}, management: {mode: Paused}}",
            ],
        ),
    ),
    partner_row(
        "spec",
        ADD_ONS_OF_EVENTS,
        (
            &[
                "{details: {name: A}, addOns: [OfflineAlerts]}",
                "{details: {name: A}, addOns: []}",
                "{details: {name: A}, packages: [EventAndIncidentManagement], addOns: [SLAManagement, SMSAndVoice]}",
            ],
            &[
                "{details: {name: A}, addOns: [AlertProblemArea]}",
                "{details: {name: A}, packages: [], addOns: [KnowledgeBaseManagement]}",
                "{details: {name: A}, packages: [RemediationAndAutomation], addOns: [OSServiceStartStopActions]}",
                "{details: {name: A}, packages: [HybridDiscoveryAndMonitoring], addOns: [ScheduledTaskManagement]}",
                "{details: {name: A}, addOns: [SLAManagement]}",
                "{details: {name: A}, addOns: [OfflineAlerts, SMSAndVoice]}",
            ],
        ),
    ),
    partner_row(
        "spec",
        ADD_ONS_OF_REMEDIATION,
        (
            &["{details: {name: A}, packages: [RemediationAndAutomation], addOns: [ProcessAutomation]}"],
            &[
                "{details: {name: A}, addOns: [ProcessAutomation]}",
                "{details: {name: A}, packages: [EventAndIncidentManagement], addOns: [RemoteAccessManagement]}",
                "{details: {name: A}, packages: [], addOns: [ApplicationPatchManagement]}",
            ],
        ),
    ),
    partner_row("spec.details.postalCode", QUOTES, DIGITS),
    client_row("spec.details.postalCode", QUOTES, DIGITS),
    client_row("spec.details.externalId", QUOTES, DIGITS),
    client_row("spec.details.phone.number", QUOTES, DIGITS),
    client_row("spec.details.phone.extension", QUOTES, DIGITS),
    client_row("spec.details.phone.mobile", QUOTES, DIGITS),
    partner_row("spec.details.name", SPACES, NAMES),
    partner_row("spec.details.alternateEmail", "write one address such as `owner@acme.example`", MAIL),
    partner_row("spec.details.notificationEmail", "write one address such as `noc@acme.example`", MAIL),
    partner_row("spec.security.access.allowedIPs[*]", ADDRESSES, IPS),
    partner_row("spec.security.access.duo.apiHostname", HOST, HOSTS),
    partner_row(
        "spec.security.passwordPolicy",
        "set exactly one of `pciDSS` and `custom`",
        (
            &["{pciDSS: {}}", "{custom: {minLength: 14}}", "{custom: {}, changePasswordAtNextLogin: false}"],
            &["{}", "{pciDSS: {}, custom: {}}", "{changePasswordAtNextLogin: true}"],
        ),
    ),
    partner_row(
        "spec.security.passwordPolicy",
        "under `pciDSS` passwords are always changed at the next login: leave `changePasswordAtNextLogin` out or set it to true",
        (&["{pciDSS: {}, changePasswordAtNextLogin: true}"], &["{pciDSS: {}, changePasswordAtNextLogin: false}"]),
    ),
    partner_row("spec.branding.documentationURL", HTTPS, URLS),
    partner_row("spec.branding.logo", IMAGE, IMAGES),
    partner_row("spec.branding.favicon", IMAGE, IMAGES),
    partner_row("spec.branding.loginPage.backgroundImage", IMAGE, IMAGES),
    partner_row("spec.branding.loginPage.textColor", TEXT_COLOUR, COLOURS),
    partner_row("spec.branding.loginPage.backgroundColor", BACKGROUND_COLOUR, COLOURS),
    partner_row(
        "spec.clients.allowedNamespaces",
        "set `selector` if and only if `from` is `Selector`",
        (
            &["{}", "{from: Same}", "{from: All}", "{from: Selector, selector: {matchLabels: {team: msp}}}"],
            &[
                "{from: Selector}",
                "{from: All, selector: {matchLabels: {team: msp}}}",
                "{selector: {matchLabels: {team: msp}}}",
            ],
        ),
    ),
    partner_row(
        "spec.clients.allowedNamespaces.selector",
        "set `matchLabels`, `matchExpressions` or both",
        (
            &[
                "{matchLabels: {team: msp}}",
                "{matchExpressions: [{key: team, operator: Exists}]}",
                "{matchLabels: {team: msp}, matchExpressions: [{key: tier, operator: In, values: [gold]}]}",
            ],
            &["{}"],
        ),
    ),
    partner_row(
        "spec.clients.allowedNamespaces.selector.matchExpressions[*]",
        "set `values` with `In` and `NotIn`, and leave it out with `Exists` and `DoesNotExist`",
        (
            &[
                "{key: team, operator: In, values: [msp]}",
                "{key: team, operator: NotIn, values: [msp, noc]}",
                "{key: team, operator: Exists}",
                "{key: team, operator: DoesNotExist, values: []}",
            ],
            &[
                "{key: team, operator: In}",
                "{key: team, operator: NotIn, values: []}",
                "{key: team, operator: Exists, values: [msp]}",
                "{key: team, operator: DoesNotExist, values: [msp]}",
            ],
        ),
    ),
    partner_row("spec.clients.defaults.access.allowedIPs[*]", ADDRESSES, IPS),
    partner_row("spec.clients.defaults.access.duo.apiHostname", HOST, HOSTS),
    partner_row(
        "spec.packages",
        ONCE,
        (
            &["[]", "[HybridDiscoveryAndMonitoring, EventAndIncidentManagement]"],
            &["[HybridDiscoveryAndMonitoring, EventAndIncidentManagement, HybridDiscoveryAndMonitoring]"],
        ),
    ),
    partner_row(
        "spec.clients.defaults.packages",
        ONCE,
        (
            &["[]", "[HybridDiscoveryAndMonitoring, EventAndIncidentManagement]"],
            &["[HybridDiscoveryAndMonitoring, EventAndIncidentManagement, HybridDiscoveryAndMonitoring]"],
        ),
    ),
    client_row(
        "spec.packages",
        ONCE,
        (
            &["[]", "[HybridDiscoveryAndMonitoring, EventAndIncidentManagement]"],
            &["[HybridDiscoveryAndMonitoring, HybridDiscoveryAndMonitoring]"],
        ),
    ),
    partner_row(
        "spec.addOns",
        ONCE,
        (&["[]", "[OfflineAlerts, AdapterIntegrations]"], &["[OfflineAlerts, OfflineAlerts]"]),
    ),
    partner_row(
        "spec.clients.defaults.addOns",
        ONCE,
        (&["[]", "[OfflineAlerts, AdapterIntegrations]"], &["[OfflineAlerts, OfflineAlerts]"]),
    ),
    client_row(
        "spec.addOns",
        ONCE,
        (&["[]", "[OfflineAlerts, AdapterIntegrations]"], &["[OfflineAlerts, OfflineAlerts]"]),
    ),
    partner_row("spec.clients.locked", ONCE, (&["[]", "[country, access]"], &["[country, country]"])),
    partner_row(
        "spec.deletion.confirm.acknowledge",
        ONCE,
        (&["[UsersDeactivated, DataErased, NotRecoverable]"], &["[DataErased, DataErased, NotRecoverable]"]),
    ),
    client_row(
        "spec.deletion.confirm.acknowledge",
        ONCE,
        (&["[UsersDeactivated, DataErased, NotRecoverable]"], &["[DataErased, DataErased, NotRecoverable]"]),
    ),
    client_row(
        "spec",
        "set exactly one of `partnerRef` and `partnerUniqueId`",
        (
            &[
                "{partnerRef: {name: acme}, details: {name: G}}",
                "{partnerUniqueId: msp_92, connectionSecretRef: {name: platform}, details: {name: G}}",
            ],
            &[
                "{details: {name: G}}",
                "{partnerRef: {name: acme}, partnerUniqueId: msp_92, connectionSecretRef: {name: platform}, details: {name: G}}",
            ],
        ),
    ),
    client_row(
        "spec",
        "with `partnerUniqueId` there is no Partner object to take the connection from: set `connectionSecretRef` too",
        (
            &[
                "{partnerUniqueId: msp_92, connectionSecretRef: {name: platform}, details: {name: G}}",
                "{partnerRef: {name: acme}, connectionSecretRef: {name: platform}, details: {name: G}}",
            ],
            &["{partnerUniqueId: msp_92, details: {name: G}}"],
        ),
    ),
    client_row(
        "spec",
        ADD_ONS_OF_EVENTS,
        (
            &[
                // The Partner's defaults may supply the package.
                "{partnerRef: {name: acme}, details: {name: G}, addOns: [SLAManagement]}",
                "{partnerRef: {name: acme}, details: {name: G}, packages: [EventAndIncidentManagement], addOns: [SLAManagement]}",
                "{partnerRef: {name: acme}, details: {name: G}, packages: [], addOns: [OfflineAlerts]}",
            ],
            &[
                "{partnerRef: {name: acme}, details: {name: G}, packages: [], addOns: [SLAManagement]}",
                "{partnerRef: {name: acme}, details: {name: G}, packages: [RemediationAndAutomation], addOns: [SMSAndVoice]}",
            ],
        ),
    ),
    client_row(
        "spec",
        ADD_ONS_OF_REMEDIATION,
        (
            &[
                "{partnerRef: {name: acme}, details: {name: G}, packages: [RemediationAndAutomation], addOns: [ProcessAutomation]}",
            ],
            &[
                "{partnerRef: {name: acme}, details: {name: G}, packages: [EventAndIncidentManagement], addOns: [ProcessAutomation]}",
            ],
        ),
    ),
    client_row(
        "spec",
        "`smsVoiceNotification` needs the add-on SMSAndVoice: add it to `addOns`, or set `smsVoiceNotification` to false",
        (
            &[
                // The Partner's defaults may supply the add-on.
                "{partnerRef: {name: acme}, details: {name: G, smsVoiceNotification: true}}",
                "{partnerRef: {name: acme}, details: {name: G, smsVoiceNotification: false}, addOns: []}",
                "{partnerRef: {name: acme}, details: {name: G, smsVoiceNotification: true}, packages: [EventAndIncidentManagement], addOns: [SMSAndVoice]}",
            ],
            &[
                "{partnerRef: {name: acme}, details: {name: G, smsVoiceNotification: true}, addOns: []}",
                "{partnerRef: {name: acme}, details: {name: G, smsVoiceNotification: true}, addOns: [OfflineAlerts]}",
            ],
        ),
    ),
    client_row(
        "spec",
        "`remoteAccess` needs the add-on RemoteAccessManagement: add it to `addOns`, or set `remoteAccess` to false",
        (
            &[
                "{partnerRef: {name: acme}, details: {name: G, remoteAccess: true}}",
                "{partnerRef: {name: acme}, details: {name: G, remoteAccess: true}, packages: [RemediationAndAutomation], addOns: [RemoteAccessManagement]}",
            ],
            &["{partnerRef: {name: acme}, details: {name: G, remoteAccess: true}, addOns: [OfflineAlerts]}"],
        ),
    ),
    client_row("spec.details.name", SPACES, NAMES),
    client_row("spec.details.businessHours.start", TIME, TIMES),
    client_row("spec.details.businessHours.end", TIME, TIMES),
    client_row("spec.security.access.allowedIPs[*]", ADDRESSES, IPS),
    client_row("spec.security.access.duo.apiHostname", HOST, HOSTS),
    client_row("spec.branding.documentationURL", HTTPS, URLS),
    client_row("spec.branding.logo", IMAGE, IMAGES),
    client_row("spec.branding.favicon", IMAGE, IMAGES),
    client_row("spec.branding.loginPage.backgroundImage", IMAGE, IMAGES),
    client_row("spec.branding.loginPage.textColor", TEXT_COLOUR, COLOURS),
    client_row("spec.branding.loginPage.backgroundColor", BACKGROUND_COLOUR, COLOURS),
];
