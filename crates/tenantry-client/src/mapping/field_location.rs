//! The location of each field in the API's JSON. Both directions use the same table, so they cannot disagree.

use tenantry_core::{Field, TenantKind};
use tenantry_wire::{Branding, IdRef, PasswordPolicy, Tenant, WireClientDetails};

/// A member of a body, and the form in which it carries the value.
pub(super) enum FieldLocation<I> {
    /// In the tenant's own body.
    Tenant(TenantMember),
    /// A text in the branding.
    BrandingText(fn(&mut Branding<I>) -> &mut Option<String>),
    /// An image in the branding.
    BrandingImage(fn(&mut Branding<I>) -> &mut Option<I>),
}

/// A member of the tenant's own body.
pub(super) enum TenantMember {
    /// A text.
    Text(fn(&mut Tenant) -> &mut Option<String>),
    /// A host name, which answers may show with its scheme.
    Host(fn(&mut Tenant) -> &mut Option<String>),
    /// The customer's own number; our mark may be there instead.
    ExternalId(fn(&mut Tenant) -> &mut Option<String>),
    /// A secret, which answers never contain.
    Secret(fn(&mut Tenant) -> &mut Option<String>),
    /// A switch; absent is off.
    Flag(fn(&mut Tenant) -> &mut Option<bool>),
    /// A number.
    Number(fn(&mut Tenant) -> &mut Option<i64>),
    /// A reference by number.
    Reference(fn(&mut Tenant) -> &mut Option<IdRef>),
    /// Hour and minute.
    Clock(fn(&mut Tenant) -> (&mut Option<i64>, &mut Option<i64>)),
    /// A day of the week, 1 is Sunday.
    Day(fn(&mut Tenant) -> &mut Option<i64>),
    /// Names from the catalog.
    Names(fn(&mut Tenant) -> &mut Option<Vec<String>>, CatalogKind),
    /// Entries in one text, separated by commas.
    Commas(fn(&mut Tenant) -> &mut Option<String>),
}

/// The catalog that maps names between manifests and the API.
#[derive(Clone, Copy)]
pub(super) enum CatalogKind {
    /// Of packages.
    Packages,
    /// Of add-ons.
    AddOns,
}

fn client_details(tenant: &mut Tenant) -> &mut WireClientDetails {
    tenant.client_details.get_or_insert_default()
}

fn password_policy(tenant: &mut Tenant) -> &mut PasswordPolicy {
    tenant.password_policy.get_or_insert_default()
}

/// Returns the location of a field. The match has no wildcard: a new field does not compile until it has a location.
pub(super) fn field_location<I>(field: Field) -> FieldLocation<I> {
    use FieldLocation::{BrandingImage, BrandingText};
    use TenantMember::{Clock, Commas, Day, ExternalId, Flag, Host, Names, Number, Reference, Secret, Text};
    let member = match field {
        Field::Name => Text(|t| &mut t.name),
        Field::AlternateEmail => Text(|t| &mut t.alt_email),
        Field::NotificationEmail => Text(|t| &mut t.notification_email),
        Field::Timezone => Text(|t| &mut t.time_zone),
        Field::Country => Text(|t| &mut t.country),
        Field::City => Text(|t| &mut t.city),
        Field::Address => Text(|t| &mut t.address),
        Field::PostalCode => Text(|t| &mut t.zip),
        Field::State => Text(|t| &mut t.state),
        Field::ApplicationServer => Text(|t| &mut t.access_endpoint.get_or_insert_default().application_server),
        Field::ExternalId => ExternalId(|t| &mut t.ext_org_id),
        Field::PhoneNumber => Text(|t| &mut t.phone_number),
        Field::PhoneExtension => Text(|t| &mut t.phone_extension),
        Field::PhoneMobile => Text(|t| &mut t.mobile_number),
        Field::ChannelId => Reference(|t| &mut t.channel),
        Field::NocId => Reference(|t| &mut t.noc_details),
        Field::BusinessStart => Clock(|t| {
            let details = client_details(t);
            (&mut details.business_start_hour, &mut details.business_start_min)
        }),
        Field::BusinessEnd => Clock(|t| {
            let details = client_details(t);
            (&mut details.business_end_hour, &mut details.business_end_min)
        }),
        Field::BusinessFirstDay => Day(|t| &mut client_details(t).business_day_start),
        Field::BusinessLastDay => Day(|t| &mut client_details(t).business_day_end),
        Field::SmsVoiceNotification => Flag(|t| &mut client_details(t).sms_voice_notification),
        Field::RemoteAccess => Flag(|t| &mut client_details(t).remote_access),
        Field::CliRecording => Flag(|t| &mut t.enable_cli_recording),
        Field::ResourceDecommission => Flag(|t| &mut t.resource_decommission),
        Field::Packages => Names(|t| &mut t.packages, CatalogKind::Packages),
        Field::AddOns => Names(|t| &mut t.add_ons, CatalogKind::AddOns),
        Field::AllowedIps => Commas(|t| &mut t.white_listed_ips),
        Field::TwoFactorAuthentication => Flag(|t| &mut t.two_factor_authentication),
        Field::DuoIntegrationKey => Secret(|t| &mut t.duo_security.get_or_insert_default().integration_key),
        Field::DuoSecretKey => Secret(|t| &mut t.duo_security.get_or_insert_default().secret_key),
        Field::DuoApiHostname => Host(|t| &mut t.duo_security.get_or_insert_default().api_host_name),
        Field::BlockDuplicateCloudAccounts => Flag(|t| &mut t.block_duplicate_cloud_accounts),
        Field::SkipUserConsentForm => Flag(|t| &mut t.skip_user_consent_form),
        Field::ShowCopyClipboard => Flag(|t| &mut t.show_copy_clip_board),
        Field::PolicyPciDss => Flag(|t| &mut password_policy(t).default_policy),
        Field::PolicyMinLength => Number(|t| &mut password_policy(t).min_password_length),
        Field::PolicyAllClasses => Flag(|t| &mut password_policy(t).enable_password_constraints),
        Field::PolicyValidityDays => Number(|t| &mut password_policy(t).password_validity),
        Field::PolicyLastFour => Flag(|t| &mut password_policy(t).allow_last_four_passwords),
        Field::PolicyAttempts => Number(|t| &mut password_policy(t).max_attempts_to_lockout),
        Field::PolicyChangeAtNextLogin => Flag(|t| &mut password_policy(t).change_password_at_first_login),
        Field::PasswordsSetBefore => Text(|t| &mut t.change_passwords_set_before),
        Field::WebsiteTitle => return BrandingText(|b| &mut b.application_title),
        Field::DocumentationUrl => return BrandingText(|b| &mut b.documentation_url),
        Field::Logo => return BrandingImage(|b| &mut b.logo),
        Field::Favicon => return BrandingImage(|b| &mut b.fav_icon),
        Field::LoginHeader => return BrandingText(|b| &mut b.login_page_header_text),
        Field::LoginSubheader => return BrandingText(|b| &mut b.login_page_sub_header_text),
        Field::LoginTextColor => return BrandingText(|b| &mut b.login_page_text_color),
        Field::LoginBackgroundColor => return BrandingText(|b| &mut b.login_page_background_color),
        Field::LoginBackgroundImage => return BrandingImage(|b| &mut b.login_page_image),
    };
    FieldLocation::Tenant(member)
}

/// Returns the names of the members that hold a field, dotted where nested.
pub(super) const fn member_names(field: Field) -> &'static [&'static str] {
    match field {
        Field::Name => &["name"],
        Field::AlternateEmail => &["altEmail"],
        Field::NotificationEmail => &["notificationEmail"],
        Field::Timezone => &["timeZone"],
        Field::Country => &["country"],
        Field::City => &["city"],
        Field::Address => &["address"],
        Field::PostalCode => &["zip"],
        Field::State => &["state"],
        Field::ApplicationServer => &["accessEndpoint.applicationServer"],
        Field::ExternalId => &["extOrgId"],
        Field::PhoneNumber => &["phoneNumber"],
        Field::PhoneExtension => &["phoneExtension"],
        Field::PhoneMobile => &["mobileNumber"],
        Field::ChannelId => &["channel.id"],
        Field::NocId => &["nocDetails.id"],
        Field::BusinessStart => &["clientDetails.businessStartHour", "clientDetails.businessStartMin"],
        Field::BusinessEnd => &["clientDetails.businessEndHour", "clientDetails.businessEndMin"],
        Field::BusinessFirstDay => &["clientDetails.businessDayStart"],
        Field::BusinessLastDay => &["clientDetails.businessDayEnd"],
        Field::SmsVoiceNotification => &["clientDetails.smsVoiceNotification"],
        Field::RemoteAccess => &["clientDetails.remoteAccess"],
        Field::CliRecording => &["enableCLIRecording"],
        Field::ResourceDecommission => &["resourceDecommission"],
        Field::Packages => &["packages"],
        Field::AddOns => &["addOns"],
        Field::AllowedIps => &["whiteListedIps"],
        Field::TwoFactorAuthentication => &["twoFactorAuthentication"],
        Field::DuoIntegrationKey => &["duoSecurity.integrationKey"],
        Field::DuoSecretKey => &["duoSecurity.secretKey"],
        Field::DuoApiHostname => &["duoSecurity.apiHostName"],
        Field::BlockDuplicateCloudAccounts => &["blockDuplicateCloudAccounts"],
        Field::SkipUserConsentForm => &["skipUserConsentForm"],
        Field::ShowCopyClipboard => &["showCopyClipBoard"],
        Field::PolicyPciDss => &["passwordPolicy.defaultPolicy"],
        Field::PolicyMinLength => &["passwordPolicy.minPasswordLength"],
        Field::PolicyAllClasses => &["passwordPolicy.enablePasswordConstraints"],
        Field::PolicyValidityDays => &["passwordPolicy.passwordValidity"],
        Field::PolicyLastFour => &["passwordPolicy.allowLastFourPasswords"],
        Field::PolicyAttempts => &["passwordPolicy.maxAttemptsToLockout"],
        Field::PolicyChangeAtNextLogin => &["passwordPolicy.changePasswordAtFirstLogin"],
        Field::PasswordsSetBefore => &["changePasswordsSetBefore"],
        Field::WebsiteTitle => &["applicationTitle"],
        Field::DocumentationUrl => &["documentationURL"],
        Field::Logo => &["logo"],
        Field::Favicon => &["favIcon"],
        Field::LoginHeader => &["loginPageHeaderText"],
        Field::LoginSubheader => &["loginPageSubHeaderText"],
        Field::LoginTextColor => &["loginPageTextColor"],
        Field::LoginBackgroundColor => &["loginPageBackgroundColor"],
        Field::LoginBackgroundImage => &["loginPageImage"],
    }
}

/// Returns whether the public API documents the field for this kind; otherwise only a platform with the extensions has
/// it.
pub(super) fn is_documented(field: Field, kind: TenantKind) -> bool {
    match field {
        // Extensions for both kinds.
        Field::AlternateEmail
        | Field::NotificationEmail
        | Field::ApplicationServer
        | Field::DuoIntegrationKey
        | Field::DuoSecretKey
        | Field::BlockDuplicateCloudAccounts
        | Field::SkipUserConsentForm
        | Field::PasswordsSetBefore
        | Field::DocumentationUrl => false,
        // The documented partner has none of these.
        Field::ExternalId
        | Field::PhoneExtension
        | Field::NocId
        | Field::BusinessStart
        | Field::BusinessEnd
        | Field::BusinessFirstDay
        | Field::BusinessLastDay
        | Field::SmsVoiceNotification
        | Field::RemoteAccess
        | Field::CliRecording
        | Field::ResourceDecommission
        | Field::Packages
        | Field::AddOns => kind == TenantKind::Client,
        Field::Name
        | Field::Timezone
        | Field::Country
        | Field::City
        | Field::Address
        | Field::PostalCode
        | Field::State
        | Field::PhoneNumber
        | Field::PhoneMobile
        | Field::ChannelId
        | Field::AllowedIps
        | Field::TwoFactorAuthentication
        | Field::DuoApiHostname
        | Field::ShowCopyClipboard
        | Field::PolicyPciDss
        | Field::PolicyMinLength
        | Field::PolicyAllClasses
        | Field::PolicyValidityDays
        | Field::PolicyLastFour
        | Field::PolicyAttempts
        | Field::PolicyChangeAtNextLogin
        | Field::WebsiteTitle
        | Field::Logo
        | Field::Favicon
        | Field::LoginHeader
        | Field::LoginSubheader
        | Field::LoginTextColor
        | Field::LoginBackgroundColor
        | Field::LoginBackgroundImage => true,
    }
}
