//! The lists of the product documentation, repeated here: the catalogue holds exactly these.

use crate::support::schema;

use Package::{
    EventAndIncidentManagement as Events, HybridDiscoveryAndMonitoring as Hybrid,
    RemediationAndAutomation as Remediation,
};
use tenantry_catalog::{AddOn, CONTACT_SUPPORT, NOT_SUBSCRIBED, Package};

fn to_sorted<T: Ord>(entries: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut entries: Vec<T> = entries.into_iter().collect();
    entries.sort();
    entries
}

/// shows: seeds/clients/operations, seeds/monitoring/custom-monitors, seeds/monitoring/resource-management
/// shows: seeds/monitoring/monitoring, seeds/monitoring/reports, seeds/monitoring/dashboards, seeds/monitoring/alerting
/// shows: seeds/monitoring/anomaly-detection, seeds/events/escalation, seeds/events/service-maps, seeds/events/automation
/// shows: seeds/events/service-desk, seeds/events/alert-correlation, seeds/events/first-response
/// shows: seeds/events/alert-escalation, seeds/events/opsq, seeds/remediation/workflows, seeds/remediation/remote-ssh
/// shows: seeds/remediation/patch-jobs, seeds/remediation/patch-management, seeds/remediation/run-book-automation
/// shows: seeds/remediation/job-automation, seeds/remediation/process-automation, seeds/remediation/remote-access
#[test]
fn each_package_has_the_modules_of_the_page() {
    assert_eq!(
        Package::ALL.map(Package::wire_name),
        ["Hybrid Discovery and Monitoring", "Event and Incident Management", "Remediation and Automation",]
    );
    let hybrid = [
        "Resource Management",
        "Monitoring",
        "Reports",
        "Dashboards",
        "Alerting & Forwarding",
        "Anomaly Detection and Metric Forecasting",
    ];
    assert_eq!(Hybrid.modules(), hybrid);
    let events = [
        "Service Desk",
        "Alert Correlation",
        "First Response Policies",
        "Alert Escalation",
        "OpsQ Machine Learning Bot",
    ];
    assert_eq!(Events.modules(), events);
    let remediation = [
        "Patch Management",
        "Run Book Automation",
        "Job Automation",
        "Process Automation",
        "Remote Access with Session Replay",
    ];
    assert_eq!(Remediation.modules(), remediation);
}

/// shows: seeds/events-add-ons/os-services, seeds/events-add-ons/sms-voice, seeds/remediation-add-ons/process-automation
/// shows: seeds/remediation-add-ons/remote-access
#[test]
fn an_add_on_that_does_nothing_here_says_so() {
    // Typed by hand: a change of the list is a change of what the product promises.
    let named = ["LogManagement", "TraceManagement", "OSServiceStartStopActions", "SMSAndVoice", "ProcessAutomation"];
    let named: Vec<&str> = named.into_iter().chain(["ApplicationPatchManagement"]).collect();
    let elsewhere: Vec<&str> = AddOn::ALL.into_iter().filter(|add_on| add_on.is_external()).map(AddOn::name).collect();
    assert_eq!(elsewhere, named);
    let mut fields = 0;
    for node in
        schema::schema_nodes().iter().filter(|node| node.path.ends_with("addOns") && node.path.starts_with("spec."))
    {
        fields += 1;
        for add_on in AddOn::ALL.into_iter().filter(|add_on| add_on.name() != "SLAManagement") {
            let says = node.text("description").contains(&format!("`{}`", add_on.name()));
            assert_eq!(says, add_on.is_external(), "{}: {}", node.path, add_on.name());
        }
        assert!(node.text("description").contains("is done elsewhere"), "{}", node.path);
    }
    assert_eq!(fields, 3);
}

/// shows: seeds/packages/adapter-integrations, seeds/packages/extended-data-retention
/// shows: seeds/packages/mask-resource-identity, seeds/packages/offline-alerts, seeds/packages/log-management
/// shows: seeds/packages/trace-management, seeds/monitoring-add-ons/extended-retention
/// shows: seeds/monitoring-add-ons/stream-exports, seeds/monitoring-add-ons/mask, seeds/events-add-ons/problem-area
/// shows: seeds/events-add-ons/knowledge-base
#[test]
fn each_package_has_the_add_ons_of_the_page() {
    let of = |package| {
        to_sorted(AddOn::ALL.into_iter().filter(|add_on| add_on.package() == package).map(AddOn::display_name))
    };
    // The first six are in the list of the package, the last two in the text about what it includes.
    assert_eq!(
        of(Hybrid),
        to_sorted([
            "Adapter Integrations",
            "Batch Exports",
            "Extended Data Retention",
            "Offline Alerts",
            "Stream Exports",
            "Mask Resource Identity Management",
            "Log Management",
            "Trace Management",
        ])
    );
    assert_eq!(
        of(Events),
        to_sorted([
            "Alert Problem Area",
            "Knowledge Base Management",
            "OS Service Start/Stop Actions",
            "Scheduled Task Management",
            "SLA Management",
            "SMS and Voice",
        ])
    );
    // The last one is in the text about what is lost without the package.
    assert_eq!(
        of(Remediation),
        to_sorted(["Process Automation", "Remote Access Management", "Application Patch Management",])
    );
}

/// shows: seeds/without-remediation/patch-add-on, seeds/without-remediation/automation-menu
/// shows: seeds/without-remediation/jobs, seeds/without-remediation/consoles, seeds/without-remediation/patch-approvals
/// shows: seeds/without-remediation/recording-audits, seeds/without-remediation/scripts
/// shows: seeds/without-remediation/commands, seeds/without-events/enrichment-add-on
/// shows: seeds/without-events/scheduled-task-add-on, seeds/without-events/sla-add-on
/// shows: seeds/without-events/sms-voice-add-on, seeds/without-events/alerts-menu, seeds/without-events/opsq
/// shows: seeds/without-events/incident, seeds/without-events/change-request, seeds/without-events/task-request
/// shows: seeds/without-events/service-request, seeds/without-events/problem, seeds/without-events/time-bound-request
#[test]
fn what_is_unavailable_without_a_package_is_as_the_page_says() {
    let nothing = Hybrid.unavailable_without();
    assert!(nothing.menus.is_empty() && nothing.permission_sets.is_empty() && nothing.add_ons.is_empty());
    let remediation = Remediation.unavailable_without();
    assert_eq!(remediation.add_ons, [AddOn::ApplicationPatchManagement]);
    assert_eq!(remediation.menus, ["Workspace > Automation"]);
    let sets = ["Jobs", "Consoles", "Patch Approvals", "Recording Audits", "Scripts", "Commands"];
    assert_eq!(remediation.permission_sets, sets);
    let events = Events.unavailable_without();
    // The page says Event Enrichment, an older name of the same add-on.
    let enrichment = AddOn::from_wire("Event Enrichment").expect("an older name is known");
    let add_ons = [enrichment, AddOn::ScheduledTaskManagement, AddOn::SLAManagement, AddOn::SMSAndVoice];
    assert_eq!(events.add_ons, add_ons);
    assert_eq!(events.menus, ["Setup > Alerts"]);
    let sets =
        ["OpsQ", "Incident", "Change Request", "Task Request", "Service Request", "Problem", "Time-bound request"];
    assert_eq!(events.permission_sets, sets);
}

/// shows: seeds/remediation-add-ons/contact-support, seeds/without-remediation/sentence, seeds/without-events/sentence
#[test]
fn the_sentences_of_the_page_are_kept_word_by_word() {
    assert_eq!(NOT_SUBSCRIBED, "Access Denied! The partner is not subscribed to this product package.");
    assert_eq!(CONTACT_SUPPORT, "Contact Support to change the add-on permission.");
}
