//! Identifies the tenant of an object: the intent, the mark, and the lookup before every create.

use serde::{Deserialize, Serialize};
use tenantry_wire::Mark;

use super::Digest;

/// What an object records before it creates a tenant. The annotation is added together with the finalizer and is kept.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// UID of the object that wrote the intent; a copy on another object is ignored.
    pub uid: String,
    /// Drawn again by each process that takes the intent over.
    pub nonce: String,
    /// Id of the tenant under which the new tenant is created.
    pub parent_id: String,
    /// Name that is sent.
    pub name: String,
    /// Id of the tenant that was adopted instead of created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<String>,
    /// Whether the platform reported then that it has the extensions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<bool>,
    /// Operator installation that wrote the intent, as namespace and name of its Lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The latest "passwords set before" moment that was sent. It is recorded here before it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passwords_set_before: Option<SentPasswordTime>,
}

/// A moment that is sent at most once.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct SentPasswordTime {
    /// The moment that was sent.
    pub sent: String,
    /// The moment before it, which is restored if the platform refuses this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<String>,
}

/// The mark as the platform shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObservedMark {
    /// The complete mark (extension `managedBy`).
    Full(Mark),
    /// The short form of at most 64 characters in the tenant's external id.
    Short(String),
    /// No mark; one can be written.
    None,
    /// The field for the mark holds the customer's own number, so no mark can be stored.
    Occupied,
    /// The mark could not be read.
    Unreadable,
}

impl ObservedMark {
    /// Returns whether this is exactly the given mark.
    pub fn is_exactly(&self, mark: &Mark) -> bool {
        match self {
            Self::Full(seen) => seen == mark,
            Self::Short(seen) => *seen == short_mark(mark),
            Self::None | Self::Occupied | Self::Unreadable => false,
        }
    }

    /// Returns whether the mark names the same UID: this very object created the tenant.
    fn is_same_object(&self, mark: &Mark) -> bool {
        match self {
            Self::Full(seen) => seen.is_same_place(mark) && seen.uid == mark.uid,
            Self::Short(seen) => *seen == short_mark(mark),
            Self::None | Self::Occupied | Self::Unreadable => false,
        }
    }

    /// Returns whether the mark names the same place, with any UID.
    pub fn is_same_place(&self, mark: &Mark) -> bool {
        match self {
            Self::Full(seen) => seen.is_same_place(mark),
            Self::Short(seen) => place_in_short_mark(seen).is_some_and(|place| place == place_digest_of(mark)),
            Self::None | Self::Occupied | Self::Unreadable => false,
        }
    }

    /// Returns whether the mark names another place.
    pub fn is_foreign(&self, mark: &Mark) -> bool {
        matches!(self, Self::Full(_) | Self::Short(_)) && !self.is_same_place(mark)
    }

    /// Returns whether a mark can be written without overwriting somebody else's data.
    pub const fn can_be_written(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Short(_) | Self::None)
    }

    /// Reads the short form from an external id.
    pub fn from_external_id(external_id: Option<&str>) -> Self {
        match external_id {
            None | Some("") => Self::None,
            Some(text) if place_in_short_mark(text).is_some() => Self::Short(text.to_owned()),
            Some(_) => Self::Occupied,
        }
    }
}

const SHORT_PREFIX: &str = "tny:";

/// Returns the short form of a mark, at most 64 characters: a digest of the place and a digest of the UID.
pub fn short_mark(mark: &Mark) -> String {
    let uid = Digest::of_bytes(mark.uid.as_bytes());
    format!("{SHORT_PREFIX}{}:{}", place_digest_of(mark), &uid.hex()[..27])
}

fn place_digest_of(mark: &Mark) -> String {
    digest_place(&mark.place())
}

fn digest_place(place: &str) -> String {
    Digest::of_bytes(place.as_bytes()).hex()[..32].to_owned()
}

/// Returns whether a short mark belongs to this place, which is written as `cluster/kind/namespace/name`.
pub fn is_short_mark_of(short: &str, place: &str) -> bool {
    place_in_short_mark(short).is_some_and(|digest| digest == digest_place(place))
}

fn place_in_short_mark(text: &str) -> Option<&str> {
    let (place, uid) = text.strip_prefix(SHORT_PREFIX)?.split_once(':')?;
    (place.len() == 32 && uid.len() == 27).then_some(place)
}

/// A tenant that may belong to the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantCandidate {
    /// Unique id.
    pub unique_id: String,
    /// Name on the platform.
    pub name: String,
    /// Mark of the tenant.
    pub mark: ObservedMark,
}

/// Result of the lookup before a create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantMatch {
    /// No tenant belongs or may belong to this object, and the name is free.
    NotFound,
    /// This very object created the tenant.
    Owned(String),
    /// An earlier object at the same place created the tenant under the same name.
    Reattach(String),
    /// More than one tenant matches, or the matches cannot be distinguished.
    Ambiguous(Vec<String>),
    /// Tenants of other owners have the name.
    NameTaken(Vec<String>),
}

/// The names under which an object's tenant may be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantNames<'a> {
    /// The name that is declared now.
    pub declared: &'a str,
    /// The name in the intent: a create may have been sent with it.
    pub sent: Option<&'a str>,
}

impl<'a> TenantNames<'a> {
    /// Returns each name once.
    pub fn distinct_names(&self) -> Vec<&'a str> {
        let sent = self.sent.filter(|sent| *sent != self.declared);
        std::iter::once(self.declared).chain(sent).collect()
    }

    /// Returns whether the name is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.declared == name || self.sent == Some(name)
    }
}

/// Identifies the object's tenant among existing tenants that share the mark's place or one of the names.
pub fn identify_tenant(mark: &Mark, names: TenantNames<'_>, candidates: &[TenantCandidate]) -> TenantMatch {
    let ids = |chosen: Vec<&TenantCandidate>| chosen.into_iter().map(|candidate| candidate.unique_id.clone()).collect();
    let has_name = |candidate: &&TenantCandidate| names.contains(&candidate.name);
    let ours: Vec<&TenantCandidate> =
        candidates.iter().filter(|candidate| candidate.mark.is_same_object(mark)).collect();
    match ours[..] {
        [] => {}
        [one] => return TenantMatch::Owned(one.unique_id.clone()),
        [..] => return TenantMatch::Ambiguous(ids(ours)),
    }
    let place: Vec<&TenantCandidate> =
        candidates.iter().filter(|candidate| candidate.mark.is_same_place(mark)).collect();
    match place[..] {
        [] => {}
        [one] if has_name(&one) => return TenantMatch::Reattach(one.unique_id.clone()),
        [..] => return TenantMatch::Ambiguous(ids(place)),
    }
    let is_declared = |candidate: &&TenantCandidate| candidate.name == names.declared;
    // Every create of this object sends its mark if the platform can store one. A tenant with the sent name and without
    // the mark therefore belongs to somebody else, and does not block another name.
    let may_be_ours = |candidate: &&TenantCandidate| match candidate.mark {
        ObservedMark::Unreadable => has_name(candidate),
        ObservedMark::Occupied => has_name(candidate) && !is_declared(candidate),
        ObservedMark::Full(_) | ObservedMark::Short(_) | ObservedMark::None => false,
    };
    let doubtful: Vec<&TenantCandidate> = candidates.iter().filter(may_be_ours).collect();
    if !doubtful.is_empty() {
        return TenantMatch::Ambiguous(ids(doubtful));
    }
    let taken: Vec<&TenantCandidate> = candidates.iter().filter(is_declared).collect();
    if taken.is_empty() { TenantMatch::NotFound } else { TenantMatch::NameTaken(ids(taken)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(uid: &str) -> Mark {
        Mark {
            cluster: "c1".into(),
            kind: "Client".into(),
            namespace: "ns".into(),
            name: "globex".into(),
            uid: uid.into(),
        }
    }

    fn declared_name(declared: &str) -> TenantNames<'_> {
        TenantNames { declared, sent: None }
    }

    fn candidate(id: &str, name: &str, mark: ObservedMark) -> TenantCandidate {
        TenantCandidate { unique_id: id.into(), name: name.into(), mark }
    }

    #[test]
    fn this_object_s_own_tenant_is_found_under_any_name_and_in_both_forms_of_the_mark() {
        for seen in [ObservedMark::Full(mark("u1")), ObservedMark::Short(short_mark(&mark("u1")))] {
            let found =
                identify_tenant(&mark("u1"), declared_name("Globex"), &[candidate("client_2", "Renamed", seen)]);
            assert_eq!(found, TenantMatch::Owned("client_2".into()));
        }
    }

    #[test]
    fn the_same_place_and_name_under_another_uid_re_attaches() {
        for seen in [ObservedMark::Full(mark("u0")), ObservedMark::Short(short_mark(&mark("u0")))] {
            let found =
                identify_tenant(&mark("u1"), declared_name("Globex"), &[candidate("client_2", "Globex", seen.clone())]);
            assert_eq!(found, TenantMatch::Reattach("client_2".into()));
            let found = identify_tenant(&mark("u1"), declared_name("Globex"), &[candidate("client_2", "Other", seen)]);
            assert_eq!(found, TenantMatch::Ambiguous(vec!["client_2".into()]));
        }
    }

    #[test]
    fn a_name_of_somebody_else_is_taken_and_one_whose_mark_cannot_be_read_is_ambiguous() {
        let foreign = Mark { cluster: "c2".into(), ..mark("u9") };
        for seen in [ObservedMark::None, ObservedMark::Occupied, ObservedMark::Full(foreign)] {
            let found = identify_tenant(&mark("u1"), declared_name("Globex"), &[candidate("client_2", "Globex", seen)]);
            assert_eq!(found, TenantMatch::NameTaken(vec!["client_2".into()]));
        }
        let found = identify_tenant(
            &mark("u1"),
            declared_name("Globex"),
            &[candidate("client_2", "Globex", ObservedMark::Unreadable)],
        );
        assert_eq!(found, TenantMatch::Ambiguous(vec!["client_2".into()]));
        assert_eq!(identify_tenant(&mark("u1"), declared_name("Globex"), &[]), TenantMatch::NotFound);
    }

    #[test]
    fn a_stranger_under_the_name_that_was_sent_is_no_hindrance_to_another_name_unless_no_mark_can_tell() {
        let foreign = Mark { cluster: "c2".into(), ..mark("u9") };
        let names = TenantNames { declared: "Globex Two", sent: Some("Globex") };
        for (seen, wanted) in [
            (ObservedMark::None, TenantMatch::NotFound),
            (ObservedMark::Full(foreign), TenantMatch::NotFound),
            (ObservedMark::Occupied, TenantMatch::Ambiguous(vec!["client_2".into()])),
            (ObservedMark::Unreadable, TenantMatch::Ambiguous(vec!["client_2".into()])),
            (ObservedMark::Full(mark("u1")), TenantMatch::Owned("client_2".into())),
            (ObservedMark::Full(mark("u0")), TenantMatch::Reattach("client_2".into())),
        ] {
            assert_eq!(identify_tenant(&mark("u1"), names, &[candidate("client_2", "Globex", seen)]), wanted);
        }
    }

    #[test]
    fn the_short_mark_fits_64_characters_and_a_customers_number_is_no_mark() {
        let short = short_mark(&mark("0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"));
        assert_eq!(short.len(), 64);
        assert_eq!(ObservedMark::from_external_id(Some(&short)), ObservedMark::Short(short.clone()));
        assert_eq!(ObservedMark::from_external_id(Some("CRM-1007")), ObservedMark::Occupied);
        assert_eq!(ObservedMark::from_external_id(Some("")), ObservedMark::None);
    }
}
