//! One object on one screen.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::list::status_written;
use super::next::{next, tone, words};
use crate::api::{
    ClientCounts, ConnectionStatus, Drift, EffectiveSetting, ManagementMode, PlanStatus, Reason, TenantPhase,
    TerminationStatus, Unavailable,
};
use crate::cli::colour::{Tone, painted};
use crate::cli::ground::named;
use crate::cli::output::plain;
use crate::object::{Object, Parent, deletion_policy, drift_policy, is_deleting, mode, pause};
use crate::plan::Pause;

/// A condition, with what it means.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Told {
    r#type: String,
    status: String,
    reason: String,
    meaning: &'static str,
    message: String,
    #[serde(skip)]
    tone: Tone,
}

/// A line of the screen.
struct Line {
    text: String,
    tone: Tone,
}

fn toned(lines: Vec<String>, tone: Tone) -> Vec<Line> {
    lines.into_iter().map(|text| Line { text, tone }).collect()
}

/// Everything that is shown of an object.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Screen {
    object: String,
    tenant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<TenantPhase>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<ConnectionStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_written: Option<Timestamp>,
    management: String,
    on_delete: &'static str,
    conditions: Vec<Told>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<PlanStatus>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    drift: Vec<Drift>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    settings: Vec<EffectiveSetting>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unsupported: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    image_advice: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unavailable: Option<Unavailable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clients: Option<ClientCounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    termination: Option<TerminationStatus>,
    /// Whether the object is being deleted.
    #[serde(skip)]
    is_deleting: bool,
    next: Vec<String>,
}

/// How many clients there are. The operator counts them from time to time, so this is not about this moment.
fn counted(ClientCounts { declared, live, unmanaged }: &ClientCounts) -> String {
    let undeclared = match (live, unmanaged) {
        (0, _) => String::new(),
        (_, 0) => ", all of them declared".to_owned(),
        (_, some) => format!(", {some} of them without an object"),
    };
    format!("{declared} declared by objects; {live} on the platform at the operator's last count{undeclared}")
}

impl Screen {
    pub(super) fn of<K: Object>(object: &K) -> Self {
        let status = object.status().cloned().unwrap_or_default();
        let told = status.conditions.iter().map(|condition| Told {
            r#type: condition.type_.clone(),
            status: condition.status.clone(),
            reason: condition.reason.clone(),
            meaning: words(condition),
            tone: tone(object, condition),
            message: condition.message.clone(),
        });
        let partner = match object.parent() {
            Parent::Provider => None,
            Parent::Object(namespace, name) => Some(format!("Partner `{namespace}/{name}`")),
            Parent::Id(id) => Some(format!("partner `{id}`, which no object stands for")),
        };
        let management = match mode(object) {
            ManagementMode::Manage => format!("Manage, drift: {:?}", drift_policy(object)),
            other @ (ManagementMode::Observe | ManagementMode::Paused) => format!("{other:?}"),
        };
        let end = pause(object, crate::clock::now()).and_then(Pause::end);
        let management = end.map_or_else(|| management.clone(), |end| format!("{management}, paused until {end}"));
        Self {
            object: named(object),
            is_deleting: is_deleting(object),
            tenant: object.declared_name().to_owned(),
            conditions: told.collect(),
            partner,
            status_written: status_written(object.meta()),
            management,
            on_delete: deletion_policy(object).name(),
            next: next(object),
            unique_id: status.unique_id,
            account_id: status.account_id,
            phase: status.phase,
            created_time: status.created_time,
            url: status.url,
            api_endpoint: status.api_endpoint,
            connection: status.connection,
            plan: status.plan,
            drift: status.drift,
            settings: status.effective,
            unsupported: status.unsupported,
            image_advice: status.image_advice,
            unavailable: status.unavailable,
            clients: status.clients,
            termination: status.termination,
        }
    }

    /// For people. What others have written comes without the characters that command a terminal.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n", self.object);
        let mut section = |title: &str, lines: Vec<Line>| {
            if !lines.is_empty() {
                let _ = writeln!(text, "\n{title}");
                for Line { text: line, tone } in &lines {
                    let _ = writeln!(text, "  {}", painted(&plain(line), *tone));
                }
            }
        };
        section("Tenant", toned(self.about(), Tone::Plain));
        section("Conditions", self.told());
        if let Some(plan) = &self.plan {
            section(&format!("Plan {}", plain(&plan.hash)), toned(plan.steps.clone(), Tone::Plain));
        }
        let drift = |one: &Drift| {
            let Drift { path, desired, observed, since } = one;
            format!("{path}: declared {desired}, on the platform {observed}, since {since}")
        };
        section("Differs", toned(self.drift.iter().map(drift).collect(), Tone::Busy));
        section("Settings", toned(self.settings(), Tone::Plain));
        section("Not held by this platform", toned(self.unsupported.clone(), Tone::Busy));
        section("Images", toned(self.image_advice.clone(), Tone::Plain));
        section("Left out by its packages", toned(self.left_out(), Tone::Plain));
        section("Clients", toned(self.clients.as_ref().map(counted).into_iter().collect(), Tone::Plain));
        section("Termination", toned(self.ending(), Tone::Busy));
        section("Next", toned(self.next.iter().map(|one| format!("- {one}")).collect(), Tone::Plain));
        text
    }

    fn about(&self) -> Vec<String> {
        let Self { tenant, unique_id, account_id, phase, created_time, status_written, .. } = self;
        let account = account_id.as_ref().map(|id| format!(" (account {id})")).unwrap_or_default();
        let id = unique_id.as_ref().map_or_else(|| "none yet".to_owned(), |id| format!("{id}{account}"));
        let state = phase.map_or_else(|| "not known yet".to_owned(), |phase| format!("{phase:?}"));
        let created = created_time.as_ref().map(|time| format!(", created {time}")).unwrap_or_default();
        let platform =
            self.connection.as_ref().map(|connection| format!("{} as {}", connection.host, connection.tenant_id));
        let rows = [
            ("name", Some(tenant.clone())),
            ("id", Some(id)),
            ("state", Some(format!("{state}{created}"))),
            ("partner", self.partner.clone()),
            ("console", self.url.clone()),
            ("API", self.api_endpoint.clone()),
            ("platform", platform),
            ("written", status_written.map(|time| format!("{time}, when something last changed"))),
            ("management", Some(self.management.clone())),
            ("on delete", Some(self.on_delete.to_owned())),
        ];
        let row = |(name, value): (&str, Option<String>)| value.map(|value| format!("{name:<11} {value}"));
        rows.into_iter().filter_map(row).collect()
    }

    fn told(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut said = BTreeSet::new();
        for Told { r#type: kind, status, reason, meaning, message, tone } in &self.conditions {
            lines.push(Line { text: format!("{kind:<19} {meaning} ({reason})"), tone: *tone });
            let is_routine = status == "True" && reason == Reason::AsDeclared.name();
            // One cause makes the message of several conditions.
            if !message.is_empty() && !is_routine && said.insert(message) {
                lines.push(Line { text: format!("{:<19} {message}", ""), tone: Tone::Plain });
            }
        }
        lines
    }

    fn settings(&self) -> Vec<String> {
        let width = self.settings.iter().map(|setting| setting.path.len()).max().unwrap_or_default();
        let source = |source: &str| match source {
            "Spec" => "its own spec".to_owned(),
            "PartnerDefault" => "the Partner's defaults".to_owned(),
            "Platform" => "the platform".to_owned(),
            other => other.to_owned(),
        };
        let line = |setting: &EffectiveSetting| {
            let EffectiveSetting { path, value, source: from } = setting;
            format!("{path:<width$}  {value}, from {}", source(from))
        };
        self.settings.iter().map(line).collect()
    }

    fn left_out(&self) -> Vec<String> {
        let Some(Unavailable { menus, permission_sets }) = &self.unavailable else { return Vec::new() };
        let row =
            |name: &str, entries: &[String]| (!entries.is_empty()).then(|| format!("{name}: {}", entries.join(", ")));
        [row("menus", menus), row("permission sets", permission_sets)].into_iter().flatten().collect()
    }

    fn ending(&self) -> Vec<String> {
        let Some(record) = &self.termination else { return Vec::new() };
        let TerminationStatus {
            step,
            confirmed_at,
            confirm_digest: _,
            suspended_by_us: _,
            suspending_at,
            purge_after,
            evidence,
            terminating_at: _,
            called_at,
            accepted_at,
            cancelled_at,
            impact,
            how_to_confirm,
        } = record;
        let counts: Vec<String> =
            impact.iter().filter(|(_, count)| **count > 0).map(|(what, count)| format!("{what} {count}")).collect();
        let counts =
            if counts.is_empty() { "nothing is stored under the tenant".to_owned() } else { counts.join(", ") };
        let rows = [
            ("step", step.map(|step| format!("{step:?}"))),
            ("consent accepted", confirmed_at.clone()),
            ("suspended once more", suspending_at.clone()),
            ("erased for ever after", purge_after.clone()),
            ("erases", (!impact.is_empty()).then_some(counts)),
            ("evidence", evidence.as_ref().map(|name| format!("ConfigMap `{name}`"))),
            ("call sent", called_at.clone()),
            ("call taken", accepted_at.clone()),
            ("cancelled", cancelled_at.clone()),
        ];
        let row = |(name, value): (&str, Option<String>)| value.map(|value| format!("{name:<21} {value}"));
        let mut lines: Vec<String> = rows.into_iter().filter_map(row).collect();
        if step.is_none() && how_to_confirm.is_some() {
            let when = if self.is_deleting { "" } else { ", once the object is deleted" };
            lines.push(format!("waits for consent{when}"));
        }
        lines
    }
}
