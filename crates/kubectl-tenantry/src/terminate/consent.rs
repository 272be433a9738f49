//! The consent dialog: the tenant's name, and each of the three consequences.

use std::io::{BufRead, Write};

use tenantry_api::Acknowledgement;

use crate::failure::Failure;
use crate::prompt::Prompt;

/// The consent as given by flags.
pub(super) struct ConsentFlags<'a> {
    /// Name of the tenant, as typed.
    pub(super) name: Option<&'a str>,
    /// Consequences that were accepted.
    pub(super) accepted: &'a [Acknowledgement],
}

/// Obtains the consent, from the flags or else from the person.
///
/// # Errors
/// Fails if the name differs, a consequence is not accepted, or there is no terminal.
pub(super) fn obtain_consent<R: BufRead, W: Write>(
    tenant: &str,
    flags: &ConsentFlags<'_>,
    person: Option<Prompt<R, W>>,
) -> Result<(), Failure> {
    if let Some(name) = flags.name {
        if name != tenant {
            return Err(wrong_name_failure(name, tenant));
        }
        let missing = Acknowledgement::ALL.into_iter().find(|needed| !flags.accepted.contains(needed));
        return missing.map_or(Ok(()), |missing| {
            let message =
                format!("`--accept` lacks `{}` ({}): nothing is written", missing.name(), consequence_text(missing));
            Err(Failure::new(message))
        });
    }
    let Some(mut person) = person else {
        let all = Acknowledgement::ALL.map(Acknowledgement::name).join(",");
        let message = format!(
            "this asks a person, and there is no terminal: say `--yes-i-typed NAME` with the tenant's name and `--accept {all}`"
        );
        return Err(Failure::new(message));
    };
    let typed = person.ask_line("\nType the name of the tenant to go on: ")?;
    if typed != tenant {
        return Err(wrong_name_failure(&typed, tenant));
    }
    for one in Acknowledgement::ALL {
        let question = format!("{}. Type `yes` to accept: ", consequence_text(one));
        person.require_answer(&question, "yes", &format!("`{}` was not accepted: nothing is written", one.name()))?;
    }
    Ok(())
}

fn wrong_name_failure(typed: &str, tenant: &str) -> Failure {
    Failure::new(format!("`{typed}` was typed and the tenant is named `{tenant}`: nothing is written"))
}

/// Describes what is accepted, as a sentence.
const fn consequence_text(one: Acknowledgement) -> &'static str {
    match one {
        Acknowledgement::DataErased => "All data of the tenant is erased for ever",
        Acknowledgement::NotRecoverable => "The tenant cannot be activated again",
        Acknowledgement::UsersDeactivated => "All users of the tenant become inactive",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_FLAGS: ConsentFlags<'static> = ConsentFlags { name: None, accepted: &[] };

    fn run_dialog(typed: &str) -> (Result<(), String>, String) {
        let mut shown = Vec::new();
        let answer = obtain_consent("Globex GmbH", &NO_FLAGS, Some(Prompt::new(typed.as_bytes(), &mut shown)));
        (answer.map_err(|failure| failure.to_string()), String::from_utf8(shown).unwrap())
    }

    #[test]
    fn the_name_and_three_times_yes_are_consent() {
        let (answer, shown) = run_dialog("Globex GmbH\nyes\nyes\nyes\n");
        assert_eq!(answer, Ok(()));
        let dialog = "\nType the name of the tenant to go on: \
            All data of the tenant is erased for ever. Type `yes` to accept: \
            The tenant cannot be activated again. Type `yes` to accept: \
            All users of the tenant become inactive. Type `yes` to accept: ";
        assert_eq!(shown, dialog);
    }

    #[test]
    fn anything_less_is_none() {
        for (typed, why) in [
            ("globex\nyes\nyes\nyes\n", "`globex` was typed and the tenant is named `Globex GmbH`: nothing is written"),
            ("\n", "`` was typed and the tenant is named `Globex GmbH`: nothing is written"),
            ("Globex GmbH\nyes\nno\nyes\n", "`NotRecoverable` was not accepted: nothing is written"),
            ("Globex GmbH\ny\n", "`DataErased` was not accepted: nothing is written"),
            ("Globex GmbH\nyes\nyes\n", "nothing was answered: nothing is done"),
            ("", "nothing was answered: nothing is done"),
        ] {
            assert_eq!(run_dialog(typed).0, Err(why.to_owned()), "{typed:?}");
        }
    }

    #[test]
    fn flags_need_the_name_and_all_three_as_well() {
        let by_flags = |name: &'static str, accepted: &[Acknowledgement]| {
            let given = ConsentFlags { name: Some(name), accepted };
            obtain_consent("Globex GmbH", &given, None::<Prompt<&[u8], Vec<u8>>>).map_err(|failure| failure.to_string())
        };
        assert_eq!(by_flags("Globex GmbH", &Acknowledgement::ALL), Ok(()));
        assert!(by_flags("Globex", &Acknowledgement::ALL).unwrap_err().contains("is named `Globex GmbH`"));
        for missing in Acknowledgement::ALL {
            let rest: Vec<Acknowledgement> = Acknowledgement::ALL.into_iter().filter(|one| *one != missing).collect();
            let why = by_flags("Globex GmbH", &rest).unwrap_err();
            assert!(why.contains(&format!("`--accept` lacks `{}`", missing.name())), "{why}");
        }
    }
}
