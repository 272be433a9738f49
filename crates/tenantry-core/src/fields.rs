//! One table of fields: every setting is one row. The plan, drift, effective values, digests and the field test all
//! iterate over it.

/// Kind of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TenantKind {
    /// A managed service provider.
    Partner,
    /// An end customer under a partner.
    Client,
}

impl TenantKind {
    /// Returns the name of the custom resource.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Partner => "Partner",
            Self::Client => "Client",
        }
    }
}

/// How a setting's value is inherited; each setting has exactly one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InheritanceRule {
    /// The value of the spec, else of the Partner's `clients.defaults`, else not managed.
    Own,
    /// Like `Own`, but limited to what the Partner has.
    WithinPartner,
    /// An unset value is never written: the platform shows the Partner's value.
    PlatformCascades,
    /// Not part of the Client kind: the platform applies the Partner's value.
    PartnerOnly,
}

/// How a change of the setting affects users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Nobody is interrupted.
    Quiet,
    /// Users may be locked out, interrupted or surprised.
    Disruptive,
}

/// Type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// Text; an empty text clears it.
    Text,
    /// Text that cannot be cleared once it is set.
    Name,
    /// A switch, which cannot be cleared.
    Flag,
    /// A number, which cannot be cleared.
    Number,
    /// A set; an empty set clears it.
    Set,
    /// An image; an empty one clears it.
    Image,
    /// A secret, which the platform never shows.
    Secret,
}

struct FieldRow {
    path: &'static str,
    kinds: &'static [TenantKind],
    rule: InheritanceRule,
    risk: Risk,
    value_type: ValueType,
}

const BOTH: &[TenantKind] = &[TenantKind::Partner, TenantKind::Client];
const PARTNER: &[TenantKind] = &[TenantKind::Partner];
const CLIENT: &[TenantKind] = &[TenantKind::Client];

macro_rules! fields {
    ($($name:ident: $path:literal, $kinds:ident, $rule:ident, $risk:ident, $value_type:ident;)+) => {
        /// A setting.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field {
            $(#[doc = concat!("`", $path, "`")] $name,)+
        }

        impl Field {
            /// Every setting.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            const fn row(self) -> FieldRow {
                match self {
                    $(Self::$name => FieldRow {
                        path: $path, kinds: $kinds, rule: InheritanceRule::$rule, risk: Risk::$risk, value_type: ValueType::$value_type,
                    },)+
                }
            }
        }
    };
}

fields! {
    Name: "details.name", BOTH, Own, Disruptive, Name;
    AlternateEmail: "details.alternateEmail", PARTNER, Own, Quiet, Text;
    NotificationEmail: "details.notificationEmail", PARTNER, Own, Quiet, Text;
    Timezone: "details.timezone", BOTH, Own, Quiet, Name;
    Country: "details.country", BOTH, Own, Quiet, Name;
    City: "details.city", BOTH, Own, Quiet, Text;
    Address: "details.address", BOTH, Own, Quiet, Text;
    PostalCode: "details.postalCode", BOTH, Own, Quiet, Text;
    State: "details.state", BOTH, Own, Quiet, Text;
    ApplicationServer: "details.applicationServer", PARTNER, Own, Quiet, Text;
    ExternalId: "details.externalId", CLIENT, Own, Quiet, Text;
    PhoneNumber: "details.phone.number", CLIENT, Own, Quiet, Text;
    PhoneExtension: "details.phone.extension", CLIENT, Own, Quiet, Text;
    PhoneMobile: "details.phone.mobile", CLIENT, Own, Quiet, Text;
    ChannelId: "details.channelId", CLIENT, Own, Quiet, Number;
    NocId: "details.nocId", CLIENT, Own, Quiet, Number;
    BusinessStart: "details.businessHours.start", CLIENT, Own, Quiet, Name;
    BusinessEnd: "details.businessHours.end", CLIENT, Own, Quiet, Name;
    BusinessFirstDay: "details.businessHours.firstDay", CLIENT, Own, Quiet, Name;
    BusinessLastDay: "details.businessHours.lastDay", CLIENT, Own, Quiet, Name;
    SmsVoiceNotification: "details.smsVoiceNotification", CLIENT, Own, Quiet, Flag;
    RemoteAccess: "details.remoteAccess", CLIENT, Own, Quiet, Flag;
    CliRecording: "details.cliRecording", CLIENT, Own, Quiet, Flag;
    ResourceDecommission: "details.resourceDecommission", CLIENT, Own, Quiet, Flag;
    Packages: "packages", BOTH, WithinPartner, Disruptive, Set;
    AddOns: "addOns", BOTH, WithinPartner, Quiet, Set;
    AllowedIps: "security.access.allowedIPs", BOTH, Own, Disruptive, Set;
    TwoFactorAuthentication: "security.access.twoFactorAuthentication", BOTH, Own, Quiet, Flag;
    DuoIntegrationKey: "security.access.duo.integrationKeySecretRef", BOTH, Own, Quiet, Secret;
    DuoSecretKey: "security.access.duo.secretKeySecretRef", BOTH, Own, Quiet, Secret;
    DuoApiHostname: "security.access.duo.apiHostname", BOTH, Own, Quiet, Name;
    BlockDuplicateCloudAccounts: "security.access.blockDuplicateCloudAccounts", PARTNER, PartnerOnly, Quiet, Flag;
    SkipUserConsentForm: "security.access.skipUserConsentForm", BOTH, Own, Quiet, Flag;
    ShowCopyClipboard: "security.access.showCopyClipboard", BOTH, Own, Quiet, Flag;
    PolicyPciDss: "security.passwordPolicy.pciDSS", PARTNER, PartnerOnly, Disruptive, Flag;
    PolicyMinLength: "security.passwordPolicy.custom.minLength", PARTNER, PartnerOnly, Disruptive, Number;
    PolicyAllClasses: "security.passwordPolicy.custom.requireAllCharacterClasses", PARTNER, PartnerOnly, Disruptive, Flag;
    PolicyValidityDays: "security.passwordPolicy.custom.validityDays", PARTNER, PartnerOnly, Disruptive, Number;
    PolicyLastFour: "security.passwordPolicy.custom.allowLastFourPasswords", PARTNER, PartnerOnly, Disruptive, Flag;
    PolicyAttempts: "security.passwordPolicy.custom.attemptsBeforeLockout", PARTNER, PartnerOnly, Disruptive, Number;
    PolicyChangeAtNextLogin: "security.passwordPolicy.changePasswordAtNextLogin", PARTNER, PartnerOnly, Disruptive, Flag;
    PasswordsSetBefore: "security.changePasswordsSetBefore", BOTH, Own, Disruptive, Name;
    WebsiteTitle: "branding.websiteTitle", BOTH, PlatformCascades, Quiet, Text;
    DocumentationUrl: "branding.documentationURL", BOTH, PlatformCascades, Quiet, Text;
    Logo: "branding.logo", BOTH, PlatformCascades, Quiet, Image;
    Favicon: "branding.favicon", BOTH, PlatformCascades, Quiet, Image;
    LoginHeader: "branding.loginPage.header", BOTH, PlatformCascades, Quiet, Text;
    LoginSubheader: "branding.loginPage.subheader", BOTH, PlatformCascades, Quiet, Text;
    LoginTextColor: "branding.loginPage.textColor", BOTH, PlatformCascades, Quiet, Text;
    LoginBackgroundColor: "branding.loginPage.backgroundColor", BOTH, PlatformCascades, Quiet, Text;
    LoginBackgroundImage: "branding.loginPage.backgroundImage", BOTH, PlatformCascades, Quiet, Image;
}

impl Field {
    /// Returns the path of the setting in the spec.
    pub const fn path(self) -> &'static str {
        self.row().path
    }

    /// Returns the inheritance rule.
    pub const fn rule(self) -> InheritanceRule {
        self.row().rule
    }

    /// Returns how a change affects users.
    pub const fn risk(self) -> Risk {
        self.row().risk
    }

    /// Returns the type of the value.
    pub const fn value_type(self) -> ValueType {
        self.row().value_type
    }

    /// Returns whether a tenant of this kind has the setting.
    pub fn is_available_for(self, kind: TenantKind) -> bool {
        self.row().kinds.contains(&kind)
    }

    /// Returns whether the setting is written through the branding call.
    pub fn is_branding(self) -> bool {
        self.path().starts_with("branding.")
    }

    /// Returns whether the setting is a security setting. An object is not Ready if the platform does
    /// not support one that it declares.
    pub fn is_security(self) -> bool {
        self.path().starts_with("security.")
    }

    /// Returns whether some platforms never show the setting.
    pub const fn is_write_only(self) -> bool {
        matches!(self.value_type(), ValueType::Secret | ValueType::Image)
    }

    /// Returns why a platform cannot support the setting, if its name does not make that obvious.
    pub const fn unsupported_reason(self) -> Option<&'static str> {
        match self {
            Self::PasswordsSetBefore => Some(
                "it has no field for the moment, and its own switch resets passwords only when it is turned on in a partner's own policy",
            ),
            _ => None,
        }
    }

    /// Returns the field with this path.
    pub fn from_path(path: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.path() == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_its_own_and_leads_back() {
        for field in Field::ALL {
            assert_eq!(Field::from_path(field.path()), Some(*field));
        }
    }

    #[test]
    fn what_interrupts_people_is_as_the_documentation_of_approvals_says() {
        // Listed by hand, so that a new setting needs a decision here too.
        let disruptive = [
            "details.name",
            "packages",
            "security.access.allowedIPs",
            "security.passwordPolicy.pciDSS",
            "security.passwordPolicy.custom.minLength",
            "security.passwordPolicy.custom.requireAllCharacterClasses",
            "security.passwordPolicy.custom.validityDays",
            "security.passwordPolicy.custom.allowLastFourPasswords",
            "security.passwordPolicy.custom.attemptsBeforeLockout",
            "security.passwordPolicy.changePasswordAtNextLogin",
            "security.changePasswordsSetBefore",
        ];
        let found: Vec<&str> =
            Field::ALL.iter().filter(|field| field.risk() == Risk::Disruptive).map(|field| field.path()).collect();
        assert_eq!(found, disruptive);
        assert_eq!(Field::ALL.len(), 51, "think about what the new one does to people");
    }

    #[test]
    fn what_only_a_partner_has_is_marked_so() {
        for field in Field::ALL.iter().filter(|field| field.rule() == InheritanceRule::PartnerOnly) {
            assert!(!field.is_available_for(TenantKind::Client), "{}", field.path());
        }
    }
}
