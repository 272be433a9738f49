//! Reads paginated lists so that what is absent from them is absent from the platform. Pages shift while they are read:
//! a tenant that moves from a later page to one that was already read appears on none.

use std::collections::BTreeMap;

use tenantry_core::Place;
use tenantry_wire::TenantSearchItem;

use super::super::active_tenants::{ListedTenant, TenantListing};
use super::super::error::CallError;
use super::super::mapping::{TenantPage, UnreadableRow};
use super::RequestSession;

/// A list with more pages than this is assumed to have no end.
const MAX_PAGES: i64 = 1000;

/// One reading of a list, from its first page to its last.
#[derive(Default)]
pub(crate) struct PagedListRead {
    /// Includes the terminated tenants.
    rows: BTreeMap<String, TenantSearchItem>,
    unreadable: Vec<UnreadableRow>,
    total: Option<i64>,
    /// A fault that this reading alone reveals.
    fault: Option<String>,
}

/// Every row of a list by its id, and the rows that do not identify their tenant.
pub(crate) type AllRows = (BTreeMap<String, TenantSearchItem>, Vec<UnreadableRow>);

/// The tenants of one name, or why they are not known.
pub(crate) type NamedTenants = Result<Vec<ListedTenant>, String>;

impl PagedListRead {
    /// Checks that two readings show the same complete list.
    ///
    /// # Errors
    /// The fault of one of them, or that they differ.
    pub(crate) fn check_agreement(&self, other: &Self) -> Result<(), String> {
        if let Some(fault) = self.fault.as_ref().or(other.fault.as_ref()) {
            return Err(fault.clone());
        }
        if !self.rows.keys().eq(other.rows.keys())
            || self.total != other.total
            || self.unreadable.len() != other.unreadable.len()
        {
            return Err("it changed while it was read".to_owned());
        }
        Ok(())
    }

    /// Returns the live tenants of the reading.
    pub(crate) fn into_listing(self) -> TenantListing {
        TenantListing::from_rows(self.rows.into_values(), self.unreadable)
    }

    /// Returns every row, if the reading is consistent in itself.
    ///
    /// # Errors
    /// The fault of the reading.
    pub(crate) fn into_all_rows(self) -> Result<AllRows, String> {
        match self.fault {
            None => Ok((self.rows, self.unreadable)),
            Some(fault) => Err(fault),
        }
    }

    /// Returns whether the reading contains a tenant.
    pub(crate) fn has_tenant(&self, id: &str) -> bool {
        self.rows.contains_key(id)
    }

    /// Returns the live tenants of a name.
    fn tenants_named(&self, name: &str) -> impl Iterator<Item = ListedTenant> {
        self.rows.values().filter(move |row| row.name == name).cloned().filter_map(ListedTenant::from_search_item)
    }

    /// Adds a page; returns the number of the next one.
    fn add_page(&mut self, page: TenantPage, is_first: bool) -> Option<i64> {
        let TenantPage { results, unreadable: odd, total_results, next_page, next_page_no } = page;
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
        self.unreadable.extend(odd);
        if is_last {
            let seen = i64::try_from(self.rows.len() + self.unreadable.len()).unwrap_or(i64::MAX);
            if let Some(total) = self.total.filter(|total| *total != seen) {
                self.fault = Some(format!("it has {total} tenants and shows {seen}"));
            }
            return None;
        }
        Some(next_page_no.unwrap_or_default())
    }
}

impl RequestSession<'_> {
    /// Reads a list to its end.
    pub(crate) async fn read_list(&self, place: &Place, filter: Option<&str>) -> Result<PagedListRead, CallError> {
        let mut census = PagedListRead::default();
        let mut page_no = 1;
        while page_no <= MAX_PAGES {
            let page = self.fetch_page(place, page_no, filter).await?;
            let Some(next) = census.add_page(page, page_no == 1) else { return Ok(census) };
            page_no = next.max(page_no + 1);
        }
        Err(endless_list_error())
    }

    /// Finds the live tenants of exactly this name, in service or not.
    pub(crate) async fn find_tenants_named(&self, place: &Place, name: &str) -> Result<NamedTenants, CallError> {
        let filters = name_filters(name);
        let mut lookup = NameLookup::default();
        while let Some((list, page_no)) = lookup.next_page() {
            lookup.add_page(self.fetch_page(place, page_no, Some(&filters[list])).await?)?;
        }
        Ok(lookup.matching_tenants(name))
    }
}

/// A lookup of tenants by name, page by page. An empty result counts only if both lists, in service and not, were read
/// to their end twice, alternately, and were the same. A tenant is then missed only if its state changes between each
/// two of the four readings.
#[derive(Default)]
struct NameLookup {
    readings: Vec<PagedListRead>,
    reading: PagedListRead,
    page_no: i64,
}

impl NameLookup {
    /// Returns the list and the page to read next; `None` if all were read.
    fn next_page(&self) -> Option<(usize, i64)> {
        (self.readings.len() < 4).then_some((self.readings.len() % 2, self.page_no.max(1)))
    }

    fn add_page(&mut self, page: TenantPage) -> Result<(), CallError> {
        match self.reading.add_page(page, self.page_no <= 1) {
            None => {
                self.readings.push(std::mem::take(&mut self.reading));
                self.page_no = 1;
            }
            Some(next) => self.page_no = next.max(self.page_no.max(1) + 1),
        }
        if self.page_no > MAX_PAGES { Err(endless_list_error()) } else { Ok(()) }
    }

    fn matching_tenants(&self, name: &str) -> NamedTenants {
        let mut found = BTreeMap::new();
        for census in &self.readings {
            found.extend(census.tenants_named(name).map(|row| (row.unique_id.clone(), row)));
        }
        for (before, after) in self.readings.iter().zip(self.readings.iter().skip(2)) {
            before.check_agreement(after)?;
            if let Some(odd) = after.unreadable.iter().find(|odd| !odd.is_terminated && odd.may_have_name(name)) {
                return Err(odd.to_string());
            }
        }
        Ok(found.into_values().collect())
    }
}

fn endless_list_error() -> CallError {
    CallError::malformed_answer(format!("the list has more than {MAX_PAGES} pages"))
}

/// Returns the filters for the tenants of a name, in service and not. If the documented grammar cannot carry the name,
/// the complete list is searched.
fn name_filters(name: &str) -> [String; 2] {
    let is_plain = !name.contains(['+', ':']) && name.trim() == name && !name.chars().any(char::is_control);
    ["true", "false"].map(|state| {
        let state = format!("activeStatus:{state}");
        if is_plain { format!("name:{name}+{state}") } else { state }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(ids: &[&str], (total, next): (i64, Option<i64>)) -> TenantPage {
        let row = |id: &&str| TenantSearchItem {
            unique_id: (*id).to_owned(),
            name: format!("name of {id}"),
            ..TenantSearchItem::default()
        };
        TenantPage {
            results: ids.iter().map(row).collect(),
            total_results: Some(total),
            next_page: next.is_some(),
            next_page_no: next,
            ..TenantPage::default()
        }
    }

    fn read_pages(pages: &[TenantPage]) -> PagedListRead {
        let mut census = PagedListRead::default();
        for (index, page) in pages.iter().enumerate() {
            census.add_page(page.clone(), index == 0);
        }
        census
    }

    #[test]
    fn a_list_counts_only_where_two_whole_readings_are_the_same() {
        let whole = || read_pages(&[page(&["a", "b"], (3, Some(2))), page(&["c"], (3, None))]);
        assert_eq!(whole().check_agreement(&whole()), Ok(()));
        let shifted = read_pages(&[page(&["a", "b"], (3, Some(2))), page(&["b"], (3, None))]);
        assert_eq!(shifted.check_agreement(&whole()), Err("it has 3 tenants and shows 2".to_owned()));
        let shorter = read_pages(&[page(&["a", "b"], (3, Some(2))), page(&["d"], (2, None))]);
        assert_eq!(whole().check_agreement(&shorter), Err("it has 2 tenants and shows 3".to_owned()));
        // One tenant was removed and another created meanwhile: neither reading alone shows it.
        let other = read_pages(&[page(&["a", "b"], (3, Some(2))), page(&["d"], (3, None))]);
        assert_eq!(whole().check_agreement(&other), Err("it changed while it was read".to_owned()));
    }

    /// Whether each tenant is in service, by id; the last one is the one to find.
    #[derive(Clone)]
    struct TwoListPlatform(Vec<bool>);

    /// A change between two pages.
    #[derive(Clone, Copy, Debug)]
    enum ListEvent {
        Toggle(usize),
        Make(bool),
    }

    const ROWS: usize = 2;
    const SOUGHT_ID: usize = 3;

    impl TwoListPlatform {
        fn page(&self, (list, page_no): (usize, i64)) -> TenantPage {
            let ids: Vec<usize> = (0..self.0.len()).filter(|id| self.0[*id] == (list == 0)).collect();
            let row = |id: &usize| TenantSearchItem {
                unique_id: id.to_string(),
                name: if *id == SOUGHT_ID { "Globex".to_owned() } else { format!("Sibling {id}") },
                ..TenantSearchItem::default()
            };
            let until = usize::try_from(page_no).unwrap() * ROWS;
            let next_page = until < ids.len();
            TenantPage {
                results: ids.iter().skip(until - ROWS).take(ROWS).map(row).collect(),
                total_results: i64::try_from(ids.len()).ok(),
                next_page,
                next_page_no: next_page.then_some(page_no + 1),
                ..TenantPage::default()
            }
        }

        fn apply_event(&mut self, event: ListEvent) {
            match event {
                ListEvent::Toggle(id) => self.0[id] = !self.0[id],
                ListEvent::Make(is_active) => self.0.push(is_active),
            }
        }
    }

    /// Runs a lookup while the events happen, each before the page of its number.
    fn search_during(mut platform: TwoListPlatform, events: &[(usize, ListEvent)]) -> NamedTenants {
        let mut lookup = NameLookup::default();
        for number in 0.. {
            for (_, event) in events.iter().filter(|(at, _)| *at == number) {
                platform.apply_event(*event);
            }
            let Some(asked) = lookup.next_page() else { break };
            lookup.add_page(platform.page(asked)).unwrap();
        }
        lookup.matching_tenants("Globex")
    }

    /// Covers every platform of four tenants in two lists with pages of two, and up to three events at every position:
    /// an existing tenant is never considered absent, unless it changes its own state three times.
    #[test]
    fn in_no_order_of_events_is_a_living_tenant_absent() {
        let all: Vec<ListEvent> =
            (0..=SOUGHT_ID).map(ListEvent::Toggle).chain([true, false].map(ListEvent::Make)).collect();
        let places: Vec<(usize, ListEvent)> =
            (1..10).flat_map(|at| all.iter().map(move |event| (at, *event))).collect();
        let (mut ran, mut known) = (0, 0);
        let mut judge = |world: &TwoListPlatform, events: &[(usize, ListEvent)]| {
            ran += 1;
            let own = events.iter().filter(|(_, event)| matches!(event, ListEvent::Toggle(SOUGHT_ID))).count();
            if let Ok(found) = search_during(world.clone(), events) {
                known += 1;
                assert!(!found.is_empty() || own == 3, "{:?} {events:?}", world.0);
            }
        };
        for states in 0_u8..16 {
            let world = TwoListPlatform((0..4).map(|id| states >> id & 1 == 1).collect());
            judge(&world, &[]);
            for (index, first) in places.iter().enumerate() {
                judge(&world, &[*first]);
                for (after, second) in places.iter().enumerate().skip(index) {
                    judge(&world, &[*first, *second]);
                    for third in places.iter().skip(after) {
                        judge(&world, &[*first, *second, *third]);
                    }
                }
            }
        }
        println!("{ran} looks, {known} of them known");
        assert!(known > 16 && known < ran / 2, "{ran} {known}");
    }

    #[test]
    fn a_name_that_the_grammar_cannot_carry_is_looked_for_in_the_whole_list() {
        assert_eq!(
            name_filters("Acme GmbH"),
            ["name:Acme GmbH+activeStatus:true", "name:Acme GmbH+activeStatus:false"]
        );
        for name in ["A+B", "A:B", " A"] {
            assert_eq!(name_filters(name), ["activeStatus:true", "activeStatus:false"], "{name}");
        }
    }
}
