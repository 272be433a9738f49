//! One object on one screen.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;
use tenantry_api::{
    ClientCounts, ConnectionStatus, DriftStatus, EffectiveSetting, ManagementMode, PlanStatus, Reason, TenantPhase,
    TerminationStatus, UnavailableStatus,
};
use tenantry_core::Pause;
use tenantry_core::object::{
    ParentRef, TenantResource, active_pause, deletion_policy, drift_policy, is_deleting, management_mode,
};

use super::advice::{condition_meaning, condition_tone, next_steps};
use super::list::status_written;
use crate::colour::{Tone, paint_text};
use crate::inventory::object_label;
use crate::output::strip_control_chars;

/// A condition and its explanation.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct ConditionSummary {
    r#type: String,
    status: String,
    reason: String,
    meaning: &'static str,
    message: String,
    #[serde(skip)]
    tone: Tone,
}

/// A line of the screen.
struct ScreenLine {
    text: String,
    tone: Tone,
}

fn lines_with_tone(lines: Vec<String>, tone: Tone) -> Vec<ScreenLine> {
    lines.into_iter().map(|text| ScreenLine { text, tone }).collect()
}

/// All that is shown of an object.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusScreen {
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
    conditions: Vec<ConditionSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<PlanStatus>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    drift: Vec<DriftStatus>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    settings: Vec<EffectiveSetting>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unsupported: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    image_advice: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unavailable: Option<UnavailableStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clients: Option<ClientCounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    termination: Option<TerminationStatus>,
    /// Whether the object is being deleted.
    #[serde(skip)]
    is_deleting: bool,
    next: Vec<String>,
}

/// Describes the number of clients. The operator counts them periodically, so the numbers may be outdated.
fn client_counts_line(ClientCounts { declared, live, unmanaged }: &ClientCounts) -> String {
    let undeclared = match (live, unmanaged) {
        (0, _) => String::new(),
        (_, 0) => ", all of them declared".to_owned(),
        (_, some) => format!(", {some} of them without an object"),
    };
    format!("{declared} declared by objects; {live} on the platform at the operator's last count{undeclared}")
}

impl StatusScreen {
    pub(super) fn from_object<K: TenantResource>(object: &K) -> Self {
        let status = object.status().cloned().unwrap_or_default();
        let summaries = status.conditions.iter().map(|condition| ConditionSummary {
            r#type: condition.type_.clone(),
            status: condition.status.clone(),
            reason: condition.reason.clone(),
            meaning: condition_meaning(condition),
            tone: condition_tone(object, condition),
            message: condition.message.clone(),
        });
        let partner = match object.parent() {
            ParentRef::Provider => None,
            ParentRef::Object(namespace, name) => Some(format!("Partner `{namespace}/{name}`")),
            ParentRef::Id(id) => Some(format!("partner `{id}`, which no object stands for")),
        };
        let management = match management_mode(object) {
            ManagementMode::Manage => format!("Manage, drift: {:?}", drift_policy(object)),
            other @ (ManagementMode::Observe | ManagementMode::Paused) => format!("{other:?}"),
        };
        let end = active_pause(object, tenantry_runtime::clock::now()).and_then(Pause::ends_at);
        let management = end.map_or_else(|| management.clone(), |end| format!("{management}, paused until {end}"));
        Self {
            object: object_label(object),
            is_deleting: is_deleting(object),
            tenant: object.declared_name().to_owned(),
            conditions: summaries.collect(),
            partner,
            status_written: status_written(object.meta()),
            management,
            on_delete: deletion_policy(object).name(),
            next: next_steps(object),
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

    /// Renders the screen for people. Control characters are removed from foreign text.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n", self.object);
        let mut section = |title: &str, lines: Vec<ScreenLine>| {
            if !lines.is_empty() {
                let _ = writeln!(text, "\n{title}");
                for ScreenLine { text: line, tone } in &lines {
                    let _ = writeln!(text, "  {}", paint_text(&strip_control_chars(line), *tone));
                }
            }
        };
        section("Tenant", lines_with_tone(self.tenant_lines(), Tone::Plain));
        section("Conditions", self.condition_lines());
        if let Some(plan) = &self.plan {
            section(
                &format!("Plan {}", strip_control_chars(&plan.hash)),
                lines_with_tone(plan.steps.clone(), Tone::Plain),
            );
        }
        let drift = |one: &DriftStatus| {
            let DriftStatus { path, desired, observed, since } = one;
            format!("{path}: declared {desired}, on the platform {observed}, since {since}")
        };
        section("Differs", lines_with_tone(self.drift.iter().map(drift).collect(), Tone::Pending));
        section("Settings", lines_with_tone(self.setting_lines(), Tone::Plain));
        section("Not held by this platform", lines_with_tone(self.unsupported.clone(), Tone::Pending));
        section("Images", lines_with_tone(self.image_advice.clone(), Tone::Plain));
        section("Left out by its packages", lines_with_tone(self.unavailable_lines(), Tone::Plain));
        section(
            "Clients",
            lines_with_tone(self.clients.as_ref().map(client_counts_line).into_iter().collect(), Tone::Plain),
        );
        section("Termination", lines_with_tone(self.termination_lines(), Tone::Pending));
        section("Next", lines_with_tone(self.next.iter().map(|one| format!("- {one}")).collect(), Tone::Plain));
        text
    }

    fn tenant_lines(&self) -> Vec<String> {
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

    fn condition_lines(&self) -> Vec<ScreenLine> {
        let mut lines = Vec::new();
        let mut said = BTreeSet::new();
        for ConditionSummary { r#type: kind, status, reason, meaning, message, tone } in &self.conditions {
            lines.push(ScreenLine { text: format!("{kind:<19} {meaning} ({reason})"), tone: *tone });
            let is_routine = status == "True" && reason == Reason::AsDeclared.name();
            // Several conditions with one cause share a message, which is printed once.
            if !message.is_empty() && !is_routine && said.insert(message) {
                lines.push(ScreenLine { text: format!("{:<19} {message}", ""), tone: Tone::Plain });
            }
        }
        lines
    }

    fn setting_lines(&self) -> Vec<String> {
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

    fn unavailable_lines(&self) -> Vec<String> {
        let Some(UnavailableStatus { menus, permission_sets }) = &self.unavailable else { return Vec::new() };
        let row =
            |name: &str, entries: &[String]| (!entries.is_empty()).then(|| format!("{name}: {}", entries.join(", ")));
        [row("menus", menus), row("permission sets", permission_sets)].into_iter().flatten().collect()
    }

    fn termination_lines(&self) -> Vec<String> {
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
