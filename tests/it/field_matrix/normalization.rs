//! Tests that both sides normalize values in the same way: a value declared in any spelling is in sync after it was
//! written.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tenantry_core::{Field, Place, Plan, PlanStep, Value, ValueType};

use super::{create_field_tenant, create_full_partner, fields_of_kind, first_credential};
use crate::platform::TestPlatform;

/// Number of specs that are tried for each kind.
const CASES_PER_KIND: usize = 40;

/// White space as YAML, editors and users produce it.
fn any_white_space() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop::sample::select(vec![" ", "\n", "\r\n", "\t", "\u{a0}", "\u{2003}"]), 0..3)
        .prop_map(|parts| parts.concat())
}

/// A valid text of a field.
fn any_valid_text(field: Field) -> BoxedStrategy<String> {
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

fn any_texts(fields: &[Field]) -> impl Strategy<Value = Vec<(Field, String)>> {
    let text = |field: Field| {
        (any_white_space(), any_valid_text(field), any_white_space())
            .prop_map(move |(one, core, two)| (field, one + &core + &two))
    };
    fields.iter().map(|field| text(*field)).collect::<Vec<_>>()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_spelling_of_every_text_is_in_sync_once_it_was_written() {
    let server = TestPlatform::start().await;
    let msp = create_full_partner(&server).await;
    let mut runner = TestRunner::deterministic();
    for place in [Place::Clients { msp }, Place::Partners { sp: server.sp_id.clone() }] {
        let mut tenant = create_field_tenant(&server, first_credential(&server), place).await;
        let is_text = |field: &Field| matches!(field.value_type(), ValueType::Text | ValueType::Name);
        let fields: Vec<Field> = fields_of_kind(tenant.kind).filter(is_text).collect();
        let mut cleared = 0;
        for _ in 0..CASES_PER_KIND {
            let drawn: BTreeMap<Field, String> =
                any_texts(&fields).new_tree(&mut runner).unwrap().current().into_iter().collect();
            tenant.declared =
                drawn.iter().map(|(field, text)| (*field, Value::text(text).into_normal_form(*field))).collect();
            cleared += tenant.declared.values().filter(|value| **value == Value::Cleared).count();
            let plan = tenant.plan_changes().await;
            tenant.apply_plan(&plan).await;
            let mut rest = tenant.plan_changes().await;
            if rest.steps == [PlanStep::Mark] {
                tenant.apply_plan(&rest).await;
                rest = tenant.plan_changes().await;
            }
            assert_eq!(rest, Plan::default(), "{drawn:?}");
        }
        assert!(cleared > CASES_PER_KIND, "only {cleared} texts were empty");
    }
}
