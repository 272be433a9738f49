//! The pure half of the pacer: how much of a budget is left, as far as the platform's headers tell. Times are
//! milliseconds since the epoch, and arguments.

use super::headers::LONGEST_WAIT;

/// Ends of windows that differ by less are one: headers have whole seconds, and so has the clock that moves them to ours.
const SAME_WINDOW: i64 = 1_500;

/// Kind of request; each has a budget of its own, so a write never waits for a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Category {
    /// POST, PUT, DELETE.
    Write,
    /// Paginated reads.
    Page,
    /// Other reads.
    Read,
}

impl Category {
    /// Its name in counters.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Page => "page",
            Self::Read => "read",
        }
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// Somebody waits for it.
    Change,
    /// The look for drift, which leaves a fifth of the budgets of reads to changes.
    Polling,
    /// The holder of a write slot, which waits for nothing else.
    AtOnce,
}

/// What the headers of an answer say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Requests per window.
    pub(super) limit: Option<i64>,
    /// Requests left in this one.
    pub(super) remaining: Option<i64>,
    /// When the budget is whole again.
    pub(super) reset: Option<Reset>,
}

/// End of a window, at most [`LONGEST_WAIT`] away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reset {
    /// When that is.
    pub(super) at: i64,
    /// Whether the platform said so; otherwise it said something impossible, and any later answer knows better.
    pub(super) is_sure: bool,
}

/// Whether a request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// Now.
    Go,
    /// When a request on its way has been answered, at the latest then.
    Soon(Option<i64>),
    /// Then, and not before.
    At(i64),
}

/// What is known of one budget. Nothing is limited until headers are seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget {
    limit: Option<i64>,
    /// The least that was told for this window, or what is left of a new one.
    remaining: Option<i64>,
    /// End of the window; nothing between its end and the first answer of the next.
    reset: Option<Reset>,
    /// Sent and not yet answered: the platform may or may not have counted them.
    in_flight: i64,
    /// Changes that wait.
    changes_waiting: u32,
    /// Nothing is sent before this.
    blocked_until: i64,
    /// Refusals in a row.
    refusals: u32,
}

impl Budget {
    /// Whether a request may be sent now; it then must be answered by [`Self::told`] or [`Self::lost`].
    pub(super) fn ask(&mut self, category: Category, lane: Lane, now: i64) -> Leave {
        self.roll(now);
        if now < self.blocked_until {
            return Leave::At(self.blocked_until);
        }
        let Some(remaining) = self.remaining else { return self.go() };
        let is_polling = lane == Lane::Polling && category != Category::Write;
        let reserve = if is_polling { self.limit.unwrap_or(remaining) / 5 } else { 0 };
        let may = remaining - self.in_flight > reserve && (!is_polling || self.changes_waiting == 0);
        // Without a window's end nothing would ever wake a waiter but an answer.
        if may || (self.reset.is_none() && self.in_flight == 0) {
            return self.go();
        }
        match self.reset.map(|reset| reset.at) {
            Some(reset) if self.in_flight == 0 || remaining <= reserve => Leave::At(reset),
            reset => Leave::Soon(reset),
        }
    }

    fn go(&mut self) -> Leave {
        self.in_flight += 1;
        Leave::Go
    }

    /// Starts a new window where the old one is over, and one that a clock that was set back would make endless.
    fn roll(&mut self, now: i64) {
        let latest = now.saturating_add(LONGEST_WAIT);
        if self.reset.is_some_and(|reset| now >= reset.at || reset.at > latest) {
            self.reset = None;
            self.remaining = self.limit;
        }
        self.blocked_until = self.blocked_until.min(latest);
    }

    /// A request that was let through as one of another budget is counted in this one.
    pub(super) fn take_over(&mut self) {
        self.in_flight += 1;
    }

    /// An answer came, with these headers.
    pub(super) fn told(&mut self, told: Told, now: i64) {
        self.in_flight -= 1;
        self.refusals = 0;
        self.learn(told, now);
    }

    fn learn(&mut self, told: Told, now: i64) {
        self.roll(now);
        let Some((remaining, reset)) = told.remaining.zip(told.reset) else { return };
        if reset.at <= now {
            // An answer of a window that is over.
            return;
        }
        let known = self.reset.filter(|known| known.is_sure);
        if known.is_some_and(|known| reset.is_sure && reset.at <= known.at - SAME_WINDOW) {
            return;
        }
        self.limit = told.limit.or(self.limit);
        if known.is_some_and(|known| !reset.is_sure || reset.at < known.at + SAME_WINDOW) {
            // Answers overtake each other, so within one window only the least counts.
            self.remaining = Some(self.remaining.map_or(remaining, |known| known.min(remaining)));
        } else {
            (self.remaining, self.reset) = (Some(remaining), Some(reset));
        }
    }

    /// The platform refused with 429: nothing goes out before its window ends, or a growing pause where it names none.
    pub(super) fn refused(&mut self, told: Told, retry_after: Option<i64>, now: i64) {
        self.in_flight -= 1;
        self.learn(told, now);
        let pause = 500 << self.refusals.min(6);
        self.refusals += 1;
        let named = retry_after.or(told.reset.map(|reset| reset.at).filter(|reset| *reset > now));
        self.blocked_until = self.blocked_until.max(named.unwrap_or(now + pause)).max(now + 100);
    }

    /// No answer came; the platform may have counted the request.
    pub(super) fn lost(&mut self, was_sent: bool) {
        self.in_flight -= 1;
        if was_sent {
            self.remaining = self.remaining.map(|remaining| (remaining - 1).max(0));
        }
    }

    /// A change begins or ends to wait.
    pub(super) fn wait(&mut self, begins: bool) {
        self.changes_waiting = if begins { self.changes_waiting + 1 } else { self.changes_waiting.saturating_sub(1) };
    }

    /// Whether forgetting it loses nothing.
    pub(super) fn is_idle(&self, now: i64) -> bool {
        self.in_flight == 0
            && self.changes_waiting == 0
            && now >= self.blocked_until
            && self.reset.is_none_or(|reset| now >= reset.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 60_000;
    const RESET: i64 = 120_000;

    fn sure(at: i64) -> Reset {
        Reset { at, is_sure: true }
    }

    fn told(limit: i64, remaining: i64) -> Told {
        Told { limit: Some(limit), remaining: Some(remaining), reset: Some(sure(RESET)) }
    }

    fn write(budget: &mut Budget, now: i64) -> Leave {
        budget.ask(Category::Write, Lane::Change, now)
    }

    fn poll(budget: &mut Budget, now: i64) -> Leave {
        budget.ask(Category::Page, Lane::Polling, now)
    }

    /// A budget after one answer.
    fn known(limit: i64, remaining: i64) -> Budget {
        let mut budget = Budget::default();
        assert_eq!(write(&mut budget, NOW), Leave::Go);
        budget.told(told(limit, remaining), NOW);
        budget
    }

    #[test]
    fn nothing_is_limited_until_headers_are_seen() {
        let mut budget = Budget::default();
        assert!((0..1000).all(|_| write(&mut budget, NOW) == Leave::Go));
        budget.told(Told::default(), NOW);
        assert_eq!(write(&mut budget, NOW), Leave::Go);
    }

    #[test]
    fn requests_on_their_way_count_until_they_are_answered() {
        let mut budget = known(50, 2);
        assert_eq!([write(&mut budget, NOW), write(&mut budget, NOW)], [Leave::Go; 2]);
        assert_eq!(write(&mut budget, NOW), Leave::Soon(Some(RESET)));
        // The second answer overtakes the first, which must not raise the budget again.
        budget.told(told(50, 0), NOW);
        budget.told(told(50, 1), NOW);
        assert_eq!(write(&mut budget, NOW), Leave::At(RESET));
    }

    #[test]
    fn a_new_window_starts_whole_less_what_is_on_its_way() {
        let mut budget = known(2, 1);
        assert_eq!(write(&mut budget, NOW), Leave::Go);
        assert_eq!(write(&mut budget, RESET), Leave::Go);
        assert_eq!(write(&mut budget, RESET), Leave::Soon(None));
        budget.told(Told { limit: Some(2), remaining: Some(0), reset: Some(sure(2 * RESET)) }, RESET);
        assert_eq!(write(&mut budget, RESET), Leave::At(2 * RESET));
        // An answer of the window before changes nothing.
        budget.told(told(2, 2), RESET);
        assert_eq!(write(&mut budget, RESET), Leave::At(2 * RESET));
    }

    #[test]
    fn polling_leaves_a_fifth_and_steps_back_for_a_waiting_change() {
        let mut budget = known(50, 11);
        assert_eq!(poll(&mut budget, NOW), Leave::Go);
        budget.told(told(50, 10), NOW);
        assert_eq!(poll(&mut budget, NOW), Leave::At(RESET));
        assert_eq!(budget.ask(Category::Page, Lane::Change, NOW), Leave::Go);
        let mut budget = known(50, 40);
        budget.wait(true);
        assert_eq!(poll(&mut budget, NOW), Leave::At(RESET));
        budget.wait(false);
        assert_eq!(poll(&mut budget, NOW), Leave::Go);
    }

    #[test]
    fn a_refusal_stops_everything_until_the_named_time_or_for_a_growing_pause() {
        let mut budget = known(50, 40);
        write(&mut budget, NOW);
        budget.refused(Told::default(), Some(NOW + 3000), NOW);
        assert_eq!(write(&mut budget, NOW), Leave::At(NOW + 3000));
        let mut budget = Budget::default();
        for pause in [500, 1000, 2000] {
            write(&mut budget, NOW);
            budget.blocked_until = 0;
            budget.refused(Told::default(), None, NOW);
            assert_eq!(write(&mut budget, NOW), Leave::At(NOW + pause));
            budget.blocked_until = 0;
        }
    }

    #[test]
    fn answers_without_headers_never_lock_a_window_up() {
        let mut budget = known(1, 1);
        for now in [RESET, RESET + 1] {
            assert_eq!(write(&mut budget, now), Leave::Go);
            budget.lost(true);
        }
        assert!(budget.is_idle(RESET));
    }

    #[test]
    fn a_later_answer_wins_over_an_impossible_one_and_a_possible_one_is_kept() {
        let impossible = Reset { at: NOW + LONGEST_WAIT, is_sure: false };
        let mut budget = Budget::default();
        write(&mut budget, NOW);
        budget.told(Told { limit: Some(50), remaining: Some(0), reset: Some(impossible) }, NOW);
        assert_eq!(write(&mut budget, NOW), Leave::At(NOW + LONGEST_WAIT));
        budget.take_over();
        budget.told(told(50, 49), NOW);
        assert_eq!(write(&mut budget, NOW), Leave::Go);
        // The other way round the window stays, with the least that was told.
        budget.told(Told { limit: Some(50), remaining: Some(0), reset: Some(impossible) }, NOW);
        assert_eq!(write(&mut budget, NOW), Leave::At(RESET));
        assert_eq!(write(&mut budget, RESET), Leave::Go);
    }

    #[test]
    fn ends_that_differ_by_a_rounding_are_one_window() {
        let mut budget = known(50, 3);
        for (shift, left) in [(-900, 2), (900, 1), (-900, 2)] {
            write(&mut budget, NOW);
            let told = Told { limit: Some(50), remaining: Some(left), reset: Some(sure(RESET + shift)) };
            budget.told(told, NOW);
        }
        assert_eq!(write(&mut budget, NOW), Leave::Go);
        assert_eq!(write(&mut budget, NOW), Leave::Soon(Some(RESET)));
    }

    #[test]
    fn a_clock_that_is_set_back_ends_the_window() {
        let (now, before) = (10_000_000, 10_000_000 - 3_600_000);
        let mut budget = Budget::default();
        write(&mut budget, now);
        budget.told(Told { limit: Some(1), remaining: Some(0), reset: Some(sure(now + 60_000)) }, now);
        assert_eq!(write(&mut budget, now), Leave::At(now + 60_000));
        assert_eq!(write(&mut budget, before), Leave::Go);
        budget.refused(Told::default(), Some(now + 60_000), now);
        assert_eq!(write(&mut budget, before), Leave::At(before + LONGEST_WAIT));
    }
}
