//! The product catalog: packages, their modules and add-ons, and what is missing without a package.
//!
//! Source: the product documentation of partners ("Add-Ons" section). Each add-on has three different names: in YAML,
//! on screen and on the wire. All three are defined only here.

mod categories;
mod countries;
mod suggestions;
mod timezones;

pub use categories::{ADD_ON_RECORD_KINDS, AddOnRecordKind, DataCategory, PackageRequirement, required_add_on};
pub use countries::{COUNTRIES, find_country};
pub use suggestions::{suggest_nearest, unknown_country_message, unknown_timezone_message};
pub use timezones::canonical_timezone;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A product package a tenant subscribes to.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Package {
    /// Discovery and monitoring of IT resources; every tenant has it.
    HybridDiscoveryAndMonitoring,
    /// Event correlation, alert escalation, service desk.
    EventAndIncidentManagement,
    /// Patch jobs, remediation tasks, remote consoles.
    RemediationAndAutomation,
}

impl Package {
    /// Every package, in the order of the documentation.
    pub const ALL: [Self; 3] =
        [Self::HybridDiscoveryAndMonitoring, Self::EventAndIncidentManagement, Self::RemediationAndAutomation];

    /// Returns the name in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HybridDiscoveryAndMonitoring => "HybridDiscoveryAndMonitoring",
            Self::EventAndIncidentManagement => "EventAndIncidentManagement",
            Self::RemediationAndAutomation => "RemediationAndAutomation",
        }
    }

    /// Returns the name on screen, which is also the name on the wire.
    pub const fn wire_name(self) -> &'static str {
        match self {
            Self::HybridDiscoveryAndMonitoring => "Hybrid Discovery and Monitoring",
            Self::EventAndIncidentManagement => "Event and Incident Management",
            Self::RemediationAndAutomation => "Remediation and Automation",
        }
    }

    /// Returns the package of a manifest name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|package| package.name() == name)
    }

    /// Returns the package of a wire name, in any case.
    pub fn from_wire(wire: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|package| package.wire_name().eq_ignore_ascii_case(wire.trim()))
    }

    /// Returns the modules that the package provides.
    pub const fn modules(self) -> &'static [&'static str] {
        match self {
            Self::HybridDiscoveryAndMonitoring => &[
                "Resource Management",
                "Monitoring",
                "Reports",
                "Dashboards",
                "Alerting & Forwarding",
                "Anomaly Detection and Metric Forecasting",
            ],
            Self::EventAndIncidentManagement => &[
                "Service Desk",
                "Alert Correlation",
                "First Response Policies",
                "Alert Escalation",
                "OpsQ Machine Learning Bot",
            ],
            Self::RemediationAndAutomation => &[
                "Patch Management",
                "Run Book Automation",
                "Job Automation",
                "Process Automation",
                "Remote Access with Session Replay",
            ],
        }
    }

    /// Returns what a tenant without the package does not have.
    pub const fn unavailable_without(self) -> UnavailableFeatures {
        match self {
            Self::HybridDiscoveryAndMonitoring => {
                UnavailableFeatures { menus: &[], permission_sets: &[], add_ons: &[] }
            }
            Self::EventAndIncidentManagement => UnavailableFeatures {
                menus: &["Setup > Alerts"],
                permission_sets: &[
                    "OpsQ",
                    "Incident",
                    "Change Request",
                    "Task Request",
                    "Service Request",
                    "Problem",
                    "Time-bound request",
                ],
                add_ons: &[
                    AddOn::AlertProblemArea,
                    AddOn::ScheduledTaskManagement,
                    AddOn::SLAManagement,
                    AddOn::SMSAndVoice,
                ],
            },
            Self::RemediationAndAutomation => UnavailableFeatures {
                menus: &["Workspace > Automation"],
                permission_sets: &["Jobs", "Consoles", "Patch Approvals", "Recording Audits", "Scripts", "Commands"],
                add_ons: &[AddOn::ApplicationPatchManagement],
            },
        }
    }
}

/// What is missing for a tenant that has not subscribed to a package, as the documentation lists it.
#[derive(Clone, Copy, Debug)]
pub struct UnavailableFeatures {
    /// Menu entries that are hidden.
    pub menus: &'static [&'static str],
    /// Permission sets that cannot be granted.
    pub permission_sets: &'static [&'static str],
    /// Add-ons that the documentation names as missing.
    pub add_ons: &'static [AddOn],
}

/// The sentence that the platform shows on the Alerts, Service Desk and Automation screens of a tenant without the
/// package.
pub const NOT_SUBSCRIBED: &str = "Access Denied! The partner is not subscribed to this product package.";

/// The documentation's advice for a refused add-on.
pub const CONTACT_SUPPORT: &str = "Contact Support to change the add-on permission.";

/// An add-on of a package.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddOn {
    /// Adapter category apps for discovery and monitoring of end devices.
    AdapterIntegrations,
    /// Batch exports of ticket, alert, metric, inventory and usage data.
    BatchExports,
    /// Asset data kept for 12 months.
    ExtendedDataRetention,
    /// An alert when a resource goes to an unknown state.
    OfflineAlerts,
    /// Event data streamed to other tools.
    StreamExports,
    /// MAC addresses, IP addresses and host names masked.
    MaskResourceIdentityManagement,
    /// Collection and search of logs; done elsewhere.
    LogManagement,
    /// Collection and search of traces; done elsewhere.
    TraceManagement,
    /// The alert's Problem Area field enriched from subject and description.
    AlertProblemArea,
    /// Product information, procedures and frequent questions.
    KnowledgeBaseManagement,
    /// Start and stop of operating-system services on devices with an agent; done elsewhere.
    OSServiceStartStopActions,
    /// Recurring tasks on a schedule.
    ScheduledTaskManagement,
    /// Response and resolution agreements for tickets.
    SLAManagement,
    /// Notifications through SMS and voice, sent elsewhere; a paid add-on.
    SMSAndVoice,
    /// Definition and execution of process automation tasks; done elsewhere.
    ProcessAutomation,
    /// RDP, SSH and Telnet to managed devices.
    RemoteAccessManagement,
    /// Patching of applications; done elsewhere.
    ApplicationPatchManagement,
}

/// The row of an add-on: package, names and price.
struct AddOnRow {
    package: Package,
    name: &'static str,
    screen: &'static str,
    wire: &'static str,
    /// Names that earlier versions of the platform sent for the same add-on.
    former_names: &'static [&'static str],
    is_paid: bool,
}

impl AddOn {
    /// Every add-on, package by package.
    pub const ALL: [Self; 17] = [
        Self::AdapterIntegrations,
        Self::BatchExports,
        Self::ExtendedDataRetention,
        Self::OfflineAlerts,
        Self::StreamExports,
        Self::MaskResourceIdentityManagement,
        Self::LogManagement,
        Self::TraceManagement,
        Self::AlertProblemArea,
        Self::KnowledgeBaseManagement,
        Self::OSServiceStartStopActions,
        Self::ScheduledTaskManagement,
        Self::SLAManagement,
        Self::SMSAndVoice,
        Self::ProcessAutomation,
        Self::RemoteAccessManagement,
        Self::ApplicationPatchManagement,
    ];

    const fn row(self) -> AddOnRow {
        use Package::{
            EventAndIncidentManagement as Events, HybridDiscoveryAndMonitoring as Hybrid,
            RemediationAndAutomation as Remediation,
        };
        const fn new_row(package: Package, name: &'static str, screen: &'static str) -> AddOnRow {
            AddOnRow { package, name, screen, wire: screen, former_names: &[], is_paid: false }
        }
        match self {
            Self::AdapterIntegrations => new_row(Hybrid, "AdapterIntegrations", "Adapter Integrations"),
            Self::BatchExports => new_row(Hybrid, "BatchExports", "Batch Exports"),
            Self::ExtendedDataRetention => new_row(Hybrid, "ExtendedDataRetention", "Extended Data Retention"),
            Self::OfflineAlerts => new_row(Hybrid, "OfflineAlerts", "Offline Alerts"),
            Self::StreamExports => new_row(Hybrid, "StreamExports", "Stream Exports"),
            Self::MaskResourceIdentityManagement => {
                new_row(Hybrid, "MaskResourceIdentityManagement", "Mask Resource Identity Management")
            }
            Self::LogManagement => new_row(Hybrid, "LogManagement", "Log Management"),
            Self::TraceManagement => new_row(Hybrid, "TraceManagement", "Trace Management"),
            Self::AlertProblemArea => AddOnRow {
                former_names: &["Event Enrichment", "Alert Enrichment"],
                ..new_row(Events, "AlertProblemArea", "Alert Problem Area")
            },
            Self::KnowledgeBaseManagement => AddOnRow {
                wire: "Knowledgebase Management",
                ..new_row(Events, "KnowledgeBaseManagement", "Knowledge Base Management")
            },
            Self::OSServiceStartStopActions => {
                new_row(Events, "OSServiceStartStopActions", "OS Service Start/Stop Actions")
            }
            Self::ScheduledTaskManagement => new_row(Events, "ScheduledTaskManagement", "Scheduled Task Management"),
            Self::SLAManagement => new_row(Events, "SLAManagement", "SLA Management"),
            Self::SMSAndVoice => AddOnRow { is_paid: true, ..new_row(Events, "SMSAndVoice", "SMS and Voice") },
            Self::ProcessAutomation => new_row(Remediation, "ProcessAutomation", "Process Automation"),
            Self::RemoteAccessManagement => new_row(Remediation, "RemoteAccessManagement", "Remote Access Management"),
            Self::ApplicationPatchManagement => {
                new_row(Remediation, "ApplicationPatchManagement", "Application Patch Management")
            }
        }
    }

    /// Returns the package that the add-on belongs to.
    pub const fn package(self) -> Package {
        self.row().package
    }

    /// Returns the name in a manifest.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns the name on screen.
    pub const fn display_name(self) -> &'static str {
        self.row().screen
    }

    /// Returns the name on the wire.
    pub const fn wire_name(self) -> &'static str {
        self.row().wire
    }

    /// Returns whether the add-on costs extra.
    pub const fn is_paid(self) -> bool {
        self.row().is_paid
    }

    /// Returns whether the add-on is only recorded here and another system provides its function.
    pub const fn is_external(self) -> bool {
        matches!(
            self,
            Self::LogManagement
                | Self::TraceManagement
                | Self::OSServiceStartStopActions
                | Self::SMSAndVoice
                | Self::ProcessAutomation
                | Self::ApplicationPatchManagement
        )
    }

    /// Returns the add-on of a manifest name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|add_on| add_on.name() == name)
    }

    /// Returns the add-on of a wire name in any case: the current one, the one on screen, or an older one.
    pub fn from_wire(wire: &str) -> Option<Self> {
        let wire = wire.trim();
        Self::ALL.into_iter().find(|add_on| {
            let row = add_on.row();
            [row.wire, row.screen].iter().chain(row.former_names).any(|name| name.eq_ignore_ascii_case(wire))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_package() {
        for package in Package::ALL {
            assert_eq!(Package::from_name(package.name()), Some(package));
            assert_eq!(Package::from_wire(package.wire_name()), Some(package));
        }
        assert_eq!(Package::from_wire("Something Else"), None);
    }

    #[test]
    fn every_name_leads_back_to_its_add_on() {
        for add_on in AddOn::ALL {
            assert_eq!(AddOn::from_name(add_on.name()), Some(add_on));
            assert_eq!(AddOn::from_wire(add_on.wire_name()), Some(add_on));
            assert_eq!(AddOn::from_wire(add_on.display_name()), Some(add_on));
            assert_eq!(serde_json::to_value(add_on).unwrap(), add_on.name());
        }
    }

    /// shows: seeds/without-events/enrichment-add-on
    #[test]
    fn older_wire_names_are_read_as_the_same_add_on() {
        assert_eq!(AddOn::from_wire("Event Enrichment"), Some(AddOn::AlertProblemArea));
        assert_eq!(AddOn::from_wire("Alert Enrichment"), Some(AddOn::AlertProblemArea));
        assert_eq!(AddOn::KnowledgeBaseManagement.wire_name(), "Knowledgebase Management");
    }

    /// shows: seeds/events-add-ons/sms-voice-paid
    #[test]
    fn add_ons_are_split_over_packages_as_documented() {
        let count = |package| AddOn::ALL.iter().filter(|add_on| add_on.package() == package).count();
        assert_eq!(Package::ALL.map(count), [8, 6, 3]);
        let paid: Vec<_> = AddOn::ALL.into_iter().filter(|add_on| add_on.is_paid()).collect();
        assert_eq!(paid, [AddOn::SMSAndVoice]);
    }
}
