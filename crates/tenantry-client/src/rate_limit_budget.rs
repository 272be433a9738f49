//! The pure half of the rate limiter: how much of a budget is left according to the platform's headers. Times are
//! milliseconds since the epoch, passed as arguments.

use super::rate_limit_headers::MAX_WAIT_MS;

/// Window ends that differ by less are the same: headers have whole seconds, and so has the clock that converts them to
/// ours.
const WINDOW_TOLERANCE_MS: i64 = 1_500;

/// Category of a request. Each has its own budget, so a write never waits for a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum BudgetCategory {
    /// POST, PUT, DELETE.
    Write,
    /// Paginated reads.
    Page,
    /// Other reads.
    Read,
}

impl BudgetCategory {
    /// Returns the name in metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Page => "page",
            Self::Read => "read",
        }
    }
}

/// The caller of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum RequestPriority {
    /// Somebody waits for the change.
    Change,
    /// The drift check, which leaves a fifth of the read budgets to changes.
    Polling,
    /// The holder of a write slot, which waits for nothing else.
    NoWait,
}

/// The rate limit headers of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RateLimitHeaders {
    /// Requests per window.
    pub(super) limit: Option<i64>,
    /// Requests left in this window.
    pub(super) remaining: Option<i64>,
    /// When the budget is full again.
    pub(super) reset: Option<WindowReset>,
}

/// End of a window, at most [`super::headers::MAX_WAIT_MS`] milliseconds away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WindowReset {
    /// The end in milliseconds since the epoch.
    pub(super) at: i64,
    /// Whether the platform sent it. Otherwise the platform sent something impossible, and any later answer replaces
    /// it.
    pub(super) is_plausible: bool,
}

/// Whether a request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BudgetDecision {
    /// It may be sent now.
    Send,
    /// It waits until a request in flight is answered, at most until this time.
    AwaitAnswer(Option<i64>),
    /// It waits until this time.
    WaitUntil(i64),
}

/// The known state of one budget. Nothing is limited until headers are seen.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestBudget {
    limit: Option<i64>,
    /// The lowest value reported for this window, or what is left of a new one.
    remaining: Option<i64>,
    /// End of the window; `None` between its end and the first answer of the next.
    reset: Option<WindowReset>,
    /// Requests sent and not yet answered: the platform may or may not have counted them.
    in_flight: i64,
    /// Number of waiting changes.
    changes_waiting: u32,
    /// Nothing is sent before this time.
    blocked_until: i64,
    /// Refusals in a row.
    refusals: u32,
}

impl RequestBudget {
    /// Decides whether a request may be sent now. After `Send`, the caller must report [`Self::record_answer`],
    /// [`Self::record_rejection`] or [`Self::record_lost_request`].
    pub(super) fn try_acquire(
        &mut self,
        category: BudgetCategory,
        priority: RequestPriority,
        now: i64,
    ) -> BudgetDecision {
        self.roll_window(now);
        if now < self.blocked_until {
            return BudgetDecision::WaitUntil(self.blocked_until);
        }
        let Some(remaining) = self.remaining else { return self.start_request() };
        let is_polling = priority == RequestPriority::Polling && category != BudgetCategory::Write;
        let reserve = if is_polling { self.limit.unwrap_or(remaining) / 5 } else { 0 };
        let may = remaining - self.in_flight > reserve && (!is_polling || self.changes_waiting == 0);
        // Without the end of a window, only an answer would wake a waiter.
        if may || (self.reset.is_none() && self.in_flight == 0) {
            return self.start_request();
        }
        match self.reset.map(|reset| reset.at) {
            Some(reset) if self.in_flight == 0 || remaining <= reserve => BudgetDecision::WaitUntil(reset),
            reset => BudgetDecision::AwaitAnswer(reset),
        }
    }

    fn start_request(&mut self) -> BudgetDecision {
        self.in_flight += 1;
        BudgetDecision::Send
    }

    /// Starts a new window when the old one is over. Also ends a window that a clock set back would make endless.
    fn roll_window(&mut self, now: i64) {
        let latest = now.saturating_add(MAX_WAIT_MS);
        if self.reset.is_some_and(|reset| now >= reset.at || reset.at > latest) {
            self.reset = None;
            self.remaining = self.limit;
        }
        self.blocked_until = self.blocked_until.min(latest);
    }

    /// Counts a request here that was sent on another budget.
    pub(super) fn record_uncounted_request(&mut self) {
        self.in_flight += 1;
    }

    /// Records an answer with these headers.
    pub(super) fn record_answer(&mut self, headers: RateLimitHeaders, now: i64) {
        self.in_flight -= 1;
        self.refusals = 0;
        self.update_window(headers, now);
    }

    fn update_window(&mut self, headers: RateLimitHeaders, now: i64) {
        self.roll_window(now);
        let Some((remaining, reset)) = headers.remaining.zip(headers.reset) else { return };
        if reset.at <= now {
            // The answer belongs to a window that is over.
            return;
        }
        let known = self.reset.filter(|known| known.is_plausible);
        if known.is_some_and(|known| reset.is_plausible && reset.at <= known.at - WINDOW_TOLERANCE_MS) {
            return;
        }
        self.limit = headers.limit.or(self.limit);
        if known.is_some_and(|known| !reset.is_plausible || reset.at < known.at + WINDOW_TOLERANCE_MS) {
            // Answers overtake each other, so within one window only the lowest value counts.
            self.remaining = Some(self.remaining.map_or(remaining, |known| known.min(remaining)));
        } else {
            (self.remaining, self.reset) = (Some(remaining), Some(reset));
        }
    }

    /// Records a 429: nothing is sent before the window ends, or for a growing pause if it names no end.
    pub(super) fn record_rejection(&mut self, headers: RateLimitHeaders, retry_after: Option<i64>, now: i64) {
        self.in_flight -= 1;
        self.update_window(headers, now);
        let pause = 500 << self.refusals.min(6);
        self.refusals += 1;
        let named = retry_after.or(headers.reset.map(|reset| reset.at).filter(|reset| *reset > now));
        self.blocked_until = self.blocked_until.max(named.unwrap_or(now + pause)).max(now + 100);
    }

    /// Records that no answer came; the platform may have counted the request.
    pub(super) fn record_lost_request(&mut self, was_sent: bool) {
        self.in_flight -= 1;
        if was_sent {
            self.remaining = self.remaining.map(|remaining| (remaining - 1).max(0));
        }
    }

    /// Counts a change that starts or stops waiting.
    pub(super) fn count_waiting_change(&mut self, is_beginning: bool) {
        self.changes_waiting =
            if is_beginning { self.changes_waiting + 1 } else { self.changes_waiting.saturating_sub(1) };
    }

    /// Returns whether the budget can be dropped without loss.
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

    fn plausible_reset(at: i64) -> WindowReset {
        WindowReset { at, is_plausible: true }
    }

    fn headers_with(limit: i64, remaining: i64) -> RateLimitHeaders {
        RateLimitHeaders { limit: Some(limit), remaining: Some(remaining), reset: Some(plausible_reset(RESET)) }
    }

    fn try_write(budget: &mut RequestBudget, now: i64) -> BudgetDecision {
        budget.try_acquire(BudgetCategory::Write, RequestPriority::Change, now)
    }

    fn try_poll(budget: &mut RequestBudget, now: i64) -> BudgetDecision {
        budget.try_acquire(BudgetCategory::Page, RequestPriority::Polling, now)
    }

    /// Returns a budget after one answer.
    fn budget_after_answer(limit: i64, remaining: i64) -> RequestBudget {
        let mut budget = RequestBudget::default();
        assert_eq!(try_write(&mut budget, NOW), BudgetDecision::Send);
        budget.record_answer(headers_with(limit, remaining), NOW);
        budget
    }

    #[test]
    fn nothing_is_limited_until_headers_are_seen() {
        let mut budget = RequestBudget::default();
        assert!((0..1000).all(|_| try_write(&mut budget, NOW) == BudgetDecision::Send));
        budget.record_answer(RateLimitHeaders::default(), NOW);
        assert_eq!(try_write(&mut budget, NOW), BudgetDecision::Send);
    }

    #[test]
    fn requests_on_their_way_count_until_they_are_answered() {
        let mut budget = budget_after_answer(50, 2);
        assert_eq!([try_write(&mut budget, NOW), try_write(&mut budget, NOW)], [BudgetDecision::Send; 2]);
        assert_eq!(try_write(&mut budget, NOW), BudgetDecision::AwaitAnswer(Some(RESET)));
        // The second answer overtakes the first, which must not raise the budget again.
        budget.record_answer(headers_with(50, 0), NOW);
        budget.record_answer(headers_with(50, 1), NOW);
        assert_eq!(try_write(&mut budget, NOW), BudgetDecision::WaitUntil(RESET));
    }

    #[test]
    fn a_new_window_starts_whole_less_what_is_on_its_way() {
        let mut budget = budget_after_answer(2, 1);
        assert_eq!(try_write(&mut budget, NOW), BudgetDecision::Send);
        assert_eq!(try_write(&mut budget, RESET), BudgetDecision::Send);
        assert_eq!(try_write(&mut budget, RESET), BudgetDecision::AwaitAnswer(None));
        budget.record_answer(
            RateLimitHeaders { limit: Some(2), remaining: Some(0), reset: Some(plausible_reset(2 * RESET)) },
            RESET,
        );
        assert_eq!(try_write(&mut budget, RESET), BudgetDecision::WaitUntil(2 * RESET));
        // An answer of the previous window changes nothing.
        budget.record_answer(headers_with(2, 2), RESET);
        assert_eq!(try_write(&mut budget, RESET), BudgetDecision::WaitUntil(2 * RESET));
    }

    #[test]
    fn polling_leaves_a_fifth_and_steps_back_for_a_waiting_change() {
        let mut budget = budget_after_answer(50, 11);
        assert_eq!(try_poll(&mut budget, NOW), BudgetDecision::Send);
        budget.record_answer(headers_with(50, 10), NOW);
        assert_eq!(try_poll(&mut budget, NOW), BudgetDecision::WaitUntil(RESET));
        assert_eq!(budget.try_acquire(BudgetCategory::Page, RequestPriority::Change, NOW), BudgetDecision::Send);
        let mut budget = budget_after_answer(50, 40);
        budget.count_waiting_change(true);
        assert_eq!(try_poll(&mut budget, NOW), BudgetDecision::WaitUntil(RESET));
        budget.count_waiting_change(false);
        assert_eq!(try_poll(&mut budget, NOW), BudgetDecision::Send);
    }

    #[test]
    fn a_refusal_stops_everything_until_the_named_time_or_for_a_growing_pause() {
        let mut budget = budget_after_answer(50, 40);
        try_write(&mut budget, NOW);
        budget.record_rejection(RateLimitHeaders::default(), Some(NOW + 3000), NOW);
        assert_eq!(try_write(&mut budget, NOW), BudgetDecision::WaitUntil(NOW + 3000));
        let mut budget = RequestBudget::default();
        for pause in [500, 1000, 2000] {
            try_write(&mut budget, NOW);
            budget.blocked_until = 0;
            budget.record_rejection(RateLimitHeaders::default(), None, NOW);
            assert_eq!(try_write(&mut budget, NOW), BudgetDecision::WaitUntil(NOW + pause));
            budget.blocked_until = 0;
        }
    }

    #[test]
    fn answers_without_headers_never_lock_a_window_up() {
        let mut budget = budget_after_answer(1, 1);
        for now in [RESET, RESET + 1] {
            assert_eq!(try_write(&mut budget, now), BudgetDecision::Send);
            budget.record_lost_request(true);
        }
        assert!(budget.is_idle(RESET));
    }

    #[test]
    fn a_later_answer_wins_over_an_impossible_one_and_a_possible_one_is_kept() {
        let impossible = WindowReset { at: NOW + MAX_WAIT_MS, is_plausible: false };
        let mut budget = RequestBudget::default();
        try_write(&mut budget, NOW);
        budget.record_answer(RateLimitHeaders { limit: Some(50), remaining: Some(0), reset: Some(impossible) }, NOW);
        assert_eq!(try_write(&mut budget, NOW), BudgetDecision::WaitUntil(NOW + MAX_WAIT_MS));
        budget.record_uncounted_request();
        budget.record_answer(headers_with(50, 49), NOW);
        assert_eq!(try_write(&mut budget, NOW), BudgetDecision::Send);
        // In the other order the window stays, with the lowest reported value.
        budget.record_answer(RateLimitHeaders { limit: Some(50), remaining: Some(0), reset: Some(impossible) }, NOW);
        assert_eq!(try_write(&mut budget, NOW), BudgetDecision::WaitUntil(RESET));
        assert_eq!(try_write(&mut budget, RESET), BudgetDecision::Send);
    }

    #[test]
    fn ends_that_differ_by_a_rounding_are_one_window() {
        let mut budget = budget_after_answer(50, 3);
        for (shift, left) in [(-900, 2), (900, 1), (-900, 2)] {
            try_write(&mut budget, NOW);
            let headers = RateLimitHeaders {
                limit: Some(50),
                remaining: Some(left),
                reset: Some(plausible_reset(RESET + shift)),
            };
            budget.record_answer(headers, NOW);
        }
        assert_eq!(try_write(&mut budget, NOW), BudgetDecision::Send);
        assert_eq!(try_write(&mut budget, NOW), BudgetDecision::AwaitAnswer(Some(RESET)));
    }

    #[test]
    fn a_clock_that_is_set_back_ends_the_window() {
        let (now, before) = (10_000_000, 10_000_000 - 3_600_000);
        let mut budget = RequestBudget::default();
        try_write(&mut budget, now);
        budget.record_answer(
            RateLimitHeaders { limit: Some(1), remaining: Some(0), reset: Some(plausible_reset(now + 60_000)) },
            now,
        );
        assert_eq!(try_write(&mut budget, now), BudgetDecision::WaitUntil(now + 60_000));
        assert_eq!(try_write(&mut budget, before), BudgetDecision::Send);
        budget.record_rejection(RateLimitHeaders::default(), Some(now + 60_000), now);
        assert_eq!(try_write(&mut budget, before), BudgetDecision::WaitUntil(before + MAX_WAIT_MS));
    }
}
