//! The kinds of data that a tenant has and that its termination erases, and the package or add-on that each requires.
//!
//! Source: the list under "Terminate a partner" and, for each requirement, the sentence of the documentation beside it.

use super::{AddOn, Package};

/// A category of data, in the order of the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataCategory {
    /// Devices, services and synthetic checks, with their asset data.
    Resources,
    /// Measured values.
    Metrics,
    /// Alerts.
    Alerts,
    /// Incidents, requests and tasks of the service desk.
    Tickets,
    /// Data about users.
    Users,
    /// Actions on the tenant's resources.
    AuditData,
    /// Policies that manage devices.
    DeviceManagementPolicies,
    /// Times of planned maintenance.
    MaintenanceWindows,
    /// Policies that correlate alerts.
    AlertCorrelationPolicies,
    /// Settings for SNMP traps.
    SnmpTrapConfiguration,
    /// Details of the tenant that are not part of its settings.
    PartnerDetails,
    /// Profiles of collectors.
    ManagementProfiles,
    /// Connections to other systems and clouds.
    Integrations,
    /// Settings for single sign-on.
    SsoConfigurations,
}

/// The package that a category requires, and the sentence of the documentation that states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackageRequirement {
    /// The package that provides the data.
    pub package: Package,
    /// Where the documentation states it.
    pub source: &'static str,
}

/// A kind of record within a category that only an add-on brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddOnRecordKind {
    /// The category.
    pub category: DataCategory,
    /// Value of the record's member `kind`.
    pub kind: &'static str,
    /// The add-on.
    pub add_on: AddOn,
    /// Where the documentation states it.
    pub source: &'static str,
}

struct CategoryRow {
    segment: &'static str,
    screen: &'static str,
    requirement: PackageRequirement,
}

impl DataCategory {
    /// Every category.
    pub const ALL: [Self; 14] = [
        Self::Resources,
        Self::Metrics,
        Self::Alerts,
        Self::Tickets,
        Self::Users,
        Self::AuditData,
        Self::DeviceManagementPolicies,
        Self::MaintenanceWindows,
        Self::AlertCorrelationPolicies,
        Self::SnmpTrapConfiguration,
        Self::PartnerDetails,
        Self::ManagementProfiles,
        Self::Integrations,
        Self::SsoConfigurations,
    ];

    const fn row(self) -> CategoryRow {
        use Package::{
            EventAndIncidentManagement as Events, HybridDiscoveryAndMonitoring as Hybrid,
            RemediationAndAutomation as Remediation,
        };
        const fn new_row(
            segment: &'static str,
            screen: &'static str,
            package: Package,
            source: &'static str,
        ) -> CategoryRow {
            CategoryRow { segment, screen, requirement: PackageRequirement { package, source } }
        }
        /// Data of every tenant belongs to the package that every tenant has.
        const DEFAULT_PACKAGE_SOURCE: &str = "Hybrid Discovery and Monitoring (default)";
        match self {
            Self::Resources => {
                new_row("resources", "Resources & Synthetics along with asset data", Hybrid, "Resource Management")
            }
            Self::Metrics => new_row("metrics", "Metrics", Hybrid, "Monitoring"),
            Self::Alerts => new_row("alerts", "Alerts", Events, "The Alerts menu option in Setup (Setup > Alerts)"),
            Self::Tickets => new_row("tickets", "Tickets", Events, "Service Desk"),
            Self::Users => new_row("users", "Users", Hybrid, DEFAULT_PACKAGE_SOURCE),
            Self::AuditData => new_row("auditData", "Audit data", Hybrid, DEFAULT_PACKAGE_SOURCE),
            Self::DeviceManagementPolicies => {
                new_row("deviceManagementPolicies", "Device management policies", Hybrid, "Resource Management")
            }
            Self::MaintenanceWindows => new_row(
                "maintenanceWindows",
                "Maintenance windows",
                Remediation,
                "patch job scheduling, remediation task execution, and resource maintenance using a remote console",
            ),
            Self::AlertCorrelationPolicies => {
                new_row("alertCorrelationPolicies", "Alert correlation policies", Events, "Alert Correlation")
            }
            Self::SnmpTrapConfiguration => {
                new_row("snmpTrapConfiguration", "SNMP trap configuration", Hybrid, DEFAULT_PACKAGE_SOURCE)
            }
            Self::PartnerDetails => new_row("partnerDetails", "Partner details", Hybrid, DEFAULT_PACKAGE_SOURCE),
            Self::ManagementProfiles => {
                new_row("managementProfiles", "Management profiles", Hybrid, DEFAULT_PACKAGE_SOURCE)
            }
            Self::Integrations => new_row("integrations", "Integrations", Hybrid, DEFAULT_PACKAGE_SOURCE),
            Self::SsoConfigurations => {
                new_row("ssoConfigurations", "SSO configurations", Hybrid, DEFAULT_PACKAGE_SOURCE)
            }
        }
    }

    /// Returns the name in paths, in counts and in the database.
    pub const fn segment(self) -> &'static str {
        self.row().segment
    }

    /// Returns the name in the documentation.
    pub const fn display_name(self) -> &'static str {
        self.row().screen
    }

    /// Returns the package that provides the category.
    pub const fn package_requirement(self) -> PackageRequirement {
        self.row().requirement
    }

    /// Returns the category of a path segment.
    pub fn from_segment(segment: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.segment() == segment)
    }
}

/// Kinds of records that require an add-on besides the package.
pub const ADD_ON_RECORD_KINDS: [AddOnRecordKind; 6] = [
    AddOnRecordKind {
        category: DataCategory::Integrations,
        kind: "adapter",
        add_on: AddOn::AdapterIntegrations,
        source: "This add-on is used to enable Adapter category Apps",
    },
    AddOnRecordKind {
        category: DataCategory::Alerts,
        kind: "offline",
        add_on: AddOn::OfflineAlerts,
        source: "If any resource goes to an unknown state, an alert will be triggered.",
    },
    AddOnRecordKind {
        category: DataCategory::Tickets,
        kind: "knowledgeArticle",
        add_on: AddOn::KnowledgeBaseManagement,
        source: "Capture product information, operational procedures, and frequently asked questions",
    },
    AddOnRecordKind {
        category: DataCategory::Tickets,
        kind: "scheduledTask",
        add_on: AddOn::ScheduledTaskManagement,
        source: "The Scheduled Task entity provides the ability to schedule and run recurring tasks",
    },
    AddOnRecordKind {
        category: DataCategory::Tickets,
        kind: "sla",
        add_on: AddOn::SLAManagement,
        source: "helps you to configure the response SLA and resolution SLA for a ticket, based on priority",
    },
    AddOnRecordKind {
        category: DataCategory::DeviceManagementPolicies,
        kind: "remoteAccess",
        add_on: AddOn::RemoteAccessManagement,
        source: "This is used to enable remote access (RDP, SSH, Telnet) to managed devices.",
    },
];

/// Returns the add-on that a kind of record requires, if any.
pub fn required_add_on(category: DataCategory, kind: &str) -> Option<AddOn> {
    ADD_ON_RECORD_KINDS
        .iter()
        .find(|row| row.category == category && row.kind.eq_ignore_ascii_case(kind))
        .map(|row| row.add_on)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_segment_leads_back_to_its_category() {
        for category in DataCategory::ALL {
            assert_eq!(DataCategory::from_segment(category.segment()), Some(category));
        }
        assert_eq!(DataCategory::from_segment("Resources"), None);
    }

    #[test]
    fn a_kind_in_any_case_needs_its_add_on_in_its_category_only() {
        assert_eq!(required_add_on(DataCategory::Alerts, "OFFLINE"), Some(AddOn::OfflineAlerts));
        assert_eq!(required_add_on(DataCategory::Tickets, "offline"), None);
        assert_eq!(required_add_on(DataCategory::Alerts, ""), None);
    }
}
