//! The members that this release reads from each answer, with their documented shapes.

/// A member of an answer.
pub(in crate::mapping) struct AnswerMember {
    /// Its name.
    pub(super) name: &'static str,
    /// Another spelling that is documented or used.
    pub(super) alias: Option<&'static str>,
    /// Its shape.
    pub(super) shape: MemberShape,
    /// Whether only a platform with the extensions has it.
    pub(super) is_extension: bool,
}

/// The shape of a member.
pub(in crate::mapping) enum MemberShape {
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
    /// An object with a numeric `id`.
    Reference,
    /// An object with members of its own.
    Object(&'static [AnswerMember]),
    /// An image with its path.
    Image,
    /// The owner of the tenant.
    Mark,
    /// The state of the tenant as a word.
    State,
    /// Whether the tenant is in service.
    InService,
}

const fn member(name: &'static str, shape: MemberShape) -> AnswerMember {
    AnswerMember { name, alias: None, shape, is_extension: false }
}

const fn text_member(name: &'static str) -> AnswerMember {
    member(name, MemberShape::Text)
}

const fn flag_member(name: &'static str) -> AnswerMember {
    member(name, MemberShape::Flag)
}

const fn number_member(name: &'static str) -> AnswerMember {
    member(name, MemberShape::Number)
}

const fn extension_member(name: &'static str, shape: MemberShape) -> AnswerMember {
    AnswerMember { name, alias: None, shape, is_extension: true }
}

const fn aliased_member(name: &'static str, other: &'static str, shape: MemberShape) -> AnswerMember {
    AnswerMember { name, alias: Some(other), shape, is_extension: false }
}

/// A tenant. Who created and changed it is not read, since nothing depends on it.
pub(in crate::mapping) const TENANT: &[AnswerMember] = &[
    text_member("uniqueId"),
    number_member("id"),
    text_member("name"),
    text_member("extOrgId"),
    text_member("address"),
    text_member("city"),
    text_member("state"),
    text_member("zip"),
    text_member("country"),
    text_member("timeZone"),
    text_member("phoneNumber"),
    text_member("phoneExtension"),
    text_member("mobileNumber"),
    extension_member("notificationEmail", MemberShape::Text),
    extension_member("altEmail", MemberShape::Text),
    extension_member("accessEndpoint", MemberShape::Object(ENDPOINT)),
    member("channel", MemberShape::Reference),
    member("nocDetails", MemberShape::Reference),
    flag_member("rdp2swfState"),
    flag_member("enableCLIRecording"),
    aliased_member("showCopyClipBoard", "showCopyClipboard", MemberShape::Flag),
    flag_member("resourceDecommission"),
    text_member("whiteListedIps"),
    flag_member("twoFactorAuthentication"),
    member("duoSecurity", MemberShape::Object(DUO)),
    member("passwordPolicy", MemberShape::Object(POLICY)),
    extension_member("changePasswordsSetBefore", MemberShape::Text),
    extension_member("blockDuplicateCloudAccounts", MemberShape::Flag),
    extension_member("skipUserConsentForm", MemberShape::Flag),
    member("clientDetails", MemberShape::Object(DETAILS)),
    member("packages", MemberShape::Texts),
    member("addOns", MemberShape::Texts),
    extension_member("managedBy", MemberShape::Mark),
    member("activated", MemberShape::InService),
    extension_member("status", MemberShape::State),
    text_member("createdTime"),
    text_member("updatedTime"),
    extension_member("revision", MemberShape::Number),
    extension_member("terminatedTime", MemberShape::Text),
    text_member("mspId"),
];

const ENDPOINT: &[AnswerMember] = &[text_member("applicationServer"), text_member("apiServer")];

/// The keys are never in an answer.
const DUO: &[AnswerMember] = &[text_member("apiHostName")];

const POLICY: &[AnswerMember] = &[
    flag_member("defaultPolicy"),
    number_member("minPasswordLength"),
    flag_member("enablePasswordConstraints"),
    flag_member("changePasswordAtFirstLogin"),
    number_member("passwordValidity"),
    flag_member("allowLastFourPasswords"),
    number_member("maxAttemptsToLockout"),
];

const DETAILS: &[AnswerMember] = &[
    number_member("businessStartHour"),
    aliased_member("businessStartMin", "businessStartMinute", MemberShape::Number),
    number_member("businessEndHour"),
    aliased_member("businessEndMin", "businessEndMinute", MemberShape::Number),
    number_member("businessDayStart"),
    number_member("businessDayEnd"),
    flag_member("smsVoiceNotification"),
    flag_member("remoteAccess"),
];

/// A branding.
pub(in crate::mapping) const BRANDING: &[AnswerMember] = &[
    text_member("subDomain"),
    text_member("domain"),
    text_member("applicationTitle"),
    extension_member("documentationURL", MemberShape::Text),
    member("headerBackgroundColor", MemberShape::Colour),
    member("tabBackgroundColor", MemberShape::Colour),
    text_member("loginPageHeaderText"),
    text_member("loginPageSubHeaderText"),
    member("loginPageBackgroundColor", MemberShape::Colour),
    member("loginPageTextColor", MemberShape::Colour),
    member("logo", MemberShape::Image),
    member("favIcon", MemberShape::Image),
    member("loginPageImage", MemberShape::Image),
    text_member("appURL"),
    text_member("apiURL"),
];

/// An image.
pub(super) const IMAGE: &[AnswerMember] = &[
    text_member("logoPath"),
    text_member("thumbPath"),
    text_member("tinyThumbPath"),
    text_member("imageType"),
    extension_member("sha256", MemberShape::Text),
    extension_member("servedSha256", MemberShape::Text),
];

/// A mark.
pub(super) const MARK: [&str; 5] = ["cluster", "kind", "namespace", "name", "uid"];

/// A row of `minimal` or `search`.
pub(in crate::mapping) const ROW: &[AnswerMember] = &[
    number_member("id"),
    text_member("uniqueId"),
    text_member("name"),
    member("activated", MemberShape::InService),
    text_member("updatedTime"),
    text_member("createdTime"),
    extension_member("status", MemberShape::State),
    extension_member("managedBy", MemberShape::Mark),
    extension_member("revision", MemberShape::Number),
];

/// The answer to a create.
pub(in crate::mapping) const CREATED: &[AnswerMember] =
    &[text_member("uniqueId"), text_member("name"), number_member("id")];
