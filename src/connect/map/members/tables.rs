//! The members of each answer that this release reads, with the shapes in which they are documented.

/// A member of an answer.
pub(in crate::connect::map) struct Member {
    /// Its name.
    pub(super) name: &'static str,
    /// Another spelling that is documented or sent.
    pub(super) other: Option<&'static str>,
    /// Its shape.
    pub(super) shape: Shape,
    /// Whether only a platform that says so has it.
    pub(super) is_extension: bool,
}

/// The shape of a member.
pub(in crate::connect::map) enum Shape {
    /// A text.
    Text,
    /// Six hex digits.
    Colour,
    /// A number.
    Number,
    /// A switch.
    Flag,
    /// Texts.
    Texts,
    /// An object with a number as `id`.
    Reference,
    /// An object with members of its own.
    Object(&'static [Member]),
    /// An image with its path.
    Image,
    /// Owner of the tenant.
    Mark,
    /// State of the tenant, in a word.
    State,
    /// Whether the tenant is in service.
    InService,
}

const fn member(name: &'static str, shape: Shape) -> Member {
    Member { name, other: None, shape, is_extension: false }
}

const fn text(name: &'static str) -> Member {
    member(name, Shape::Text)
}

const fn flag(name: &'static str) -> Member {
    member(name, Shape::Flag)
}

const fn number(name: &'static str) -> Member {
    member(name, Shape::Number)
}

const fn ours(name: &'static str, shape: Shape) -> Member {
    Member { name, other: None, shape, is_extension: true }
}

const fn spelt(name: &'static str, other: &'static str, shape: Shape) -> Member {
    Member { name, other: Some(other), shape, is_extension: false }
}

/// A tenant. Who created and changed it is not read: nothing depends on it.
pub(in crate::connect::map) const TENANT: &[Member] = &[
    text("uniqueId"),
    number("id"),
    text("name"),
    text("extOrgId"),
    text("address"),
    text("city"),
    text("state"),
    text("zip"),
    text("country"),
    text("timeZone"),
    text("phoneNumber"),
    text("phoneExtension"),
    text("mobileNumber"),
    ours("notificationEmail", Shape::Text),
    ours("altEmail", Shape::Text),
    ours("accessEndpoint", Shape::Object(ENDPOINT)),
    member("channel", Shape::Reference),
    member("nocDetails", Shape::Reference),
    flag("rdp2swfState"),
    flag("enableCLIRecording"),
    spelt("showCopyClipBoard", "showCopyClipboard", Shape::Flag),
    flag("resourceDecommission"),
    text("whiteListedIps"),
    flag("twoFactorAuthentication"),
    member("duoSecurity", Shape::Object(DUO)),
    member("passwordPolicy", Shape::Object(POLICY)),
    ours("changePasswordsSetBefore", Shape::Text),
    ours("blockDuplicateCloudAccounts", Shape::Flag),
    ours("skipUserConsentForm", Shape::Flag),
    member("clientDetails", Shape::Object(DETAILS)),
    member("packages", Shape::Texts),
    member("addOns", Shape::Texts),
    ours("managedBy", Shape::Mark),
    member("activated", Shape::InService),
    ours("status", Shape::State),
    text("createdTime"),
    text("updatedTime"),
    ours("revision", Shape::Number),
    ours("terminatedTime", Shape::Text),
    text("mspId"),
];

const ENDPOINT: &[Member] = &[text("applicationServer"), text("apiServer")];

/// The keys are never answered.
const DUO: &[Member] = &[text("apiHostName")];

const POLICY: &[Member] = &[
    flag("defaultPolicy"),
    number("minPasswordLength"),
    flag("enablePasswordConstraints"),
    flag("changePasswordAtFirstLogin"),
    number("passwordValidity"),
    flag("allowLastFourPasswords"),
    number("maxAttemptsToLockout"),
];

const DETAILS: &[Member] = &[
    number("businessStartHour"),
    spelt("businessStartMin", "businessStartMinute", Shape::Number),
    number("businessEndHour"),
    spelt("businessEndMin", "businessEndMinute", Shape::Number),
    number("businessDayStart"),
    number("businessDayEnd"),
    flag("smsVoiceNotification"),
    flag("remoteAccess"),
];

/// A branding.
pub(in crate::connect::map) const BRANDING: &[Member] = &[
    text("subDomain"),
    text("domain"),
    text("applicationTitle"),
    ours("documentationURL", Shape::Text),
    member("headerBackgroundColor", Shape::Colour),
    member("tabBackgroundColor", Shape::Colour),
    text("loginPageHeaderText"),
    text("loginPageSubHeaderText"),
    member("loginPageBackgroundColor", Shape::Colour),
    member("loginPageTextColor", Shape::Colour),
    member("logo", Shape::Image),
    member("favIcon", Shape::Image),
    member("loginPageImage", Shape::Image),
    text("appURL"),
    text("apiURL"),
];

/// An image.
pub(super) const IMAGE: &[Member] = &[
    text("logoPath"),
    text("thumbPath"),
    text("tinyThumbPath"),
    text("imageType"),
    ours("sha256", Shape::Text),
    ours("servedSha256", Shape::Text),
];

/// A mark.
pub(super) const MARK: [&str; 5] = ["cluster", "kind", "namespace", "name", "uid"];

/// A row of `minimal` or `search`.
pub(in crate::connect::map) const ROW: &[Member] = &[
    number("id"),
    text("uniqueId"),
    text("name"),
    member("activated", Shape::InService),
    text("updatedTime"),
    text("createdTime"),
    ours("status", Shape::State),
    ours("managedBy", Shape::Mark),
    ours("revision", Shape::Number),
];

/// The answer to a create.
pub(in crate::connect::map) const CREATED: &[Member] = &[text("uniqueId"), text("name"), number("id")];
