//! Password policies: PCI DSS, which cannot be edited, or a custom one.

use tenantry_wire::PasswordPolicy;

use super::Problems;

/// Returns the policy of PCI DSS 4.0.1, requirements 8.3.4 to 8.3.9.
pub(crate) fn pci_dss_policy() -> PasswordPolicy {
    PasswordPolicy {
        default_policy: Some(true),
        min_password_length: Some(12),
        enable_password_constraints: Some(true),
        change_password_at_first_login: Some(true),
        password_validity: Some(90),
        allow_last_four_passwords: Some(false),
        max_attempts_to_lockout: Some(10),
    }
}

/// Merges a change into a policy. Under PCI DSS a member may be sent, but only with the value it has.
pub(super) fn merge_policy(
    current: PasswordPolicy,
    change: &PasswordPolicy,
    problems: &mut Problems,
) -> PasswordPolicy {
    let default = change.default_policy.or(current.default_policy);
    let base = if default == Some(true) { pci_dss_policy() } else { current };
    let next = PasswordPolicy {
        default_policy: default,
        min_password_length: change.min_password_length.or(base.min_password_length),
        enable_password_constraints: change.enable_password_constraints.or(base.enable_password_constraints),
        change_password_at_first_login: change.change_password_at_first_login.or(base.change_password_at_first_login),
        password_validity: change.password_validity.or(base.password_validity),
        allow_last_four_passwords: change.allow_last_four_passwords.or(base.allow_last_four_passwords),
        max_attempts_to_lockout: change.max_attempts_to_lockout.or(base.max_attempts_to_lockout),
    };
    if default == Some(true) {
        check_default_policy_unedited(&next, problems);
    } else {
        check_ranges(&next, problems);
    }
    next
}

fn check_default_policy_unedited(next: &PasswordPolicy, problems: &mut Problems) {
    let fixed = pci_dss_policy();
    for (name, same) in [
        ("minPasswordLength", next.min_password_length == fixed.min_password_length),
        ("enablePasswordConstraints", next.enable_password_constraints == fixed.enable_password_constraints),
        ("changePasswordAtFirstLogin", next.change_password_at_first_login == fixed.change_password_at_first_login),
        ("passwordValidity", next.password_validity == fixed.password_validity),
        ("allowLastFourPasswords", next.allow_last_four_passwords == fixed.allow_last_four_passwords),
        ("maxAttemptsToLockout", next.max_attempts_to_lockout == fixed.max_attempts_to_lockout),
    ] {
        if !same {
            let message = "The default policy (PCI DSS) cannot be edited; send defaultPolicy false for one of your own";
            problems.refuse(format!("passwordPolicy.{name}"), message);
        }
    }
}

fn check_ranges(next: &PasswordPolicy, problems: &mut Problems) {
    for (name, range, value) in [
        ("minPasswordLength", 7..=128, next.min_password_length),
        ("passwordValidity", 1..=3650, next.password_validity),
        ("maxAttemptsToLockout", 1..=100, next.max_attempts_to_lockout),
    ] {
        if value.is_some_and(|value| !range.contains(&value)) {
            let (least, most) = (range.start(), range.end());
            problems.refuse(format!("passwordPolicy.{name}"), format!("The number must be {least} to {most}"));
        }
    }
}
