use super::*;

mod model;

const TIMEOUT: Duration = Duration::from_mins(1);
const PARENT_AND_NAME: (&str, &str) = ("msp_1", "Globex");

fn time_at(second: u64) -> Duration {
    Duration::from_secs(second)
}

fn intent_with_nonce(nonce: &str) -> Intent {
    Intent {
        passwords_set_before: None,
        uid: "u1".into(),
        nonce: nonce.into(),
        parent_id: "msp_1".into(),
        name: "Globex".into(),
        adopted: None,
        extensions: None,
        operator: None,
    }
}

fn guard_with_intent(nonce: &str) -> CreateGuard {
    let mut creates = CreateGuard::default();
    creates.record_own_intent(nonce.into(), time_at(0));
    creates
}

fn decide_under_intent(creates: &CreateGuard, nonce: &str, now: Duration) -> CreateDecision {
    creates.decide_create(Some(&intent_with_nonce(nonce)), PARENT_AND_NAME, now)
}

#[test]
fn under_its_own_intent_a_process_creates_at_once() {
    let mut creates = guard_with_intent("mine");
    creates.observe_intent(&intent_with_nonce("mine"), time_at(5), TIMEOUT);
    assert_eq!(decide_under_intent(&creates, "mine", time_at(5)), CreateDecision::Create);
    assert_eq!(
        creates.decide_create(Some(&intent_with_nonce("mine")), ("msp_2", "Globex"), time_at(5)),
        CreateDecision::TakeOver,
        "it was for another parent"
    );
    let renamed = creates.decide_create(Some(&intent_with_nonce("mine")), ("msp_1", "Globex GmbH"), time_at(5));
    assert_eq!(renamed, CreateDecision::TakeOver, "it was for another name");
    assert_eq!(
        creates.decide_create(None, PARENT_AND_NAME, time_at(5)),
        CreateDecision::TakeOver,
        "somebody took it away"
    );
}

#[test]
fn the_intent_of_another_process_is_waited_for_once_and_then_taken_over() {
    for mut creates in [CreateGuard::default(), guard_with_intent("mine")] {
        creates.observe_intent(&intent_with_nonce("theirs"), time_at(10), TIMEOUT);
        creates.observe_intent(&intent_with_nonce("theirs"), time_at(60), TIMEOUT);
        assert_eq!(decide_under_intent(&creates, "theirs", time_at(69)), CreateDecision::Wait);
        assert_eq!(decide_under_intent(&creates, "theirs", time_at(70)), CreateDecision::TakeOver);
        creates.record_own_intent("next".into(), time_at(70));
        assert_eq!(decide_under_intent(&creates, "next", time_at(70)), CreateDecision::Create);
    }
}

#[test]
fn a_create_that_was_given_up_is_waited_for_and_its_intent_put_on_anew() {
    let mut creates = guard_with_intent("mine");
    creates.record_unanswered_create(time_at(10), TIMEOUT);
    assert!(creates.is_create_in_flight(time_at(69)) && !creates.is_create_in_flight(time_at(70)));
    assert_eq!(decide_under_intent(&creates, "mine", time_at(69)), CreateDecision::Wait);
    assert_eq!(decide_under_intent(&creates, "mine", time_at(70)), CreateDecision::TakeOver);
}

#[test]
fn a_create_is_waited_for_also_where_somebody_took_its_intent_away() {
    let mut creates = guard_with_intent("mine");
    creates.record_unanswered_create(time_at(10), TIMEOUT);
    creates.record_own_intent("next".into(), time_at(69));
    assert_eq!(decide_under_intent(&creates, "next", time_at(69)), CreateDecision::Wait);
    creates.record_own_intent("last".into(), time_at(70));
    assert_eq!(decide_under_intent(&creates, "last", time_at(70)), CreateDecision::Create);
}
