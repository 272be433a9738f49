//! Messages for a name that belongs to another owner's tenant. The advice depends on the owner.

use tenantry_api::Reason;
use tenantry_wire::Mark;

use crate::{ObservedMark, PassOutcome, TenantCandidate};

/// Refuses a name that these tenants have. `ours` is the mark of the requesting object.
pub fn name_taken_outcome(name: &str, ours: &Mark, taken: &[TenantCandidate]) -> PassOutcome {
    let is_marked = |one: &&TenantCandidate| matches!(one.mark, ObservedMark::Full(_) | ObservedMark::Short(_));
    let message = match taken.iter().find(is_marked) {
        Some(TenantCandidate { unique_id, mark: ObservedMark::Full(mark), .. }) => {
            marked_tenant_message(name, unique_id, &MarkPair { ours, theirs: mark })
        }
        Some(_) => marked_elsewhere_message(name),
        None => unmarked_tenants_message(name, taken),
    };
    PassOutcome::Refused(Reason::NameTaken, message)
}

/// The mark of the requesting object and the mark of the tenant.
struct MarkPair<'a> {
    ours: &'a Mark,
    theirs: &'a Mark,
}

/// Returns the message for an owner in another namespace. It names no object, because a user with rights in one
/// namespace must not learn what another contains.
fn marked_elsewhere_message(name: &str) -> String {
    format!("a tenant named `{name}` exists that carries the mark of another object: change `details.name`")
}

fn marked_tenant_message(name: &str, id: &str, marks: &MarkPair<'_>) -> String {
    let MarkPair { ours, theirs: mark } = marks;
    let Mark { cluster, kind, namespace, name: owner, uid: _ } = mark;
    // Without a cluster, the cluster id is not known.
    let is_abroad = !ours.cluster.is_empty() && *cluster != ours.cluster;
    let is_beside = *namespace == ours.namespace;
    let is_same = is_beside && (kind, owner) == (&ours.kind, &ours.name);
    match (is_abroad, is_beside) {
        (true, _) if is_same => format!(
            "the name `{name}` is that of tenant `{id}`, which carries the mark of this very object in the cluster `{cluster}`: if this cluster was restored from that one, start the operator with `--cluster-id {cluster}`, else change `details.name`"
        ),
        (true, _) => format!(
            "a tenant named `{name}` ({id}) exists that carries the mark of an object in another cluster: change `details.name`"
        ),
        (false, true) => format!(
            "the name `{name}` is that of tenant `{id}`, which belongs to {kind} `{namespace}/{owner}`: change `details.name` here; to move the tenant to this object, set `adoption: {{policy: IfIdentical, uniqueId: {id}}}` here and, if that object still exists, `handOver: {{name: {}}}` there",
            ours.name
        ),
        (false, false) => marked_elsewhere_message(name),
    }
}

/// Returns the message for tenants without an object's mark.
fn unmarked_tenants_message(name: &str, taken: &[TenantCandidate]) -> String {
    let ids = taken.iter().map(|one| one.unique_id.as_str()).collect::<Vec<_>>().join(", ");
    let first = taken.first().map(|one| one.unique_id.as_str()).unwrap_or_default();
    let adoption = format!("`adoption: {{policy: IfIdentical, uniqueId: {first}}}`");
    if taken.iter().any(|one| one.mark == ObservedMark::Occupied) {
        return format!(
            "a tenant named `{name}` exists ({ids}) whose external id leaves no place for a mark, so whether this object created it is not known: if it did, take it over with {adoption}, else change `details.name`"
        );
    }
    format!(
        "a tenant named `{name}` exists that this object did not create ({ids}): change `details.name`, or take it over with {adoption}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(text: &str) -> Mark {
        text.parse().unwrap()
    }

    fn conflict_message(observed_mark: ObservedMark) -> String {
        let taken = [TenantCandidate { unique_id: "client_2".into(), name: "Globex".into(), mark: observed_mark }];
        name_taken_outcome("Globex", &mark("c1/Client/acme/twin/u1"), &taken).into_message().unwrap()
    }

    #[test]
    fn a_name_of_another_object_is_never_advised_to_be_adopted_alone() {
        let beside = conflict_message(ObservedMark::Full(mark("c1/Client/acme/globex/u2")));
        for word in ["belongs to Client `acme/globex`", "change `details.name`", "`handOver: {name: twin}` there"] {
            assert!(beside.contains(word), "{beside}");
        }
        for seen in [
            ObservedMark::Full(mark("c1/Client/secret/globex/u2")),
            ObservedMark::Full(mark("c2/Client/acme/globex/u2")),
            ObservedMark::Short(crate::short_mark(&mark("c1/Client/secret/globex/u2"))),
        ] {
            let message = conflict_message(seen);
            assert!(message.ends_with("change `details.name`") && !message.contains("adoption"), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn a_name_of_this_very_object_of_before_says_how_it_is_taken_up_again() {
        let restored = conflict_message(ObservedMark::Full(mark("c2/Client/acme/twin/u9")));
        assert!(restored.contains("this very object") && restored.contains("`--cluster-id c2`"), "{restored}");
        let occupied = conflict_message(ObservedMark::Occupied);
        assert!(
            occupied.contains("if it did, take it over with `adoption: {policy: IfIdentical, uniqueId: client_2}`")
        );
        assert!(conflict_message(ObservedMark::None).contains("or take it over with `adoption"));
    }
}
