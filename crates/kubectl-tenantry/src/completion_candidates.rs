//! Completes a word of the command line in the format that kubectl expects from plugins: one candidate a line, its
//! description behind a tab, and a last line with a number that holds the completion directives.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use clap_complete::CompletionCandidate;
use clap_complete::engine::complete;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::config::Kubeconfig;
use kube::{Api, Resource, ResourceExt};
use tenantry_api::{Partner, TenantClient};
use tenantry_core::TenantKind;

use super::cluster::{Cluster, ClusterFlags};
use super::object_arg::parse_kind;
use super::output;

/// Longest wait for a cluster, since a person is waiting for the completion.
const CLUSTER_TIMEOUT: Duration = Duration::from_secs(3);
/// Name under which kubectl starts the program for completions.
const KUBECTL_PLUGIN_NAME: &str = "kubectl_complete-tenantry";
/// Verb under which all other callers ask for completions.
const COMPLETE_VERB: &str = "__complete";
/// Completion directives of kubectl: no space behind the word, and no file names.
const NO_SPACE: u8 = 2;
const NO_FILES: u8 = 4;

/// The words that were typed, for the functions that complete values.
static WORDS: OnceLock<Vec<String>> = OnceLock::new();

/// Returns the words of a completion request, or `None` if the program was not started for one. The last word is the
/// one to complete.
pub(crate) fn completion_words(args: &[OsString]) -> Option<Vec<OsString>> {
    let (program, rest) = args.split_first()?;
    if Path::new(program).file_stem() == Some(OsStr::new(KUBECTL_PLUGIN_NAME)) {
        return Some(rest.to_vec());
    }
    let (first, rest) = rest.split_first()?;
    (first == COMPLETE_VERB).then(|| rest.to_vec())
}

/// Prints the candidates. Errors are not printed, since they would disturb the command line that is being typed.
pub(crate) fn print_candidates(typed: Vec<OsString>, mut command: clap::Command) {
    let texts: Vec<String> = typed.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let current = texts.last().cloned().unwrap_or_default();
    let _ = WORDS.set(texts);
    let args: Vec<OsString> = [OsString::from("kubectl-tenantry")].into_iter().chain(typed).collect();
    let last = args.len().saturating_sub(1).max(1);
    let args = if args.len() == 1 { vec![args[0].clone(), OsString::new()] } else { args };
    let candidates = complete(&mut command, args, last, None).unwrap_or_default();
    // As kubectl does: flags are only offered after a dash.
    let is_flag = current.starts_with('-');
    let is_shown = |one: &&CompletionCandidate| {
        !one.is_hide_set() && (is_flag || !one.get_value().to_string_lossy().starts_with('-'))
    };
    let shown: Vec<&CompletionCandidate> = candidates.iter().filter(is_shown).collect();
    let mut text = String::new();
    for candidate in &shown {
        let help = candidate.get_help().map(|help| help.to_string().lines().next().unwrap_or_default().to_owned());
        text += &output::strip_control_chars(&candidate.get_value().to_string_lossy());
        text += &help.map(|help| format!("\t{}", output::strip_control_chars(&help))).unwrap_or_default();
        text.push('\n');
    }
    let is_begun = !shown.is_empty() && shown.iter().all(|one| one.get_value().to_string_lossy().ends_with('/'));
    // The value of a flag without known values may be a file.
    let is_of_a_flag = typed_words().iter().rev().nth(1).is_some_and(|word| word.starts_with('-'));
    let directive = match (is_begun, shown.is_empty() && is_of_a_flag) {
        (true, _) => NO_FILES + NO_SPACE,
        (false, true) => 0,
        (false, false) => NO_FILES,
    };
    let _ = output::print(&format!("{text}:{directive}\n"));
}

/// Completes Partners and Clients as `KIND/NAME`, or as NAME behind a kind.
pub(crate) fn objects(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let before = typed_words().iter().rev().nth(1).and_then(|word| parse_kind(word));
    let names = query_cluster(|cluster| async move {
        let Cluster { client, namespace } = cluster;
        let partners = list_object_names(Api::<Partner>::namespaced(client.clone(), &namespace)).await;
        let clients = list_object_names(Api::<TenantClient>::namespaced(client, &namespace)).await;
        [(TenantKind::Partner, partners), (TenantKind::Client, clients)]
    });
    let mut found = Vec::new();
    for (kind, names) in names.into_iter().flatten() {
        let prefix = match (before, current.split_once('/')) {
            (Some(before), _) if before != kind => continue,
            (Some(_), _) => String::new(),
            // The kind as it was typed, since it has several names.
            (None, Some((typed, _))) if parse_kind(typed) == Some(kind) => format!("{typed}/"),
            (None, _) => format!("{}/", kind.name().to_ascii_lowercase()),
        };
        found.extend(names.into_iter().map(|name| format!("{prefix}{name}")));
    }
    matching_candidates(found, &current)
}

/// Completes the namespaces of the cluster.
pub(crate) fn namespaces(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = query_cluster(|cluster| list_object_names(Api::<Namespace>::all(cluster.client)));
    matching_candidates(names.unwrap_or_default(), &current.to_string_lossy())
}

/// Completes the contexts of the kubeconfig.
pub(crate) fn contexts(current: &OsStr) -> Vec<CompletionCandidate> {
    let contexts = Kubeconfig::read().map(|config| config.contexts).unwrap_or_default();
    matching_candidates(contexts.into_iter().map(|context| context.name).collect(), &current.to_string_lossy())
}

fn typed_words() -> &'static [String] {
    WORDS.get().map(Vec::as_slice).unwrap_or_default()
}

fn matching_candidates(names: Vec<String>, current: &str) -> Vec<CompletionCandidate> {
    names.into_iter().filter(|name| name.starts_with(current)).map(CompletionCandidate::new).collect()
}

/// Queries the cluster that the typed words select.
fn query_cluster<T, F: Future<Output = T>>(read: impl FnOnce(Cluster) -> F) -> Option<T> {
    let asked = async {
        let cluster = ClusterFlags::from_words(typed_words()).connect().await.ok().flatten()?;
        Some(read(cluster).await)
    };
    let runtime = tokio::runtime::Handle::try_current().ok()?;
    tokio::task::block_in_place(|| runtime.block_on(tokio::time::timeout(CLUSTER_TIMEOUT, asked))).ok().flatten()
}

async fn list_object_names<K>(objects: Api<K>) -> Vec<String>
where
    K: Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let listed = objects.list_metadata(&ListParams::default()).await;
    listed.map(|list| list.items.iter().map(ResourceExt::name_any).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_are_asked_for_by_a_verb_or_by_the_name_of_the_program() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(completion_words(&words("/bin/kubectl_complete-tenantry status ")), Some(words("status ")));
        assert_eq!(completion_words(&words("kubectl-tenantry __complete status ")), Some(words("status ")));
        assert_eq!(completion_words(&words("kubectl-tenantry status")), None);
        assert_eq!(completion_words(&words("kubectl-tenantry")), None);
    }
}
