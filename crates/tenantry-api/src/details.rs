//! Account details of partners and clients.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who the partner is and where it is reached.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct PartnerDetails {
    /// Name of the partner on the platform, unique among the provider's partners, for example `Acme Managed Services`.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = ("self.trim() == self", "remove the spaces before or after the name"))]
    pub name: String,
    /// Second address for mail to the partner, for example `owner@acme.example`; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 254))]
    #[x_kube(validation = ("self == '' || self.matches('^[^@[:space:]]+@[^@[:space:]]+$')", "write one address such as `owner@acme.example`"))]
    pub alternate_email: Option<String>,
    /// Address that notifications go to, for example `noc@acme.example`; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 254))]
    #[x_kube(validation = ("self == '' || self.matches('^[^@[:space:]]+@[^@[:space:]]+$')", "write one address such as `noc@acme.example`"))]
    pub notification_email: Option<String>,
    /// IANA name of the partner's time zone, for example `Europe/Berlin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub timezone: Option<String>,
    /// Country in which the partner sits, by its English name or three-letter code, for example `Germany`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub country: Option<String>,
    /// City in which the partner sits, for example `Munich`; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub city: Option<String>,
    /// Street address of the partner, for example `Hauptstr. 1`; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub address: Option<String>,
    /// Postal code of the partner as a quoted string, for example `"01067"`: unquoted YAML makes it a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub postal_code: Option<String>,
    /// State or region of the partner, for example `Bavaria`; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub state: Option<String>,
    /// Host name or URL of the partner's application server, for example `acme.app.platform.example`. The API server
    /// is derived from it and shown in `status.apiEndpoint`; a new name needs a DNS entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub application_server: Option<String>,
}

/// Who the client is and how it is served.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ClientDetails {
    /// Name of the client on the platform, unique among its partner's clients, for example `Globex GmbH`.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = ("self.trim() == self", "remove the spaces before or after the name"))]
    pub name: String,
    /// Your own number for this customer, for example `CRM-1007`; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub external_id: Option<String>,
    /// Street address of the client, for example `Hauptstr. 1`; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub address: Option<String>,
    /// City in which the client sits, for example `Berlin`; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub city: Option<String>,
    /// State or region of the client, for example `Saxony`; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub state: Option<String>,
    /// Postal code of the client as a quoted string, for example `"01067"`: unquoted YAML makes it a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub postal_code: Option<String>,
    /// Country of the client, by its English name or three-letter code, for example `Germany`; default: the Partner's
    /// `clients.defaults.country`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub country: Option<String>,
    /// IANA name of the client's time zone, for example `Europe/Berlin`; default: the Partner's
    /// `clients.defaults.timezone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub timezone: Option<String>,
    /// Phone numbers of the client, for example `{number: 030-555-0100, extension: "12"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Phone>,
    /// Number of the channel that serves the client, for example `7`; the platform lists them under `cfg/tenants/channels`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub channel_id: Option<i64>,
    /// Number of the network operations centre, for example `11`; the platform lists them under `cfg/tenants/nocs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub noc_id: Option<i64>,
    /// When the client does business, for example `{start: "09:00", end: "17:00", firstDay: Monday, lastDay: Friday}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_hours: Option<BusinessHours>,
    /// Whether notifications go out by SMS and voice, for example `false`; needs the add-on `SMSAndVoice`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms_voice_notification: Option<bool>,
    /// Whether remote access to devices is on, for example `true`; needs the add-on `RemoteAccessManagement`, and takes
    /// effect only where the Partner has it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_access: Option<bool>,
    /// Whether command-line sessions are recorded, for example `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cli_recording: Option<bool>,
    /// Whether resources that vanished are decommissioned on their own, for example `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_decommission: Option<bool>,
}

/// Phone numbers.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Phone {
    /// Number in the form people dial, for example `030-555-0100`; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub number: Option<String>,
    /// Extension behind the number as a quoted string, for example `"12"`; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub extension: Option<String>,
    /// Mobile number in the form people dial, for example `0171-555-0100`; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub mobile: Option<String>,
}

/// Business hours of a client.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BusinessHours {
    /// When business starts, in 24 hours as a quoted string, for example `"09:00"`.
    #[schemars(length(min = 5, max = 5))]
    #[x_kube(validation = ("self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')", "write a time from \"00:00\" to \"23:59\", in quotes"))]
    pub start: String,
    /// When business ends, in 24 hours as a quoted string, for example `"17:00"`.
    #[schemars(length(min = 5, max = 5))]
    #[x_kube(validation = ("self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')", "write a time from \"00:00\" to \"23:59\", in quotes"))]
    pub end: String,
    /// First business day of the week, for example `Monday`.
    pub first_day: Weekday,
    /// Last business day of the week, for example `Friday`.
    pub last_day: Weekday,
}

/// A day of the week.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weekday {
    /// Sunday; 1 on the wire.
    Sunday,
    /// Monday; 2 on the wire.
    Monday,
    /// Tuesday; 3 on the wire.
    Tuesday,
    /// Wednesday; 4 on the wire.
    Wednesday,
    /// Thursday; 5 on the wire.
    Thursday,
    /// Friday; 6 on the wire.
    Friday,
    /// Saturday; 7 on the wire.
    Saturday,
}

impl Weekday {
    /// Every day, in the wire's order.
    pub const ALL: [Self; 7] =
        [Self::Sunday, Self::Monday, Self::Tuesday, Self::Wednesday, Self::Thursday, Self::Friday, Self::Saturday];

    /// The name people write.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sunday => "Sunday",
            Self::Monday => "Monday",
            Self::Tuesday => "Tuesday",
            Self::Wednesday => "Wednesday",
            Self::Thursday => "Thursday",
            Self::Friday => "Friday",
            Self::Saturday => "Saturday",
        }
    }
}
