//! Both sides have one idea of the same: what is declared in any spelling is in sync once it was written.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tenantry::connect::Place;
use tenantry::plan::{Field, Form, Plan, Step, Value};

use super::{first, made, of, partner};
use crate::platform::Platform as Server;

/// Specs that are tried for each kind.
const CASES: usize = 40;

/// White space as YAML, editors and people leave it.
fn space() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop::sample::select(vec![" ", "\n", "\r\n", "\t", "\u{a0}", "\u{2003}"]), 0..3)
        .prop_map(|parts| parts.concat())
}

/// A valid text of a field.
fn core(field: Field) -> BoxedStrategy<String> {
    let one_of = |texts: &[&str]| prop::sample::select(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    match field {
        Field::Name => "[A-Z][a-z ]{0,6}[a-z]".prop_map(|name| format!("Normal {name}")).boxed(),
        Field::Timezone => one_of(&["Europe/Berlin", "Asia/Calcutta", "UTC"]).boxed(),
        Field::Country => one_of(&["Germany", "DEU", "germany", "United States"]).boxed(),
        Field::AlternateEmail | Field::NotificationEmail => one_of(&["", "a@x.example"]).boxed(),
        Field::ApplicationServer => one_of(&["", "acme.app.example", "https://acme.app.example"]).boxed(),
        Field::DuoApiHostname => one_of(&["api-1.duosecurity.com", "API-2.DuoSecurity.com"]).boxed(),
        Field::DocumentationUrl => one_of(&["", "https://docs.example/a"]).boxed(),
        Field::LoginTextColor | Field::LoginBackgroundColor => one_of(&["", "#1f2937", "FFFFFF"]).boxed(),
        Field::BusinessStart | Field::BusinessEnd => one_of(&["09:00", "23:59"]).boxed(),
        Field::BusinessFirstDay | Field::BusinessLastDay => one_of(&["Monday", "Sunday"]).boxed(),
        _ => "[a-zA-Z0-9äß日.,'\"<&\\\\/ \n-]{0,12}".boxed(),
    }
}

fn texts(fields: &[Field]) -> impl Strategy<Value = Vec<(Field, String)>> {
    let text =
        |field: Field| (space(), core(field), space()).prop_map(move |(one, core, two)| (field, one + &core + &two));
    fields.iter().map(|field| text(*field)).collect::<Vec<_>>()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_spelling_of_every_text_is_in_sync_once_it_was_written() {
    let server = Server::start().await;
    let msp = partner(&server).await;
    let mut runner = TestRunner::deterministic();
    for place in [Place::Clients { msp }, Place::Partners { sp: server.sp_id.clone() }] {
        let mut tenant = made(&server, first(&server), place).await;
        let is_text = |field: &Field| matches!(field.form(), Form::Text | Form::Name);
        let fields: Vec<Field> = of(tenant.kind).filter(is_text).collect();
        let mut cleared = 0;
        for _ in 0..CASES {
            let drawn: BTreeMap<Field, String> =
                texts(&fields).new_tree(&mut runner).unwrap().current().into_iter().collect();
            tenant.declared = drawn.iter().map(|(field, text)| (*field, Value::text(text).normal(*field))).collect();
            cleared += tenant.declared.values().filter(|value| **value == Value::Cleared).count();
            let plan = tenant.plan().await;
            tenant.apply(&plan).await;
            let mut rest = tenant.plan().await;
            if rest.steps == [Step::Mark] {
                tenant.apply(&rest).await;
                rest = tenant.plan().await;
            }
            assert_eq!(rest, Plan::default(), "{drawn:?}");
        }
        assert!(cleared > CASES, "only {cleared} texts were empty");
    }
}
