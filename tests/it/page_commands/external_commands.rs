//! Commands that the consoles of the pages mark as `apart`: which test runs each, or why none does.

use std::collections::{BTreeMap, BTreeSet};

use super::page_runs;
use crate::{assets, test_index};

/// What runs a command.
#[derive(Clone, Copy)]
enum CommandRunner {
    /// This test, on files or on its own cluster. It takes the command from the page.
    Test(&'static str),
    /// The Makefile contains it.
    Make,
    /// Nothing: it needs what no test has, for this reason.
    Nobody(&'static str),
}

use CommandRunner::{Make, Nobody, Test};

/// A command that a page marks as `apart`.
pub(crate) struct ExternalCommand {
    prefix: &'static str,
    runner: CommandRunner,
    /// The constant by which a test uses it.
    const_name: &'static str,
}

/// Defines constants for the commands that tests run, and the list of all commands.
macro_rules! commands {
    ([$($other:expr),+ $(,)?] $($const_name:ident: $prefix:literal by $test:expr;)+) => {
        $(pub(crate) const $const_name: ExternalCommand = ExternalCommand { prefix: $prefix, runner: Test($test), const_name: stringify!($const_name) };)+
        const ALL: &[ExternalCommand] = &[$($const_name,)+ $($other,)+];
    };
}

const fn untested_command(begin: &'static str, runner: CommandRunner) -> ExternalCommand {
    ExternalCommand { prefix: begin, runner, const_name: "" }
}

const BACKUP: &str = "it::platform::backup::a_copy_comes_back_and_no_id_is_given_a_second_time";
const PULL_REQUEST: &str = "it::cli::pull_request::the_comment_of_the_example_is_what_the_plan_says_of_it";

commands! {
    [
        untested_command("make ", Make),
        untested_command("cargo build --release --bin ", Nobody("the tests run what is built without optimisation")),
        untested_command("target/release/tenantry-operator --kubeconfig ", Nobody("the commercial platform")),
        untested_command("skopeo copy oci:", Nobody("a registry")),
    ]
    PATCH_OF_THE_EXAMPLE: "git apply examples/pull-request/" by PULL_REQUEST;
    PLAN_OF_THE_EXAMPLE: "kubectl tenantry plan -f examples " by PULL_REQUEST;
    BACKUP_OF_SQLITE: "tenantry-platform backup " by BACKUP;
    RESTORE_OF_SQLITE: "tenantry-platform restore --database /data/" by BACKUP;
    RESTORE_OF_POSTGRES: "tenantry-platform restore --database \"$URL\"" by BACKUP;
    DUMP: "pg_dump --format=custom " by BACKUP;
    LOAD: "pg_restore --exit-on-error " by BACKUP;
    SCAN: "checkov " by "it::chart::scan::a_scanner_finds_what_is_suppressed_with_a_reason_and_nothing_else";
    RELEASE_OF_A_NAMESPACE: "kubectl tenantry release --all --ignore-lease "
        by "it::operator::namespaces::a_namespace_that_took_the_rights_along_hangs_until_its_objects_are_released";
    DEFINITIONS: "kubectl apply --server-side -f crds/" by "it::crds::the_api_server_takes_both_without_a_warning";
    ROLLBACK: "helm upgrade tenantry FORMER-CHART "
        by "it::chart::lifecycle::from_the_install_to_the_uninstall_no_tenant_notices";
    STRICT_HEALTH: "kubectl -n acme patch kustomization "
        by "it::gitops::health::conditions_alone_suffice_and_the_strict_health_checks_want_the_platform_equal_too";
    ARGO_CONFIG: "kubectl -n argocd patch configmap "
        by "it::gitops::argo::the_example_is_merged_into_the_config_map_that_is_there";
    PRINTED_CONSENT: "kubectl tenantry terminate client globex --print"
        by "it::cli::terminate::for_git_it_prints_and_writes_nothing";
    CANCEL: "kubectl tenantry cancel client globex"
        by "it::cli::cancel::a_consent_is_taken_back_at_every_point_before_the_end";
}

impl ExternalCommand {
    /// Returns the arguments as the page has them, with replacements for some of them.
    pub(crate) fn words(&self, program: &str, others: &[(&str, &str)]) -> Vec<String> {
        let all = page_runs::commands_run_elsewhere();
        let mut found = all.iter().filter(|(_, command)| command.starts_with(self.prefix));
        let (page, command) = found.next().unwrap_or_else(|| panic!("no page has `{}`", self.prefix));
        assert!(found.all(|(_, other)| other == command), "there are several of `{}`", self.prefix);
        let words =
            command.strip_prefix(program).unwrap_or_else(|| panic!("{page}: `{command}` is not of `{program}`"));
        let put = |word: &str| others.iter().find(|(from, _)| *from == word).map_or(word, |(_, to)| to).to_owned();
        words.split_whitespace().map(put).collect()
    }
}

/// Converts arguments to the type that programs take.
pub(crate) fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// The words of each test.
type Words = BTreeMap<String, BTreeSet<String>>;

/// Returns what is wrong with a command that is marked as `apart`, or `None`.
fn find_runner_fault(command: &str, apart: Option<&ExternalCommand>, tests: &Words) -> Option<String> {
    let Some(ExternalCommand { runner, const_name: ident, .. }) = apart else {
        return Some(format!("`{command}`: nobody is known to run it"));
    };
    match runner {
        Test(name) => {
            let Some(words) = tests.get(*name) else { return Some(format!("there is no test `{name}`")) };
            (!words.contains(*ident)).then(|| format!("`{name}` does not take `{ident}` from the page"))
        }
        Make => {
            let makefile = std::fs::read_to_string(assets::root().join("Makefile")).unwrap();
            let target = command.split(' ').nth(1).unwrap_or_default();
            (!makefile.contains(&format!("\n{target}:"))).then(|| format!("the Makefile has no `{target}`"))
        }
        Nobody(reason) => reason.is_empty().then(|| format!("`{command}`: a reason is wanted")),
    }
}

#[test]
fn whatever_stands_apart_is_run_by_another_test_or_says_why_not() {
    let (all, tests) = (page_runs::commands_run_elsewhere(), test_index::words_of_tests());
    let of = |command: &str| ALL.iter().find(|apart| command.starts_with(apart.prefix));
    let faults: Vec<String> = all
        .iter()
        .filter_map(|(page, command)| {
            find_runner_fault(command, of(command), &tests).map(|fault| format!("{page}: {fault}"))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let is_used = |apart: &&ExternalCommand| all.iter().any(|(_, command)| command.starts_with(apart.prefix));
    let unused: Vec<&str> = ALL.iter().filter(|apart| !is_used(apart)).map(|apart| apart.prefix).collect();
    assert!(unused.is_empty(), "no page has these: {unused:?}");
}

#[test]
fn a_command_apart_that_nobody_runs_is_found_out() {
    let tests: Words = BTreeMap::from([(PULL_REQUEST.to_owned(), BTreeSet::from(["PLAN_OF_THE_EXAMPLE".to_owned()]))]);
    assert_eq!(find_runner_fault("make test", Some(&untested_command("make ", Make)), &tests), None);
    assert_eq!(find_runner_fault("kubectl tenantry plan", Some(&PLAN_OF_THE_EXAMPLE), &tests), None);
    let stranger = ExternalCommand { const_name: "STRANGER", ..PLAN_OF_THE_EXAMPLE };
    for (command, apart, word) in [
        ("kubectl get x", None, "nobody is known"),
        ("make nonsense", Some(&untested_command("make ", Make)), "no `nonsense`"),
        ("kubectl get x", Some(&untested_command("kubectl", Test("it::nonsense"))), "no test"),
        ("kubectl tenantry plan", Some(&stranger), "does not take `STRANGER`"),
        ("kubectl get x", Some(&untested_command("kubectl", Nobody(""))), "a reason"),
    ] {
        assert!(find_runner_fault(command, apart, &tests).is_some_and(|fault| fault.contains(word)), "{command}");
    }
}
