//! Interprets a read after our own write: it is too early, the platform took the value, it stores a normalised form, or
//! it did not take the value. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tenantry_api::TenantState;

use super::{Field, Value, is_same_status_value};

/// Time after the first write of a value during which an old value, or "not found" after a create, counts as a late
/// read.
pub const READ_LAG_LIMIT: SignedDuration = SignedDuration::from_mins(2);
/// Time window in which writes of one value are counted.
pub const WRITE_COUNT_WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// Maximum number of writes of one value within the window; then the value is left as it is.
pub const MAX_WRITES: usize = 3;

/// A property of a tenant that is written and read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TenantProperty {
    /// A setting.
    Setting(Field),
    /// Whether the tenant is active.
    State,
}

impl TenantProperty {
    /// Returns the path in the spec.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Setting(field) => field.path(),
            Self::State => "tenantState",
        }
    }

    /// Returns whether only exactly the declared value is acceptable, because security or service depends on it.
    pub fn needs_exact_value(self) -> bool {
        match self {
            Self::Setting(field) => {
                field.is_security() || matches!(field, Field::Packages | Field::AddOns | Field::ApplicationServer)
            }
            Self::State => true,
        }
    }

    /// Returns the value that represents a state.
    pub fn state_value(state: TenantState) -> Value {
        Value::text(state.name())
    }
}

/// A declared value and the normalised form that the platform stores, both as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalisedForm {
    /// The declared value.
    pub declared: String,
    /// The form that the platform shows.
    pub shown: String,
}

impl NormalisedForm {
    /// Returns whether this is the normalised form of the declared value and the platform shows it.
    pub fn is_form_of(&self, declared: &Value, shown: &Value) -> bool {
        is_same_status_value(&self.declared, &declared.to_json()) && is_same_status_value(&self.shown, &shown.to_json())
    }
}

/// Normalised forms by setting.
pub type NormalisedForms = BTreeMap<Field, NormalisedForm>;

/// A write, before or after it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteAttempt {
    /// The value.
    pub declared: Value,
    /// Value that the platform showed before the write.
    pub value_before: Option<Value>,
    /// Revision of the tenant before the write.
    pub revision: Option<i64>,
    /// Time of the write.
    pub at: Timestamp,
}

/// Result of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBack<'a> {
    /// The value.
    pub value: &'a Value,
    /// Revision of the tenant.
    pub revision: Option<i64>,
    /// Time of the read.
    pub at: Timestamp,
}

/// What a read means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBackResult {
    /// The platform shows the written value.
    Shown,
    /// The platform does not show the write yet.
    NotVisibleYet,
    /// The platform shows a normalised form; a later read must show the same form.
    Unconfirmed,
    /// The platform shows the same normalised form as directly after the write.
    Normalised,
    /// The platform shows another value and has not shown the written one since the write.
    Ignored,
    /// The platform showed the written value or a normalised form, and now shows another value: somebody changed it.
    Changed,
}

/// What this process wrote of one property, and what it read since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnWrite {
    first: WriteAttempt,
    times: Vec<Timestamp>,
    normalised_form: Option<Value>,
    was_shown: bool,
}

impl OwnWrite {
    /// Makes the record of a write that follows an earlier write of the same property. A repeated write of a value that
    /// was never shown counts as the same write: its time starts with the first.
    #[must_use]
    pub fn after_write(earlier: Option<Self>, write: WriteAttempt) -> Self {
        match earlier {
            Some(mut earlier) if earlier.first.declared == write.declared && !earlier.was_shown => {
                earlier.times.push(write.at);
                earlier
            }
            _ => Self { times: vec![write.at], first: write, normalised_form: None, was_shown: false },
        }
    }

    /// Returns the value that was written.
    pub fn declared_value(&self) -> &Value {
        &self.first.declared
    }

    /// Returns whether the value was written the maximum number of times without ever being shown.
    pub fn is_exhausted(&self, now: Timestamp) -> bool {
        !self.was_shown && self.count_recent(now) >= MAX_WRITES
    }

    /// Returns whether all writes are older than the window.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.count_recent(now) == 0
    }

    fn count_recent(&self, now: Timestamp) -> usize {
        self.times.iter().filter(|time| now.duration_since(**time) < WRITE_COUNT_WINDOW).count()
    }

    /// Interprets a read of this property.
    pub fn classify_read(&mut self, property: TenantProperty, read: &ReadBack<'_>) -> ReadBackResult {
        let ReadBack { value: seen, revision, at } = read;
        if **seen == self.first.declared {
            self.was_shown = true;
            return ReadBackResult::Shown;
        }
        let is_former = self.first.value_before.as_ref() == Some(*seen);
        // A read whose revision is not higher than the revision before the write is older than the write; any other
        // read is current.
        let is_older = match (self.first.revision, revision) {
            (Some(before), Some(now)) => *now <= before,
            _ => is_former,
        };
        // If revisions are counted, reads never go back in time. A value that was shown and is older now was put back,
        // for example by a restored backup.
        let may_be_late = revision.is_none() || !self.was_shown;
        if is_older && may_be_late && at.duration_since(self.first.at) < READ_LAG_LIMIT {
            return ReadBackResult::NotVisibleYet;
        }
        if self.was_shown {
            return ReadBackResult::Changed;
        }
        if is_former || property.needs_exact_value() {
            return ReadBackResult::Ignored;
        }
        match &self.normalised_form {
            None => {
                self.normalised_form = Some((*seen).clone());
                ReadBackResult::Unconfirmed
            }
            Some(answer) if answer == *seen => ReadBackResult::Normalised,
            Some(_) => ReadBackResult::Changed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CITY: TenantProperty = TenantProperty::Setting(Field::City);

    fn time_at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn write_attempt(seconds: i64) -> WriteAttempt {
        WriteAttempt {
            declared: Value::text("555-0100"),
            value_before: Some(Value::text("1")),
            revision: None,
            at: time_at(seconds),
        }
    }

    fn interpret_text(
        own: &mut OwnWrite,
        property: TenantProperty,
        text: &str,
        seconds: i64,
        revision: Option<i64>,
    ) -> ReadBackResult {
        own.classify_read(property, &ReadBack { value: &Value::text(text), revision, at: time_at(seconds) })
    }

    #[test]
    fn an_old_value_is_late_for_two_minutes_and_then_not_taken() {
        let mut own = OwnWrite::after_write(None, write_attempt(0));
        assert_eq!(interpret_text(&mut own, CITY, "1", 119, None), ReadBackResult::NotVisibleYet);
        assert_eq!(interpret_text(&mut own, CITY, "1", 120, None), ReadBackResult::Ignored);
        own = OwnWrite::after_write(Some(own), write_attempt(120));
        assert_eq!(
            interpret_text(&mut own, CITY, "1", 121, None),
            ReadBackResult::Ignored,
            "the time counts from the first write"
        );
    }

    #[test]
    fn with_revisions_an_older_one_is_late_and_any_other_is_as_it_is() {
        let of = |revision| OwnWrite::after_write(None, WriteAttempt { revision, ..write_attempt(0) });
        assert_eq!(interpret_text(&mut of(Some(5)), CITY, "other", 1, Some(5)), ReadBackResult::NotVisibleYet);
        assert_eq!(interpret_text(&mut of(Some(5)), CITY, "1", 1, Some(6)), ReadBackResult::Ignored);
        assert_eq!(interpret_text(&mut of(Some(5)), CITY, "1", 121, Some(5)), ReadBackResult::Ignored);
    }

    #[test]
    fn a_form_of_the_platform_s_own_counts_once_a_later_read_confirms_it_and_never_where_only_the_value_itself_does() {
        let mut own = OwnWrite::after_write(None, write_attempt(0));
        assert_eq!(interpret_text(&mut own, CITY, "5550100", 1, None), ReadBackResult::Unconfirmed);
        assert_eq!(interpret_text(&mut own, CITY, "5550100", 2, None), ReadBackResult::Normalised);
        assert_eq!(interpret_text(&mut own, CITY, "666", 3, None), ReadBackResult::Changed);
        let exact = Field::ALL
            .iter()
            .copied()
            .map(TenantProperty::Setting)
            .filter(|part| part.needs_exact_value())
            .chain([TenantProperty::State]);
        for part in exact {
            let mut own = OwnWrite::after_write(None, write_attempt(0));
            for second in 1..3 {
                assert_eq!(
                    interpret_text(&mut own, part, "5550100", second, None),
                    ReadBackResult::Ignored,
                    "{}",
                    part.path()
                );
            }
        }
    }

    #[test]
    fn a_value_that_was_shown_and_differs_later_was_changed_by_somebody() {
        let mut own = OwnWrite::after_write(None, write_attempt(0));
        assert_eq!(interpret_text(&mut own, CITY, "555-0100", 1, None), ReadBackResult::Shown);
        assert_eq!(
            interpret_text(&mut own, CITY, "1", 2, None),
            ReadBackResult::NotVisibleYet,
            "another server of the platform may be behind"
        );
        assert_eq!(interpret_text(&mut own, CITY, "1", 121, None), ReadBackResult::Changed);
        assert_eq!(interpret_text(&mut own, CITY, "2", 2, None), ReadBackResult::Changed);
        let again = OwnWrite::after_write(Some(own), write_attempt(200));
        assert!(!again.is_exhausted(time_at(200)));
    }

    #[test]
    fn with_revisions_what_was_shown_and_is_older_again_was_put_back() {
        let mut own = OwnWrite::after_write(None, WriteAttempt { revision: Some(5), ..write_attempt(0) });
        assert_eq!(interpret_text(&mut own, CITY, "555-0100", 1, Some(6)), ReadBackResult::Shown);
        assert_eq!(interpret_text(&mut own, CITY, "1", 2, Some(4)), ReadBackResult::Changed, "a backup was restored");
    }

    #[test]
    fn after_three_writes_in_vain_it_is_left_alone_for_an_hour_and_another_value_begins_again() {
        let own = [0, 130, 260]
            .into_iter()
            .fold(None, |own, time| Some(OwnWrite::after_write(own, write_attempt(time))))
            .unwrap();
        assert!(own.is_exhausted(time_at(3599)) && !own.is_exhausted(time_at(3600)));
        assert!(!own.is_expired(time_at(3859)) && own.is_expired(time_at(3860)));
        let other = WriteAttempt { declared: Value::text("2"), ..write_attempt(300) };
        assert!(!OwnWrite::after_write(Some(own), other).is_exhausted(time_at(300)));
    }
}
