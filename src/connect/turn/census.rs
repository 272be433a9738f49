//! Lists that come in pages, read so that what is absent from them is absent from the platform: pages shift while they are
//! read, and then a tenant that moves from a page to come to one that was read is on none.

use std::collections::BTreeMap;

use super::super::error::Error;
use super::super::living::{Listed, Listing};
use super::super::map::{OddRow, Page};
use super::super::place::Place;
use super::Turn;
use crate::wire::SearchItem;

/// Pages beyond which a list is taken to have no end.
const PAGES: i64 = 1000;

/// One reading of a list, from its first page to its last.
#[derive(Default)]
pub(in crate::connect) struct Census {
    /// The ended ones are among them.
    rows: BTreeMap<String, SearchItem>,
    odd: Vec<OddRow>,
    total: Option<i64>,
    /// What a single reading shows to be wrong with it.
    fault: Option<String>,
}

/// Every row of a list by its id, and those that do not say which tenant they are about.
pub(in crate::connect) type Every = (BTreeMap<String, SearchItem>, Vec<OddRow>);

/// The tenants of one name, or why it is not known which they are.
pub(in crate::connect) type Named = Result<Vec<Listed>, String>;

impl Census {
    /// Whether two readings show the same whole list.
    ///
    /// # Errors
    /// What is wrong with one of them, or that they differ.
    pub(in crate::connect) fn agrees(&self, other: &Self) -> Result<(), String> {
        if let Some(fault) = self.fault.as_ref().or(other.fault.as_ref()) {
            return Err(fault.clone());
        }
        if !self.rows.keys().eq(other.rows.keys()) || self.total != other.total || self.odd.len() != other.odd.len() {
            return Err("it changed while it was read".to_owned());
        }
        Ok(())
    }

    /// The living tenants of the reading.
    pub(in crate::connect) fn into_listing(self) -> Listing {
        Listing::of(self.rows.into_values(), self.odd)
    }

    /// Every row, where the reading is whole in itself.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::connect) fn whole(self) -> Result<Every, String> {
        match self.fault {
            None => Ok((self.rows, self.odd)),
            Some(fault) => Err(fault),
        }
    }

    /// Whether it names a tenant.
    pub(in crate::connect) fn names(&self, id: &str) -> bool {
        self.rows.contains_key(id)
    }

    /// The living tenants of a name.
    fn of_name(&self, name: &str) -> impl Iterator<Item = Listed> {
        self.rows.values().filter(move |row| row.name == name).cloned().filter_map(Listed::found)
    }

    /// Takes a page in.
    fn take(&mut self, page: Page, is_first: bool) -> Option<i64> {
        let Page { results, odd, total_results, next_page, next_page_no } = page;
        let is_last = !next_page || (results.is_empty() && odd.is_empty());
        if !is_first && self.total != total_results {
            self.fault = Some("it changed while it was read".to_owned());
        }
        self.total = total_results;
        for row in results {
            if let Some(before) = self.rows.insert(row.unique_id.clone(), row) {
                self.fault = Some(format!("`{}` is in it twice", before.unique_id));
            }
        }
        self.odd.extend(odd);
        if is_last {
            let seen = i64::try_from(self.rows.len() + self.odd.len()).unwrap_or(i64::MAX);
            if let Some(total) = self.total.filter(|total| *total != seen) {
                self.fault = Some(format!("it has {total} tenants and shows {seen}"));
            }
            return None;
        }
        Some(next_page_no.unwrap_or_default())
    }
}

impl Turn<'_> {
    /// Reads a list to its end.
    pub(in crate::connect) async fn census(&self, place: &Place, filter: Option<&str>) -> Result<Census, Error> {
        let mut census = Census::default();
        let mut page_no = 1;
        while page_no <= PAGES {
            let page = self.page(place, page_no, filter).await?;
            let Some(next) = census.take(page, page_no == 1) else { return Ok(census) };
            page_no = next.max(page_no + 1);
        }
        Err(Error::malformed(format!("the list has more than {PAGES} pages")))
    }

    /// The living tenants of exactly this name, in service and not. That there is none counts only where both lists were
    /// read to their end twice and were the same: the second time in the other order, so that a tenant that changes its
    /// state between two of them is seen.
    pub(in crate::connect) async fn named(&self, place: &Place, name: &str) -> Result<Named, Error> {
        let [active, inactive] = filters(name);
        let first = [self.census(place, Some(&active)).await?, self.census(place, Some(&inactive)).await?];
        let second_inactive = self.census(place, Some(&inactive)).await?;
        let second = [self.census(place, Some(&active)).await?, second_inactive];
        let mut found = BTreeMap::new();
        for census in first.iter().chain(&second) {
            found.extend(census.of_name(name).map(|row| (row.unique_id.clone(), row)));
        }
        for (before, after) in first.iter().zip(&second) {
            if let Err(why) = before.agrees(after) {
                return Ok(Err(why));
            }
            if let Some(odd) = after.odd.iter().find(|odd| odd.may_be_named(name)) {
                return Ok(Err(odd.to_string()));
            }
        }
        Ok(Ok(found.into_values().collect()))
    }
}

/// Filters for the tenants of a name, in service and not. A name that the documented grammar cannot carry is looked for
/// in the whole list.
fn filters(name: &str) -> [String; 2] {
    let is_plain = !name.contains(['+', ':']) && name.trim() == name && !name.chars().any(char::is_control);
    ["true", "false"].map(|state| {
        let state = format!("activeStatus:{state}");
        if is_plain { format!("name:{name}+{state}") } else { state }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(ids: &[&str], (total, next): (i64, Option<i64>)) -> Page {
        let row = |id: &&str| SearchItem {
            unique_id: (*id).to_owned(),
            name: format!("name of {id}"),
            ..SearchItem::default()
        };
        Page {
            results: ids.iter().map(row).collect(),
            total_results: Some(total),
            next_page: next.is_some(),
            next_page_no: next,
            ..Page::default()
        }
    }

    fn read(pages: &[Page]) -> Census {
        let mut census = Census::default();
        for (index, page) in pages.iter().enumerate() {
            census.take(page.clone(), index == 0);
        }
        census
    }

    #[test]
    fn a_list_counts_only_where_two_whole_readings_are_the_same() {
        let whole = || read(&[page(&["a", "b"], (3, Some(2))), page(&["c"], (3, None))]);
        assert_eq!(whole().agrees(&whole()), Ok(()));
        let shifted = read(&[page(&["a", "b"], (3, Some(2))), page(&["b"], (3, None))]);
        assert_eq!(shifted.agrees(&whole()), Err("it has 3 tenants and shows 2".to_owned()));
        let shorter = read(&[page(&["a", "b"], (3, Some(2))), page(&["d"], (2, None))]);
        assert_eq!(whole().agrees(&shorter), Err("it has 2 tenants and shows 3".to_owned()));
        // One went and another came meanwhile: neither reading alone shows it.
        let other = read(&[page(&["a", "b"], (3, Some(2))), page(&["d"], (3, None))]);
        assert_eq!(whole().agrees(&other), Err("it changed while it was read".to_owned()));
    }

    #[test]
    fn a_name_that_the_grammar_cannot_carry_is_looked_for_in_the_whole_list() {
        assert_eq!(filters("Acme GmbH"), ["name:Acme GmbH+activeStatus:true", "name:Acme GmbH+activeStatus:false"]);
        for name in ["A+B", "A:B", " A"] {
            assert_eq!(filters(name), ["activeStatus:true", "activeStatus:false"], "{name}");
        }
    }
}
