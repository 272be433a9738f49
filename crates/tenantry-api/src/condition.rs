//! Condition types and reasons: one closed list each.

/// Type of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// The tenant is as declared.
    Ready,
    /// No managed setting differs on the platform.
    InSync,
    /// The platform takes the credential.
    CredentialsValid,
    /// Partner, Secrets and images were found and may be used.
    ReferencesResolved,
    /// Work is under way; only while True.
    Reconciling,
    /// Nothing moves until a person acts; only while True.
    Stalled,
    /// A deletion waits; only while True.
    DeletionBlocked,
    /// The object is paused; only while True.
    Paused,
    /// A plan waits for approval; only while True.
    AwaitingApproval,
}

impl ConditionType {
    /// Every type.
    pub const ALL: [Self; 9] = [
        Self::Ready,
        Self::InSync,
        Self::CredentialsValid,
        Self::ReferencesResolved,
        Self::Reconciling,
        Self::Stalled,
        Self::DeletionBlocked,
        Self::Paused,
        Self::AwaitingApproval,
    ];

    /// The name in the object.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::InSync => "InSync",
            Self::CredentialsValid => "CredentialsValid",
            Self::ReferencesResolved => "ReferencesResolved",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::DeletionBlocked => "DeletionBlocked",
            Self::Paused => "Paused",
            Self::AwaitingApproval => "AwaitingApproval",
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident => $needs_person:literal,)+) => {
        /// Why a condition is as it is; the same word is the reason of the event and the label of the metric.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word in conditions, events and metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// Whether nothing moves until a person acts (`Stalled`); the others pass by themselves.
            pub const fn needs_person(self) -> bool {
                match self { $(Self::$name => $needs_person,)+ }
            }

            /// What it means, for the documentation.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc,)+),)+ }
            }
        }
    };
}

reasons! {
    /// The tenant is as declared.
    AsDeclared => false,
    /// The tenant is suspended, as declared or because its state is not managed.
    Suspended => false,
    /// A pass has begun and its result is not known yet.
    InProgress => false,
    /// A declared setting differs on the platform and is about to be corrected.
    Drifted => false,
    /// The platform does not support a declared setting that is not about security.
    SettingNotSupported => false,
    /// The platform does not support a declared security setting.
    SecuritySettingNotSupported => true,
    /// The connection's Secret does not exist or lacks a key.
    CredentialsUnavailable => true,
    /// The platform refused the credential.
    CredentialsRefused => true,
    /// The platform accepts the credential, which lacks a permission that this object needs; other objects continue.
    PermissionMissing => true,
    /// The host of the connection is not on the operator's allow-list.
    HostNotAllowed => true,
    /// No connection is named and the default connection does not serve this namespace.
    NoConnection => true,
    /// The credential now belongs to another host or account than the one in which the tenant was created.
    ConnectionIdentityChanged => true,
    /// The Partner resolves to another tenant than the one under which the client was created.
    ParentChanged => true,
    /// The Client's own connection does not belong to exactly its partner's tenant.
    ConnectionMismatch => true,
    /// The Partner object that the Client names does not exist.
    PartnerNotFound => false,
    /// The Partner is not on the platform yet, or has handed its tenant over.
    PartnerNotReady => false,
    /// The Partner is being deleted; nothing is created under it.
    PartnerTerminating => false,
    /// The Partner is suspended; nothing can be written under it.
    PartnerSuspended => false,
    /// The Partner does not allow Clients from this namespace.
    NamespaceNotAllowed => true,
    /// A Secret that a setting is read from does not exist or lacks the key.
    SecretNotFound => true,
    /// A Secret that a setting is read from does not carry the label by which objects may reference it.
    ReferenceNotAllowed => true,
    /// An image's ConfigMap does not exist, or lacks the key as a file.
    ImageNotFound => true,
    /// An image is not a PNG or JPEG, or is too large.
    ImageInvalid => true,
    /// The object holds a field or a value that this release does not know; nothing is written to the tenant.
    NotUnderstood => true,
    /// The platform does not know a declared value, such as a country or time zone.
    InvalidValue => true,
    /// The Client's packages or add-ons go beyond its Partner's, or an add-on lacks its package.
    PackageNotAvailable => true,
    /// The platform refused an add-on; contact Support to change the add-on permission.
    AddOnNotPermitted => true,
    /// A Partner drops a package or add-on that its clients still use.
    ClientsStillUse => true,
    /// The platform refused what was sent.
    RefusedByPlatform => true,
    /// The platform does not offer partners through its API.
    PartnerAPIUnavailable => true,
    /// The tenant that this object owned is no longer on the platform; it is never created again.
    TenantMissing => true,
    /// The tenant that `adoption.uniqueId` names was never found under the parent.
    AdoptionTargetNotFound => true,
    /// More than one tenant could belong to this object, or the operator cannot identify the right one.
    AmbiguousCreate => true,
    /// A tenant of this name exists and does not belong to this object.
    NameTaken => true,
    /// The tenant carries the mark of another owner.
    OwnedElsewhere => true,
    /// The object names another installation of the operator, so this one writes nothing to it or its tenant.
    ManagedElsewhere => true,
    /// The tenant was handed over to another object of this cluster, which manages it now.
    HandedOver => true,
    /// The tenant that the object names was never adopted by it and does not carry its mark.
    NotAdopted => true,
    /// The tenant to adopt differs from the spec, and only an identical tenant may be adopted.
    NotIdentical => true,
    /// A Client sets a locked default differently from its Partner.
    PolicyViolation => true,
    /// The operator corrected a setting three times within an hour, and another writer changed it each time.
    ConflictingWriter => true,
    /// The operator wrote a setting three times within an hour, and the platform does not show it.
    NotTakenByPlatform => true,
    /// The platform stores a declared value in its own form, which the operator treats as equal.
    NormalisedByPlatform => false,
    /// The API server refused the full status, which now has conditions and ids but no settings and differences.
    StatusIncomplete => false,
    /// A plan waits for approval.
    ApprovalNeeded => false,
    /// The object is paused.
    ManagementPaused => false,
    /// A pause is over, and the operator manages the tenant again.
    Resumed => false,
    /// The operator adopted an existing tenant.
    Adopted => false,
    /// The platform's answer contains something that this release does not know; what depends on it is not written.
    AnswerNotUnderstood => false,
    /// The platform no longer reports the extensions with which this tenant was created.
    ExtensionsMissing => true,
    /// The platform answered with an error, too late, or not at all; the operator retries with backoff.
    PlatformUnavailable => false,
    /// The platform's rate limit is reached; the operator continues when the platform allows it.
    RateLimited => false,
    /// The API server answered with an error; the operator retries with backoff.
    ClusterUnavailable => false,
    /// An error occurred inside the operator; it retries with backoff.
    InternalError => false,
    /// The deletion waits for a confirmation.
    ConfirmationNeeded => true,
    /// The confirmation does not match the tenant or has expired.
    ConfirmationInvalid => true,
    /// The deletion waits until no client of the partner exists and no Client object names it.
    ClientsRemain => true,
    /// The tenant is suspended and the grace period runs.
    GracePeriod => false,
    /// The tenant is being terminated.
    Terminating => false,
    /// The operator removes the finalizer; the tenant was terminated, or stays.
    Released => false,
    /// The operator cannot read whether the namespace or definition is being deleted, so it terminates nothing.
    CannotTellWhy => true,
    /// The operator cannot write the record of a termination, and terminates nothing without it.
    EvidenceMissing => true,
    /// The operator cannot read or write the ledger of terminations, and terminates nothing that it cannot count.
    LedgerUnusable => true,
    /// The hourly limit of terminations is reached, or another Partner is being terminated.
    BreakerOpen => false,
    /// The operator's clock differs from that of the API server or the platform, so it terminates nothing by time.
    ClockDisagrees => true,
    /// The termination was cancelled after the call that terminates the tenant had been sent.
    TooLateToCancel => true,
    /// The object re-attached to a tenant that it owned before.
    Reattached => false,
    /// A tenant was created.
    Created => false,
    /// Settings were written to the platform.
    Updated => false,
    /// The tenant was activated.
    Activated => false,
    /// The tenant no longer exists on the platform, and no call of this object is known to have terminated it.
    AlreadyGone => false,
    /// The tenant was terminated on the platform.
    Terminated => false,
    /// The object was deleted and its tenant stays on the platform.
    Retained => false,
    /// An annotation released the object without a change to its tenant.
    Abandoned => false,
    /// A termination in progress was cancelled.
    Cancelled => false,
    /// The application server is new or changed, and needs a DNS entry.
    DNSRecordNeeded => false,
    /// An image differs from the recommended dimensions or file size, and is still used.
    ImageAdvice => false,
    /// A security setting is no longer declared; it stays in force on the platform.
    NoLongerManaged => false,
}
