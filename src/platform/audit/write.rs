//! Rows on their way into the log: they are written at the end of the transaction of what they tell, behind the anchor.

use super::anchor::Anchor;
use super::chain::{self, Beside, Row};
use super::seal::{Seal, Statement};
use super::{Action, Actor, Event, Outcome};
use crate::platform::store::{
    Head, Kept, SealedHeads, StoredAnchor, Tx, advance, bury, head, last_row, locked_anchor, save_anchor, some_head,
};
use crate::platform::time;

/// What is written at the end of a transaction.
pub(in crate::platform) struct Pending {
    seal: Seal,
    what: What,
}

enum What {
    Row(Content),
    /// The chain goes with its tenant.
    Purged(i64),
}

/// What a row tells, and in whose chain.
pub(super) struct Content {
    pub(super) tenant: i64,
    pub(super) actor: Actor,
    pub(super) action: Action,
    pub(super) object: String,
    pub(super) outcome: Outcome,
}

impl Content {
    pub(super) fn new(tenant: i64, actor: &Actor, Event { action, object, outcome }: Event<'_>) -> Self {
        Self { tenant, actor: actor.clone(), action, object: object.to_owned(), outcome }
    }
}

impl Pending {
    pub(super) fn row(seal: &Seal, content: Content) -> Self {
        Self { seal: seal.clone(), what: What::Row(content) }
    }

    pub(super) fn purged(seal: &Seal, tenant: i64) -> Self {
        Self { seal: seal.clone(), what: What::Purged(tenant) }
    }
}

/// What was written, and is to be told after the commit.
pub(in crate::platform) struct Written {
    seal: Seal,
    events: i64,
    pub(super) rows: Vec<Kept>,
}

impl Written {
    /// The lines of the program's log; and the anchor never counts fewer rows than now.
    pub(in crate::platform) fn tell(&self) {
        let Self { seal, events, rows } = self;
        seal.saw(*events);
        rows.iter().for_each(Kept::tell);
    }
}

/// Writes what is pending. The anchor is locked first and nothing else is waited for but the chains
/// themselves, which nobody locks without it.
pub(in crate::platform) async fn write(tx: &mut Tx, pending: Vec<Pending>) -> Result<Option<Written>, sqlx::Error> {
    let Some(first) = pending.first() else { return Ok(None) };
    let mut writer = Writer::new(first.seal.clone(), tx).await?;
    for Pending { what, seal: _ } in pending {
        match what {
            What::Row(content) => writer.row(tx, content).await?,
            What::Purged(tenant) => writer.purged(tx, tenant).await?,
        }
    }
    writer.end(tx).await.map(Some)
}

/// What a row may build on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// A head that has our seal.
    Sealed,
    /// The head as it stands: a new epoch begins.
    AsItStands,
}

/// What writes while it holds the anchor.
pub(super) struct Writer {
    seal: Seal,
    anchor: Anchor,
    base: Base,
    /// The anchor was replaced or put back, which the next row says.
    alarm: bool,
    written: Vec<Kept>,
}

impl Writer {
    /// Takes the anchor.
    async fn new(seal: Seal, tx: &mut Tx) -> Result<Self, sqlx::Error> {
        let stored = locked_anchor(tx).await?;
        let mut writer = Self::of(seal, Anchor::default(), Base::Sealed);
        match Anchor::open(&writer.seal, &stored) {
            Some(anchor) => {
                writer.alarm = !writer.seal.saw(anchor.events) && !anchor.broken;
                writer.anchor = anchor;
                writer.anchor.broken |= writer.alarm;
            }
            None if ours(&writer.seal, tx, &stored).await? => {
                writer.anchor = Anchor::lost(stored.events);
                writer.alarm = true;
            }
            None => return Err(foreign(&stored)),
        }
        Ok(writer)
    }

    /// With an anchor that is locked and read already.
    pub(super) const fn of(seal: Seal, anchor: Anchor, base: Base) -> Self {
        Self { seal, anchor, base, alarm: false, written: Vec::new() }
    }

    /// Adds a row to a chain.
    ///
    /// It builds on a head that has our seal only. One that has not was put there by somebody else, and a row that says so
    /// comes first: no event that anybody can cause makes the record whole again.
    pub(super) async fn row(&mut self, tx: &mut Tx, content: Content) -> Result<(), sqlx::Error> {
        let tenant = content.tenant;
        let mut last = head(tx, tenant).await?;
        self.anchor.turn(&self.seal, tenant, &last);
        let newest = last_row(tx, tenant).await?.filter(|newest| newest.number > last.number);
        let whole = self.base == Base::AsItStands || newest.is_none() && self.seal.holds_head(tenant, &last);
        if let Some(newest) = newest {
            last = newest;
        }
        if !whole || std::mem::take(&mut self.alarm) {
            tracing::error!(
                target: "audit", tenant, number = last.number, head = !whole,
                "the audit log was changed behind the platform's back: run `tenantry-platform audit verify`, and find out \
                 who can write the database"
            );
            let broken = Content::new(tenant, &Actor::platform(), Event::denied(Action::AuditBroken, "log"));
            last = self.onto(tx, last, broken).await?;
        }
        last = self.onto(tx, last, content).await?;
        self.anchor.turn(&self.seal, tenant, &last);
        Ok(())
    }

    async fn onto(
        &mut self,
        tx: &mut Tx,
        last: Head,
        Content { tenant, actor, action, object, outcome }: Content,
    ) -> Result<Head, sqlx::Error> {
        let row = Row {
            tenant,
            number: last.number.checked_add(1).ok_or_else(|| full(tenant))?,
            at: time::now(),
            actor: chain::plain(&actor.name),
            action: action.word().to_owned(),
            object: chain::plain(&object),
            outcome: outcome.word().to_owned(),
            request: chain::plain(&actor.request),
            source: actor.source.address().map(|address| address.to_string()).unwrap_or_default(),
            previous: last.hash,
            beside: Some(self.anchor.last.clone()),
            key_id: self.seal.id().to_owned(),
        };
        let (number, hash) = (row.number, row.hash());
        let kept = Kept { seal: self.seal.of(tenant, number, &hash), hash: hash.clone(), row };
        advance(tx, &kept).await?;
        self.anchor.events += 1;
        self.anchor.last = Beside { tenant, number, hash: hash.clone() };
        let seal = kept.seal.clone();
        self.written.push(kept);
        Ok(Head { number, hash, seal })
    }

    /// Ends a chain: a sealed statement says up to which row it went. Of a head that has not our seal the statement has none
    /// either, so that `verify` names it from then on. The tenant's data is erased in any case.
    async fn purged(&mut self, tx: &mut Tx, tenant: i64) -> Result<(), sqlx::Error> {
        let mut last = head(tx, tenant).await?;
        self.anchor.turn(&self.seal, tenant, &last);
        // Each tenant has a row about its making at least.
        last.seal = if last.number > 0 && self.seal.holds_head(tenant, &last) {
            self.seal.states(Statement::Purged, tenant, &last)
        } else {
            tracing::error!(
                target: "audit", tenant, number = last.number,
                "the audit log of a purged tenant was changed behind the platform's back: `tenantry-platform audit verify` \
                 names it from now on; find out who can write the database"
            );
            UNSEALED.to_owned()
        };
        bury(tx, tenant, &last).await
    }

    /// Writes the anchor.
    pub(super) async fn end(self, tx: &mut Tx) -> Result<Written, sqlx::Error> {
        let Self { seal, anchor, written: rows, .. } = self;
        save_anchor(tx, &anchor.shut(&seal)?).await?;
        Ok(Written { seal, events: anchor.events, rows })
    }
}

/// Whether an anchor that does not open was put there by somebody else. Where no head has our seal either, nothing tells whether it
/// is we who have another key than the others: then nothing is written, since each row would vouch for what stands before it.
pub(super) async fn ours(seal: &Seal, tx: &mut Tx, stored: &StoredAnchor) -> Result<bool, sqlx::Error> {
    let heads = some_head(tx, |tenant, head| seal.holds_head(tenant, head)).await?;
    Ok(match heads {
        SealedHeads::Held => true,
        SealedHeads::NotHeld => false,
        SealedHeads::None => stored.key_id == seal.id(),
    })
}

/// Stands where a seal would: of no key, and not what a log without a key has.
const UNSEALED: &str = "none";

/// No row follows the one with the highest number that there is. Only somebody else can have put it there.
fn full(tenant: i64) -> sqlx::Error {
    let text = format!(
        "the audit log of tenant {tenant} ends with the highest number that there is, which somebody else wrote: nothing is \
         written; run `tenantry-platform audit verify`, and restore a backup or put the row and the head right"
    );
    sqlx::Error::Configuration(text.into())
}

fn foreign(StoredAnchor { key_id, .. }: &StoredAnchor) -> sqlx::Error {
    // No failure of the database: nothing is half done, and trying again does not help.
    let text = format!(
        "neither the anchor of the audit log (key `{key_id}`) nor any head has the seal of this platform's key: nothing is \
         written; give every platform of this database the same `--audit-key`, and where they have it, somebody else changed \
         the log: run `tenantry-platform audit verify`"
    );
    sqlx::Error::Configuration(text.into())
}

impl Kept {
    /// The line of the program's log, which is how a row leaves the machine.
    fn tell(&self) {
        let Self { row, hash, .. } = self;
        let Row { tenant, number, actor, action, object, outcome, request, source, .. } = row;
        tracing::info!(target: "audit", tenant, number, actor, action, object, outcome, request, source, %hash, "audit");
    }
}
