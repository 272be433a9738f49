use super::*;

mod model;

const TIMEOUT: Duration = Duration::from_mins(1);
const PLACE: (&str, &str) = ("msp_1", "Globex");

fn at(second: u64) -> Duration {
    Duration::from_secs(second)
}

fn intent(nonce: &str) -> Intent {
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

fn declared(nonce: &str) -> Creates {
    let mut creates = Creates::default();
    creates.declared(nonce.into(), at(0));
    creates
}

fn leave(creates: &Creates, nonce: &str, now: Duration) -> Leave {
    creates.leave(Some(&intent(nonce)), PLACE, now)
}

#[test]
fn under_its_own_intent_a_process_creates_at_once() {
    let mut creates = declared("mine");
    creates.see(&intent("mine"), at(5), TIMEOUT);
    assert_eq!(leave(&creates, "mine", at(5)), Leave::Create);
    assert_eq!(
        creates.leave(Some(&intent("mine")), ("msp_2", "Globex"), at(5)),
        Leave::TakeOver,
        "it was for another parent"
    );
    let renamed = creates.leave(Some(&intent("mine")), ("msp_1", "Globex GmbH"), at(5));
    assert_eq!(renamed, Leave::TakeOver, "it was for another name");
    assert_eq!(creates.leave(None, PLACE, at(5)), Leave::TakeOver, "somebody took it away");
}

#[test]
fn the_intent_of_another_process_is_waited_for_once_and_then_taken_over() {
    for mut creates in [Creates::default(), declared("mine")] {
        creates.see(&intent("theirs"), at(10), TIMEOUT);
        creates.see(&intent("theirs"), at(60), TIMEOUT);
        assert_eq!(leave(&creates, "theirs", at(69)), Leave::Wait);
        assert_eq!(leave(&creates, "theirs", at(70)), Leave::TakeOver);
        creates.declared("next".into(), at(70));
        assert_eq!(leave(&creates, "next", at(70)), Leave::Create);
    }
}

#[test]
fn a_create_that_was_given_up_is_waited_for_and_its_intent_put_on_anew() {
    let mut creates = declared("mine");
    creates.given_up(at(10), TIMEOUT);
    assert!(creates.is_under_way(at(69)) && !creates.is_under_way(at(70)));
    assert_eq!(leave(&creates, "mine", at(69)), Leave::Wait);
    assert_eq!(leave(&creates, "mine", at(70)), Leave::TakeOver);
}

#[test]
fn a_create_is_waited_for_also_where_somebody_took_its_intent_away() {
    let mut creates = declared("mine");
    creates.given_up(at(10), TIMEOUT);
    creates.declared("next".into(), at(69));
    assert_eq!(leave(&creates, "next", at(69)), Leave::Wait);
    creates.declared("last".into(), at(70));
    assert_eq!(leave(&creates, "last", at(70)), Leave::Create);
}
