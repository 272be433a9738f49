//! Commands that the consoles of the pages leave apart: who runs each, or why nobody does.

use super::pages;
use crate::{assets, shown};

/// Who runs a command.
enum Runner {
    /// This test, on files or a cluster of its own.
    Test(&'static str),
    /// The Makefile has it.
    Make,
    /// Nobody: it needs what no test has.
    Nobody(&'static str),
}

use Runner::{Make, Nobody, Test};

const BACKUP: Runner = Test("it::platform::backup::a_copy_comes_back_and_no_id_is_given_a_second_time");

/// How each command begins.
const APART: [(&str, Runner); 17] = [
    ("make ", Make),
    ("cargo build --release --bin ", Nobody("the tests run what is built without optimisation")),
    ("target/release/tenantry-operator --kubeconfig ", Nobody("the commercial platform")),
    (
        "kubectl tenantry plan -f examples/pull-request/globex.yaml ",
        Test("it::cli::pull_request::the_comment_of_the_example_is_what_the_plan_says_of_it"),
    ),
    ("skopeo copy oci:", Nobody("a registry")),
    ("tenantry-platform backup ", BACKUP),
    ("tenantry-platform restore ", BACKUP),
    ("pg_dump --format=custom ", BACKUP),
    ("pg_restore --exit-on-error ", BACKUP),
    ("checkov ", Test("it::chart::scan::a_scanner_finds_what_is_suppressed_with_a_reason_and_nothing_else")),
    (
        "kubectl tenantry release --all --ignore-lease ",
        Test("it::cli::release::before_an_uninstall_all_objects_are_let_go_and_no_tenant_is_touched"),
    ),
    ("kubectl apply --server-side -f crds/", Test("it::crds::the_api_server_takes_both_without_a_warning")),
    (
        "helm upgrade tenantry FORMER-CHART ",
        Test("it::chart::life::from_the_install_to_the_uninstall_no_tenant_notices"),
    ),
    (
        "kubectl -n acme patch kustomization ",
        Test("it::gitops::health::conditions_alone_suffice_and_the_strict_health_checks_want_the_platform_equal_too"),
    ),
    (
        "kubectl -n argocd patch configmap ",
        Test("it::gitops::argo::the_example_is_merged_into_the_config_map_that_is_there"),
    ),
    (
        "kubectl tenantry terminate client globex --print",
        Test("it::cli::terminate::for_git_it_prints_and_writes_nothing"),
    ),
    (
        "kubectl tenantry cancel client globex",
        Test("it::cli::cancel::a_consent_is_taken_back_at_every_point_before_the_end"),
    ),
];

/// Why a command may stand apart, or what is wrong with it.
fn fault(command: &str, runner: Option<&Runner>) -> Option<String> {
    match runner {
        None => Some(format!("`{command}`: nobody is known to run it")),
        Some(Test(name)) => (!shown::of_all_tests().contains(*name)).then(|| format!("there is no test `{name}`")),
        Some(Make) => {
            let makefile = std::fs::read_to_string(assets::root().join("Makefile")).unwrap();
            let target = command.split(' ').nth(1).unwrap_or_default();
            (!makefile.contains(&format!("\n{target}:"))).then(|| format!("the Makefile has no `{target}`"))
        }
        Some(Nobody(reason)) => reason.is_empty().then(|| format!("`{command}`: a reason is wanted")),
    }
}

#[test]
fn whatever_stands_apart_is_run_by_another_test_or_says_why_not() {
    let all = pages::apart();
    let runner = |command: &str| APART.iter().find(|(begin, _)| command.starts_with(begin)).map(|(_, runner)| runner);
    let faults: Vec<String> = all
        .iter()
        .filter_map(|(page, command)| fault(command, runner(command)).map(|fault| format!("{page}: {fault}")))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let is_used = |begin: &str| all.iter().any(|(_, command)| command.starts_with(begin));
    let unused: Vec<&str> = APART.iter().map(|(begin, _)| *begin).filter(|begin| !is_used(begin)).collect();
    assert!(unused.is_empty(), "no page has these: {unused:?}");
}

#[test]
fn a_command_apart_that_nobody_runs_is_found_out() {
    assert_eq!(fault("make test", Some(&Make)), None);
    for (command, runner, word) in [
        ("kubectl get x", None, "nobody is known"),
        ("make nonsense", Some(&Make), "no `nonsense`"),
        ("kubectl get x", Some(&Test("it::nonsense")), "no test"),
        ("kubectl get x", Some(&Nobody("")), "a reason"),
    ] {
        assert!(fault(command, runner).is_some_and(|fault| fault.contains(word)), "{command}");
    }
}
