//! Defects that can be built into the model, each of which the walk must find.

/// A defect of the operator, or of a function that it asks.
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
    /// A write of `purgeAfter` that was given up may land after the next suspension.
    LateRecordOfSuspension,
    /// Found active, the step is set back.
    CallForgottenWhenFoundActive,
    /// One that was read while the call could still be carried out counts as read after it.
    CancelJudgedAfterTheLook,
    /// A cancel that suspends again leaves the period of the suspension before.
    PeriodKeptBySuspend,
    /// The slot for the call is waited for after everything was read.
    SlotAfterTheLook,
    /// The answer to the last read counts however late it comes.
    LateLookBelieved,
    /// A clock that is not the time of the servers counts as theirs.
    ClockBelieved,
    /// That the platform took the call is not remembered.
    TakenForgotten,
}
