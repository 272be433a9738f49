//! Goes through all objects: Partners first, since what a Client gets comes from its Partner.

use std::collections::BTreeMap;

use futures::StreamExt as _;

use super::judge::{Judged, Site, judge, unborn};
use super::offline::recognise;
use super::prepare::{self, Preparation, Prepared};
use super::refusals::Definitions;
use super::row::{Action, Row};
use crate::api::TenantPhase;
use crate::cli::connection::Given;
use crate::cli::failure::Failure;
use crate::cli::ground::{Ground, Subject};
use crate::cli::manifest::Key;
use crate::cli::output::Progress;
use crate::cli::reach::breaks_connection;
use crate::cli::references::{Lack, References};
use crate::cli::tenants::{self, Rows};
use crate::connect::{Error, Place, Platform};
use crate::object::{Object, Parent, effective, keep_what_clients_use, outcome, stands_in, unique_id};
use crate::plan::{Desired, Digest, Outcome, TenantLife};

/// Objects that are judged at the same time.
const AT_ONCE: usize = 8;
/// So many tenants of one place are read one by one rather than listed: a page costs ten times a read.
const FEW: usize = 2;

/// How to go about it.
pub(super) struct Options {
    /// Id of the cluster, where it was said.
    pub(super) cluster_id: Option<String>,
    /// Whether no list proves anything.
    pub(super) read_all: bool,
}

/// Everything that is known while it goes on.
struct Survey {
    ground: Ground,
    definitions: Definitions,
    /// What happens to each Partner.
    actions: BTreeMap<Key, Action>,
    references: References,
    options: Options,
    cluster_id: String,
    lists: BTreeMap<(String, Place), Option<Rows>>,
    /// Why a platform could not be asked, by the fingerprint of its connection: it is asked no more.
    broken: BTreeMap<Digest, Outcome>,
    /// Partners that could not be looked at, and why.
    unknown: BTreeMap<Key, (Option<&'static str>, String)>,
}

/// The rows of all objects that were asked about, in the order of their names.
pub(super) async fn survey(ground: Ground, given: Given, options: &Options) -> Result<Vec<Row>, Vec<Failure>> {
    let cluster_id = cluster_id(&ground, options).await?;
    let references = References::new(&ground, given);
    let options = Options { cluster_id: options.cluster_id.clone(), read_all: options.read_all };
    let mut survey = Survey {
        ground,
        definitions: Definitions::new(),
        actions: BTreeMap::new(),
        references,
        options,
        cluster_id,
        lists: BTreeMap::new(),
        broken: BTreeMap::new(),
        unknown: BTreeMap::new(),
    };
    let mut partners = survey.prepare_partners().await;
    let mut clients = survey.prepare_clients().await;
    let mut progress = Progress::begin("tenants looked at");
    let all = partners.len() + clients.len();
    let mut rows = survey.judge_partners(&mut partners, &clients, (&mut progress, all)).await?;
    rows.extend(survey.judge_clients(&mut clients, (&mut progress, all)).await?);
    rows.sort_by(|one, other| (&one.namespace, other.kind, &one.name).cmp(&(&other.namespace, one.kind, &other.name)));
    Ok(rows)
}

/// The id that the operator puts into its marks; empty where it is not known.
async fn cluster_id(ground: &Ground, options: &Options) -> Result<String, Failure> {
    if let Some(id) = &options.cluster_id {
        return Ok(id.clone());
    }
    let Some(cluster) = &ground.cluster else { return Ok(String::new()) };
    cluster.id().await?.ok_or_else(|| {
        Failure::new("the id of the cluster cannot be read (the UID of namespace `kube-system`): say `--cluster-id`, as the operator was told")
    })
}

type Prepareds = BTreeMap<Key, Preparation>;

impl Survey {
    async fn prepare_partners(&mut self) -> Prepareds {
        let mut prepareds = Prepareds::new();
        for key in asked(&self.ground.partners) {
            let Some(mut subject) = self.ground.partners.remove(&key) else { continue };
            let preparation =
                prepare::partner(&mut subject, (&self.ground, &mut self.references), &self.cluster_id).await;
            self.ground.partners.insert(key.clone(), subject);
            prepareds.insert(key, preparation);
        }
        prepareds
    }

    async fn prepare_clients(&mut self) -> Prepareds {
        let mut prepareds = Prepareds::new();
        for key in asked(&self.ground.clients) {
            let Some(subject) = self.ground.clients.remove(&key) else { continue };
            let preparation = prepare::client(&subject, (&self.ground, &mut self.references), &self.cluster_id).await;
            self.ground.clients.insert(key.clone(), subject);
            prepareds.insert(key, preparation);
        }
        prepareds
    }

    async fn judge_partners(
        &mut self,
        prepareds: &mut Prepareds,
        clients: &Prepareds,
        (progress, all): (&mut Progress, usize),
    ) -> Result<Vec<Row>, Failure> {
        let places = prepareds.values().filter_map(|prepared| prepared.as_ref().ok()).map(|prepared| {
            (prepared.platform.clone(), Place::Partners { sp: prepared.platform.tenant_id().to_owned() })
        });
        let places: Vec<_> = places.collect();
        self.list(&places).await;
        self.recognise_partners(prepareds)?;
        let mut judged = Vec::new();
        for (key, prepared) in &*prepareds {
            let Some(subject) = self.ground.partners.get(key) else { continue };
            let keeps = prepared.as_ref().map_or(Ok(()), |prepared| self.keeps(key, &prepared.desired, clients));
            judged.push(self.judge_one(subject, prepared, keeps));
        }
        let judged = run(judged, (progress, all)).await;
        let mut rows = Vec::new();
        for (key, judged) in prepareds.keys().zip(judged) {
            let Judged { mut row, observed } = judged;
            if let Some(subject) = self.ground.partners.get(key) {
                row = self.definitions.judge(subject, row);
            }
            if let Some(subject) = self.ground.partners.get_mut(key)
                && let Some(observed) = observed
            {
                let is_stopped = observed.life != TenantLife::Active
                    && row.action != Action::Activate
                    && !row.requests.iter().any(|request| request.step == "activate");
                let status = subject.object.status_mut().get_or_insert_default();
                status.unique_id = Some(observed.unique_id);
                status.phase = Some(if is_stopped { TenantPhase::Suspended } else { TenantPhase::Active });
            }
            self.actions.insert(key.clone(), row.action);
            if row.action == Action::Unknown {
                self.unknown.insert(key.clone(), (row.reason, row.message.clone().unwrap_or_default()));
            }
            rows.push(row);
        }
        Ok(rows)
    }

    /// What the Clients of a Partner still use, each as it will be where it is looked at as well.
    fn keeps(&self, key: &Key, desired: &Desired, clients: &Prepareds) -> Result<(), Outcome> {
        let wanted = Parent::Object(key.0.clone(), key.1.clone());
        let of = self.ground.clients.iter().filter(|(_, subject)| subject.object.parent() == wanted);
        let planned = of.map(|(key, subject)| {
            let mut client = subject.object.clone();
            if let Some(Ok(prepared)) = clients.get(key)
                && let Some(status) = client.status_mut()
            {
                status.effective = effective(&prepared.desired);
            }
            std::sync::Arc::new(client)
        });
        keep_what_clients_use(desired, &planned.collect::<Vec<_>>())
    }

    async fn judge_clients(
        &mut self,
        prepareds: &mut Prepareds,
        (progress, all): (&mut Progress, usize),
    ) -> Result<Vec<Row>, Failure> {
        let mut places = Vec::new();
        for (key, prepared) in &*prepareds {
            if let (Ok(prepared), Some(subject)) = (prepared, self.ground.clients.get(key))
                && let Ok(place) = self.place(&subject.object, prepared)
            {
                places.push((prepared.platform.clone(), place));
            }
        }
        self.list(&places).await;
        self.recognise_clients(prepareds)?;
        let mut judged = Vec::new();
        for (key, prepared) in &*prepareds {
            let Some(subject) = self.ground.clients.get(key) else { continue };
            judged.push(self.judge_one(subject, prepared, Ok(())));
        }
        let judged = run(judged, (progress, all)).await;
        let subjects = prepareds.keys().filter_map(|key| self.ground.clients.get(key));
        Ok(subjects.zip(judged).map(|(subject, judged)| self.definitions.judge(subject, judged.row)).collect())
    }

    fn place<K: Object>(&self, object: &K, prepared: &Prepared) -> Result<Place, Outcome> {
        stands_in(object, prepared.platform.tenant_id(), self.ground.partner_of(object))
    }

    /// Whether the Partner of an object is about to be made.
    fn has_new_partner<K: Object>(&self, object: &K) -> bool {
        let Parent::Object(namespace, name) = object.parent() else { return false };
        matches!(self.actions.get(&(namespace, name)), Some(Action::Create | Action::Wait))
    }

    /// Why the Partner of an object could not be looked at.
    fn unknown_partner<K: Object>(&self, object: &K) -> Option<&(Option<&'static str>, String)> {
        let Parent::Object(namespace, name) = object.parent() else { return None };
        self.unknown.get(&(namespace, name))
    }

    async fn judge_one<K: Object>(
        &self,
        subject: &Subject<K>,
        prepared: &Preparation,
        keeps: Result<(), Outcome>,
    ) -> Judged {
        let alone = |row| Judged { row, observed: None };
        let stopped = |outcome| alone(Row::of(subject).stopped(outcome));
        let prepared = match prepared {
            Err(Lack::Outcome(outcome)) => return stopped(outcome.clone()),
            Err(Lack::Failure(failure)) => return alone(Row::of(subject).unknown(None, failure.message.clone())),
            Ok(prepared) => prepared,
        };
        if let Some(outcome) = self.broken.get(&prepared.platform.fingerprint()) {
            return stopped(outcome.clone());
        }
        match self.place(&subject.object, prepared) {
            Err(_) if let Some((reason, message)) = self.unknown_partner(&subject.object) => {
                alone(Row::of(subject).unknown(*reason, message.clone()))
            }
            Err(_) if self.has_new_partner(&subject.object) && unique_id(&subject.object).is_none() => {
                Judged { row: unborn(subject, prepared).await, observed: None }
            }
            Err(outcome) => stopped(outcome),
            Ok(place) => {
                let rows = self.lists.get(&(prepared.platform.host(), place.clone())).cloned().flatten();
                let site = Site {
                    platform: &prepared.platform,
                    place,
                    rows,
                    partner: self.ground.partner_of(&subject.object),
                    cluster: self.ground.cluster.as_ref(),
                    ground: &self.ground,
                    is_given: self.references.is_given(),
                    written: &prepared.written,
                    edited: &prepared.edited,
                };
                Box::pin(judge(subject, prepared, (&site, keeps))).await
            }
        }
    }

    /// Lists the places in which more than a few objects stand, on platforms whose lists prove something.
    async fn list(&mut self, places: &[(Platform, Place)]) {
        let mut counts: BTreeMap<(String, &Place), (usize, &Platform)> = BTreeMap::new();
        for (platform, place) in places {
            counts.entry((platform.host(), place)).or_insert((0, platform)).0 += 1;
        }
        let is_needed = self.ground.cluster.is_none();
        for ((host, place), (count, platform)) in counts {
            let is_wanted = is_needed || count > FEW && !self.options.read_all;
            if !is_wanted || self.broken.contains_key(&platform.fingerprint()) {
                continue;
            }
            match rows_of(platform, place).await {
                Ok(rows) => drop(self.lists.insert((host, place.clone()), rows)),
                Err(error) if breaks_connection(place.kind(), &error) => {
                    self.broken.insert(platform.fingerprint(), outcome(place.kind(), &error));
                }
                // The place alone cannot be listed: each object in it is judged by a read of its own.
                Err(_) => drop(self.lists.insert((host, place.clone()), None)),
            }
        }
    }

    fn recognise_partners(&mut self, prepareds: &mut Prepareds) -> Result<(), Failure> {
        if self.ground.cluster.is_some() {
            return Ok(());
        }
        for (key, prepared) in prepareds {
            let (Ok(prepared), Some(subject)) = (prepared, self.ground.partners.get_mut(key)) else { continue };
            let sp = prepared.platform.tenant_id().to_owned();
            let place = Place::Partners { sp };
            if let Some(rows) = self.lists.get(&(prepared.platform.host(), place.clone())).cloned().flatten() {
                recognise(&mut subject.object, &mut prepared.desired, (&rows, &self.cluster_id, place.parent()))?;
            }
        }
        Ok(())
    }

    fn recognise_clients(&mut self, prepareds: &mut Prepareds) -> Result<(), Failure> {
        if self.ground.cluster.is_some() {
            return Ok(());
        }
        for (key, prepared) in prepareds {
            let Ok(prepared) = prepared else { continue };
            let Some(mut subject) = self.ground.clients.remove(key) else { continue };
            let place = self.place(&subject.object, prepared);
            let known = place.ok().and_then(|place| {
                let rows = self.lists.get(&(prepared.platform.host(), place.clone())).cloned().flatten();
                rows.map(|rows| (place, rows))
            });
            let recognised = known.map_or(Ok(()), |(place, rows)| {
                recognise(&mut subject.object, &mut prepared.desired, (&rows, &self.cluster_id, place.parent()))
            });
            self.ground.clients.insert(key.clone(), subject);
            recognised?;
        }
        Ok(())
    }
}

/// The rows of a place, where they prove something.
async fn rows_of(platform: &Platform, place: &Place) -> Result<Option<Rows>, Error> {
    if platform.has_extensions().await? { tenants::rows(platform, place).await.map(Some) } else { Ok(None) }
}

fn asked<K>(subjects: &BTreeMap<Key, Subject<K>>) -> Vec<Key> {
    subjects.iter().filter(|(_, subject)| subject.is_asked).map(|(key, _)| key.clone()).collect()
}

/// Waits for all, some at the same time, and keeps their order.
async fn run(judged: Vec<impl Future<Output = Judged>>, (progress, all): (&mut Progress, usize)) -> Vec<Judged> {
    let mut done = Vec::new();
    let mut judged = futures::stream::iter(judged).buffered(AT_ONCE);
    while let Some(one) = judged.next().await {
        progress.step(all);
        done.push(one);
    }
    done
}
