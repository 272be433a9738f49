//! The clients of all partners, or of the one that is asked for.

use futures::StreamExt as _;

use super::{Row, partners_of};
use crate::cli::failure::Failure;
use crate::cli::output::{self, Progress};
use crate::cli::tenants;
use crate::connect::{Error, Place, Platform};
use crate::wire::{SearchItem, State};

/// Partners whose clients are asked for at the same time.
const AT_ONCE: usize = 4;

/// The partner that was asked for, if one was, and whether a platform has it.
pub(super) struct Sought<'a> {
    wanted: Option<&'a str>,
    is_found: bool,
}

impl<'a> Sought<'a> {
    pub(super) const fn new(wanted: Option<&'a str>) -> Self {
        Self { wanted, is_found: false }
    }

    /// Why nothing is listed of a partner that no platform has.
    pub(super) fn missing(&self) -> Option<Failure> {
        let wanted = self.wanted.filter(|_| !self.is_found)?;
        let message = format!(
            "there is no partner `{wanted}`: correct `--partner`, `kubectl tenantry list partners --status all` shows their names and ids"
        );
        Some(Failure::new(message))
    }

    fn is_wanted(&self, item: &SearchItem) -> bool {
        let is_named = |wanted: &str| item.unique_id == wanted || item.name.to_lowercase() == wanted.to_lowercase();
        self.wanted.is_none_or(is_named)
    }
}

/// A partner whose clients are asked for.
struct Asked {
    id: String,
    /// Whether it is in service for certain; of one that is not, some platforms show nothing.
    is_active: bool,
}

/// The clients of a platform's partners. Of a partner that does not answer nothing is listed, and that is told.
pub(super) async fn of(
    platform: &Platform,
    sought: &mut Sought<'_>,
    failures: &mut Vec<Failure>,
) -> Result<Vec<Row>, Error> {
    let asked = partners(platform, sought, failures).await?;
    let mut progress = Progress::begin("partners looked through");
    let mut rows = Vec::new();
    let answers = asked.iter().map(|asked| async move {
        let place = Place::Clients { msp: asked.id.clone() };
        (asked, tenants::rows(platform, &place).await)
    });
    let mut answers = futures::stream::iter(answers).buffer_unordered(AT_ONCE);
    while let Some((Asked { id, is_active }, answer)) = answers.next().await {
        match answer {
            Ok(found) => rows.extend(found.values().map(|item| Row::of(item, Some(id)))),
            Err(Error::NotFound { .. } | Error::ParentGone { .. }) if !is_active => {
                output::note(&format!(
                    "partner `{id}` is not in service, and the platform does not list its clients: they are left out"
                ));
            }
            Err(error) => {
                failures.push(Failure::new(format!("the clients of partner `{id}` cannot be listed: {error}")));
            }
        }
        progress.step(asked.len());
    }
    Ok(rows)
}

/// The partners to ask about: all but those that were terminated, or the one that is wanted.
async fn partners(
    platform: &Platform,
    sought: &mut Sought<'_>,
    failures: &mut Vec<Failure>,
) -> Result<Vec<Asked>, Error> {
    let found = match tenants::rows(platform, &partners_of(platform)).await {
        Ok(found) => found,
        // Without partners in the API the credential's own tenant is one, and another is asked for by its id.
        Err(Error::Unsupported { .. } | Error::NotFound { .. }) => {
            sought.is_found = true;
            let id = sought.wanted.unwrap_or(platform.tenant_id()).to_owned();
            return Ok(vec![Asked { id, is_active: true }]);
        }
        Err(error) => return Err(error),
    };
    let mut asked = Vec::new();
    let wanted: Vec<&SearchItem> = found.values().filter(|item| sought.is_wanted(item)).collect();
    sought.is_found |= !wanted.is_empty();
    for item in wanted {
        let SearchItem { unique_id: id, status, activated, .. } = item;
        if *status != Some(State::Terminated) {
            asked.push(Asked { id: id.clone(), is_active: *activated });
        } else if sought.wanted.is_some() {
            let message = format!("partner `{id}` was terminated, and its clients with it: name another `--partner`");
            failures.push(Failure::new(message));
        }
    }
    Ok(asked)
}
