//! Mistakes of beginners: each is made on the real stack, and the user learns what is wrong, what to do and where. The
//! messages are compared in full.

mod connections;
mod lifecycle;
mod references;
mod values;

use base64::Engine as _;
use serde_json::Value;

use crate::cli::PluginRunner;
use crate::world::{TestNamespace, TestWorld};

/// A valid Partner.
const PARTNER: &str = "
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  connectionSecretRef: {name: platform}
  details: {name: Acme of SPACE}
";

/// A valid Partner with a Client.
const PARTNER_AND_CLIENT: &str = "
apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  connectionSecretRef: {name: platform}
  details: {name: Acme of SPACE}
---
apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {name: globex}
spec:
  partnerRef: {name: acme}
  details: {name: Globex}
";

/// Valid manifests, and the mistakes that follow. `SPACE` is replaced by the namespace of the test, `<URL>`,
/// `<TENANT>`, `<ID>` and `<SECRET>` by its connection, and `ZEROS(n)` by n bytes in base64.
struct MistakeCase {
    manifests: &'static str,
    steps: &'static [MistakeStep],
}

/// An action and the expected messages.
struct MistakeStep {
    action: MistakeAction,
    messages: &'static [ExpectedMessage],
}

/// An action of a user.
enum MistakeAction {
    /// `kubectl apply` on the client's side.
    Apply(&'static str),
    /// `kubectl apply --server-side`.
    ApplyServerSide(&'static str),
    /// `kubectl delete`.
    Delete(&'static str),
    /// `kubectl tenantry lint` of a file.
    Lint(&'static str),
}

/// Where a message appears, and its text.
enum ExpectedMessage {
    /// The error output of the command.
    Refused(&'static str),
    /// `Ready` of an object, which is False.
    NotReady(&'static str, &'static str, &'static str),
    /// A condition that is True.
    Condition(&'static str, &'static str, &'static str, &'static str),
    /// A Warning event of an object.
    Event(&'static str, &'static str, &'static str),
    /// No error: the object becomes Ready.
    Ready(&'static str),
}

/// Defines a test for each mistake.
macro_rules! mistakes {
    ($($name:ident: $mistake:expr;)+) => {
        $(#[test]
        fn $name() {
            const MISTAKE: $crate::user_mistakes::MistakeCase = $mistake;
            $crate::user_mistakes::run_mistake(stringify!($name), &MISTAKE);
        })+
    };
}
use mistakes;

/// Makes a mistake, and compares all messages with the expected ones.
fn run_mistake(name: &str, mistake: &MistakeCase) {
    let namespace = TestWorld::shared_world().create_namespace("mistake");
    for document in split_documents(&fill_placeholders(mistake.manifests, &namespace)) {
        assert_eq!(apply_manifests(&namespace, &document, &[]), "", "{name}: what is given is right");
    }
    for object in tenant_objects(mistake.manifests) {
        namespace.wait_until_ready(&object);
    }
    for MistakeStep { action: act, messages: told } in mistake.steps {
        let answer = perform_action(act, &namespace);
        let wrong: Vec<String> = told.iter().filter_map(|told| message_difference(told, &answer, &namespace)).collect();
        assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
        let is_refused = told.iter().any(|told| matches!(told, ExpectedMessage::Refused(_)));
        assert!(is_refused || answer.is_empty(), "{name}: refused without being told so: {answer}");
    }
}

/// Performs an action. Returns the error output of the command.
fn perform_action(action: &MistakeAction, namespace: &TestNamespace<'_>) -> String {
    match action {
        MistakeAction::Apply(text) => apply_manifests(namespace, &fill_placeholders(text, namespace), &[]),
        MistakeAction::ApplyServerSide(text) => {
            apply_manifests(namespace, &fill_placeholders(text, namespace), &["--server-side"])
        }
        MistakeAction::Delete(object) => {
            namespace.delete(object);
            String::new()
        }
        MistakeAction::Lint(text) => {
            let plugin = PluginRunner::without_cluster();
            plugin.write_file("tenants.yaml", &fill_placeholders(text, namespace));
            mask_message(&plugin.run(&["lint", "-f", "tenants.yaml"]).out, namespace)
        }
    }
}

/// Returns how a message differs from the expected one, if it does.
fn message_difference(expected: &ExpectedMessage, answer: &str, namespace: &TestNamespace<'_>) -> Option<String> {
    let (place, wanted, found) = match *expected {
        ExpectedMessage::Refused(words) => ("the answer".to_owned(), words, answer.to_owned()),
        ExpectedMessage::NotReady(object, reason, words) => (
            format!("Ready of {object}"),
            words,
            mask_message(&namespace.wait_until_not_ready(object, reason), namespace),
        ),
        ExpectedMessage::Condition(object, kind, reason, words) => {
            let mut message = String::new();
            namespace.wait_until(&format!("{object} is {kind} because of {reason}"), || {
                let found = namespace
                    .condition(object, kind)
                    .filter(|found| (found.0.as_str(), found.1.as_str()) == ("True", reason));
                message = found.as_ref().map(|found| found.2.clone()).unwrap_or_default();
                Ok(found.is_some())
            });
            (format!("{kind} of {object}"), words, mask_message(&message, namespace))
        }
        ExpectedMessage::Event(object, reason, words) => (
            format!("event {reason} of {object}"),
            words,
            mask_message(&wait_for_warning_event(namespace, object, reason), namespace),
        ),
        ExpectedMessage::Ready(object) => {
            namespace.wait_until_ready(object);
            return None;
        }
    };
    (found != wanted).then(|| format!("{place} says\n  {found}\nand not\n  {wanted}"))
}

/// Waits for a Warning event, and returns its message.
fn wait_for_warning_event(namespace: &TestNamespace<'_>, object: &str, reason: &str) -> String {
    let name = object.split('/').nth(1).unwrap();
    let fields = format!("regarding.name={name},reason={reason},type=Warning");
    let mut note = String::new();
    namespace.wait_until(&format!("there is an event {reason} of {object}"), || {
        note = namespace.kubectl(&[
            "get",
            "events.v1.events.k8s.io",
            "--field-selector",
            &fields,
            "-o",
            "jsonpath={.items[0].note}",
            "--ignore-not-found",
        ]);
        Ok(!note.is_empty())
    });
    note
}

/// Applies manifests. Returns the error output of `kubectl`.
fn apply_manifests(test_namespace: &TestNamespace<'_>, text: &str, flags: &[&str]) -> String {
    // An object that names its namespace is applied there.
    let object: Value = serde_yaml::from_str(text).unwrap();
    let is_elsewhere = object["metadata"]["namespace"].is_string() || object["kind"] == "Namespace";
    let namespace: &[&str] = if is_elsewhere { &[] } else { &["-n", &test_namespace.name] };
    let args = [namespace, &["apply", "-f", "-"], flags].concat();
    let output = test_namespace.world.kubectl.run_for_output(&args, text).unwrap();
    if output.status.success() {
        String::new()
    } else {
        mask_message(&String::from_utf8_lossy(&output.stderr), test_namespace)
    }
}

/// Masks what differs from run to run.
fn mask_message(message: &str, test_namespace: &TestNamespace<'_>) -> String {
    let host = test_namespace.credential()["url"].as_str().unwrap().replace("http://", "");
    mask_numbers(&message.trim().replace(&test_namespace.name, "SPACE").replace(&host, "HOST"), "client_")
}

/// Removes the numbers after a word.
fn mask_numbers(text: &str, word: &str) -> String {
    let mut parts = text.split(word);
    let first = parts.next().unwrap_or_default().to_owned();
    let number = |part: &str| format!("{word}N{}", part.trim_start_matches(|one: char| one.is_ascii_digit()));
    parts.fold(first, |whole, part| whole + &number(part))
}

/// Fills in the values of a test.
fn fill_placeholders(text: &str, space: &TestNamespace<'_>) -> String {
    let credential = space.credential();
    let value = |key: &str| credential[key].as_str().unwrap().to_owned();
    let places = [("<URL>", "url"), ("<TENANT>", "tenantId"), ("<ID>", "clientId"), ("<SECRET>", "clientSecret")];
    let filled = |text: String, (place, key): (&str, &str)| text.replace(place, &value(key));
    expand_zeros(&places.into_iter().fold(text.replace("SPACE", &space.name), filled))
}

/// Expands `ZEROS(n)`.
fn expand_zeros(text: &str) -> String {
    let Some((before, rest)) = text.split_once("ZEROS(") else { return text.to_owned() };
    let (count, after) = rest.split_once(')').unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.encode(vec![0; count.parse().unwrap()]);
    format!("{before}{bytes}{after}")
}

fn split_documents(text: &str) -> Vec<String> {
    text.split("---\n").filter(|document| !document.trim().is_empty()).map(str::to_owned).collect()
}

/// Lists the Partners and Clients in the test's namespace, as `kubectl` names them.
fn tenant_objects(text: &str) -> Vec<String> {
    let parsed = split_documents(text).into_iter().map(|document| serde_yaml::from_str::<Value>(&document).unwrap());
    let own = |object: Value| {
        let is_here = object["metadata"]["namespace"].is_null();
        let is_tenant = |kind: &&str| is_here && ["Partner", "Client"].contains(kind);
        let kind = object["kind"].as_str().filter(is_tenant)?.to_lowercase();
        Some(format!("{kind}/{}", object["metadata"]["name"].as_str()?))
    };
    parsed.filter_map(own).collect()
}
