use super::*;

mod model;

const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn just_before(time: Duration) -> Duration {
    time.saturating_sub(Duration::from_millis(1))
}

fn terms() -> LeaseTerms {
    LeaseTerms::new(seconds(15), seconds(10), seconds(2)).unwrap()
}

fn wall_time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn record_held_by(by: &str, renewed: i64) -> LeaseRecord {
    LeaseRecord {
        holder: Some(by.to_owned()),
        duration: seconds(15),
        acquired: Some(wall_time(0)),
        renewed: Some(wall_time(renewed)),
        transitions: 3,
    }
}

fn elector() -> LeaderElector {
    LeaderElector::new("me".to_owned(), terms())
}

#[test]
fn a_record_that_binds_nobody_is_taken_at_once() {
    let released = LeaseRecord { holder: None, ..record_held_by("other", 0) };
    for record in [None, Some(released)] {
        assert_eq!(elector().observe_record(record, seconds(7)), LeaseDecision::Acquire);
    }
}

/// shows: faults/27
#[test]
fn the_record_of_another_is_taken_once_it_was_seen_unchanged_for_the_lease_duration_and_not_before() {
    let mut me = elector();
    // The age that the record claims does not matter: it is a time of another clock.
    assert_eq!(
        me.observe_record(Some(record_held_by("other", -99_999)), seconds(100)),
        LeaseDecision::Wait(terms().poll_interval())
    );
    assert_eq!(
        me.observe_record(Some(record_held_by("other", -99_998)), seconds(110)),
        LeaseDecision::Wait(terms().poll_interval())
    );
    let almost = just_before(seconds(125));
    assert_eq!(
        me.observe_record(Some(record_held_by("other", -99_998)), almost),
        LeaseDecision::Wait(Duration::from_millis(1))
    );
    assert_eq!(me.observe_record(Some(record_held_by("other", -99_998)), seconds(125)), LeaseDecision::Acquire);
}

#[test]
fn a_restarted_process_waits_out_the_record_of_its_former_self() {
    let mut me = LeaderElector::new("pod-2".to_owned(), terms());
    assert!(matches!(me.observe_record(Some(record_held_by("pod-1", 0)), seconds(0)), LeaseDecision::Wait(_)));
}

#[test]
fn the_longer_of_the_two_durations_holds_and_an_absurd_one_does_not_hold_for_ever() {
    for (announced, after) in
        [(seconds(1), seconds(15)), (seconds(60), seconds(60)), (Duration::MAX, MAX_LEASE_DURATION)]
    {
        let record = LeaseRecord { duration: announced, ..record_held_by("other", 0) };
        let early = decide_lease(Some(&record), "me", just_before(after), &terms());
        assert_eq!(early, LeaseDecision::Wait(Duration::from_millis(1)));
        assert_eq!(decide_lease(Some(&record), "me", after, &terms()), LeaseDecision::Acquire);
    }
}

#[test]
fn a_deleted_record_still_binds_whoever_saw_it() {
    let mut me = elector();
    me.observe_record(Some(record_held_by("other", 0)), seconds(0));
    // The holder may have renewed the record directly before.
    assert!(matches!(me.observe_record(None, seconds(14)), LeaseDecision::Wait(_)));
    assert!(matches!(me.observe_record(None, seconds(28)), LeaseDecision::Wait(_)));
    assert_eq!(me.observe_record(None, seconds(29)), LeaseDecision::Acquire);
}

#[test]
fn a_claim_counts_from_when_it_was_sent_and_once_lapsed_it_stays_lapsed() {
    let mut me = elector();
    assert!(!me.is_leading(seconds(0)) && !me.has_lost_leadership(seconds(99)), "nobody loses what he never had");
    me.confirm_claim(seconds(1), seconds(5));
    assert!(me.is_leading(seconds(5)) && me.is_leading(just_before(seconds(11))));
    assert!(!me.is_leading(seconds(11)) && me.has_lost_leadership(seconds(11)));
    me.confirm_claim(seconds(12), seconds(13));
    assert!(!me.is_leading(seconds(13)) && me.has_lost_leadership(seconds(13)));
}

#[test]
fn a_grant_that_is_learnt_of_too_late_is_none() {
    let mut me = elector();
    me.confirm_claim(seconds(0), seconds(10));
    assert!(!me.is_leading(seconds(10)) && !me.has_lost_leadership(seconds(10)));
    me.confirm_claim(seconds(11), seconds(12));
    assert!(me.is_leading(seconds(12)));
}

/// shows: faults/27
#[test]
fn every_renewal_changes_the_record_even_when_the_wall_clock_is_set_back() {
    let mut me = elector();
    me.observe_record(Some(record_held_by("other", 500)), seconds(0));
    let taken = me.claim_record(wall_time(100));
    assert!(taken.renewed > Some(wall_time(500)));
    assert_eq!((taken.holder.as_deref(), taken.transitions, taken.acquired), (Some("me"), 4, taken.renewed));
    me.observe_record(Some(taken.clone()), seconds(1));
    let renewed = me.claim_record(wall_time(100));
    assert!(renewed.renewed > taken.renewed);
    assert_eq!((renewed.transitions, renewed.acquired), (4, taken.acquired));
    let released = me.release_record(wall_time(100));
    assert_eq!((released.holder, released.transitions), (None, 4));
}

#[test]
fn terms_that_would_let_two_lead_are_refused_with_the_flag_to_change() {
    for (lease, renew, retry, flag) in [
        (10, 10, 2, "`--renew-deadline`"),
        (10, 15, 2, "`--renew-deadline`"),
        (15, 10, 10, "`--retry-period`"),
        (3601, 10, 2, "`--lease-duration`"),
    ] {
        let message = LeaseTerms::new(seconds(lease), seconds(renew), seconds(retry)).unwrap_err();
        assert!(message.starts_with(flag), "{message}");
    }
}
