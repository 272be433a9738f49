//! Defects that can be built into the model. The search must find each of them.

/// A defect of the operator, or of a function that it calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DeletionMutant {
    ConfirmationNotCompared,
    ExpiryIgnored,
    RevocationIgnored,
    GraceSkipped,
    ActiveNotSuspendedAgain,
    ChildrenNotCounted,
    LivingNotRead,
    NamespaceNotRead,
    UnknownTakenForStaying,
    MarkNotRead,
    ObjectNotReadAgain,
    UidNotCompared,
    RecordNotGuarded,
    EvidenceSkipped,
    LedgerNotGuarded,
    BreakerForgottenOnRestart,
    ClaimIgnored,
    CancelWithoutWaiting,
    /// An abandoned write of `purgeAfter` may take effect after the next suspension.
    LateRecordOfSuspension,
    /// If the tenant is found active, the step is reset.
    CallForgottenWhenFoundActive,
    /// A tenant that was read while the call could still be executed counts as read after the call.
    CancelJudgedAfterTheLook,
    /// A cancel that suspends the tenant again keeps the grace period of the previous suspension.
    PeriodKeptBySuspend,
    /// The slot for the call is taken after everything was read.
    SlotAfterTheLook,
    /// The answer to the last read counts even if it arrives late.
    LateLookBelieved,
    /// A clock that differs from the servers' clocks counts as correct.
    ClockBelieved,
    /// The acceptance of the call by the platform is not recorded.
    TakenForgotten,
}
