//! What the real `identify` says about the tenants of the world, and the real `removal` about an object that leaves.

use std::cell::RefCell;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Object, Platform, Tenant};
use crate::api::{DeletionPolicy, Reason, TerminationStatus};
use crate::plan::{
    self, Candidate, Children, Going, Identity, Kind, Limits, MarkSeen, Names, Observed, Removal, RemovalIntent, Rules,
    Surroundings, TenantLife, Walk, identify, removal, short_mark,
};
use crate::wire::Mark;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Found {
    Free,
    Ours(u8),
    Reattach(u8),
    Ambiguous,
    Taken,
}

/// What is to be done with an object that leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Leaving {
    Release,
    Identify,
    Hold,
}

type Asked = (u8, Vec<u8>, Vec<(u8, u8)>);

/// Asks the real functions, each question once.
#[derive(Default)]
pub(super) struct Judge(RefCell<BTreeMap<Asked, Found>>);

fn mark(uid: u8) -> Mark {
    format!("c1/Client/ns/globex/u{uid}").parse().unwrap()
}

fn name(name: u8) -> String {
    format!("name {name}")
}

impl Judge {
    /// The look of an object: by its name, by the name that was sent, and by mark where lists show marks.
    pub(super) fn look(&self, object: &Object, (names, platform): (&[u8], Platform), tenants: &[Tenant]) -> Found {
        let asked = (object.uid, names.to_vec(), tenants.iter().map(|tenant| (tenant.uid, tenant.name)).collect());
        *self.0.borrow_mut().entry(asked).or_insert_with(|| {
            let is_candidate = |tenant: &Tenant| platform == Platform::Whole || names.contains(&tenant.name);
            let candidates: Vec<Candidate> = (0_u8..)
                .zip(tenants)
                .filter(|(_, tenant)| is_candidate(tenant))
                .map(|(id, tenant)| Candidate {
                    unique_id: id.to_string(),
                    name: name(tenant.name),
                    mark: match platform {
                        Platform::Whole => MarkSeen::Whole(mark(tenant.uid)),
                        Platform::Documented => MarkSeen::Short(short_mark(&mark(tenant.uid))),
                    },
                })
                .collect();
            let names: Vec<String> = names.iter().copied().map(name).collect();
            let mut names = names.iter().map(String::as_str);
            // The name declared now comes first.
            let names = Names { declared: names.next().unwrap_or_default(), sent: names.next() };
            match identify(&mark(object.uid), names, &candidates) {
                Identity::Free => Found::Free,
                Identity::Ours(id) => Found::Ours(id.parse().unwrap()),
                Identity::Reattach(id) => Found::Reattach(id.parse().unwrap()),
                Identity::Ambiguous(_) => Found::Ambiguous,
                Identity::NameTaken(_) => Found::Taken,
            }
        })
    }
}

/// What follows for an object that leaves and whose tenant was never recorded.
pub(super) fn leaving(found: Found, is_under_way: bool) -> Leaving {
    let tenant = match found {
        Found::Ours(id) => plan::Tenant::Found(Box::new(observed(id))),
        Found::Free | Found::Reattach(_) if is_under_way => {
            plan::Tenant::Unreachable(Reason::InProgress, "an earlier create may still be on its way".to_owned())
        }
        Found::Free | Found::Reattach(_) | Found::Taken => plan::Tenant::None,
        Found::Ambiguous => plan::Tenant::Ambiguous(String::new()),
    };
    let surroundings = Surroundings {
        tenant,
        children: Children { live: Some(Vec::new()), ..Children::default() },
        ..Surroundings::new(Going::No)
    };
    let intent = RemovalIntent {
        kind: Kind::Client,
        object: "ns/globex",
        policy: DeletionPolicy::Terminate,
        grace_seconds: None,
        confirm: None,
        uid: "u",
        abandon: None,
        unique_id: None,
        mark: &mark(0),
        record: &TerminationStatus::default(),
        has_adoption_id: false,
        is_paused: false,
        rules: Rules { request_timeout: super::TICK, limits: Limits { partners: 1, clients: 1 } },
        walk: Walk { begun: Timestamp::UNIX_EPOCH, has_recorded: false },
    };
    match removal(&intent, &surroundings, Timestamp::UNIX_EPOCH) {
        Removal::Release(_) => Leaving::Release,
        Removal::Identify(_) => Leaving::Identify,
        Removal::Hold(_) => Leaving::Hold,
        other => panic!("{other:?}"),
    }
}

fn observed(id: u8) -> Observed {
    Observed {
        unique_id: id.to_string(),
        served: BTreeMap::new(),
        account_id: None,
        name: String::new(),
        life: TenantLife::Active,
        mark: MarkSeen::None,
        seen: BTreeMap::new(),
        created: None,
        updated: None,
        revision: None,
        url: None,
        api_endpoint: None,
        unknown: crate::plan::Unknown::default(),
    }
}
