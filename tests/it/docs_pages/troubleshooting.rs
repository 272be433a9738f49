//! The reasons for which READY is Unknown.

use std::collections::BTreeSet;
use std::fs;

use crate::assets;

/// Returns the reasons with which a source text sets Ready to Unknown, without those that are only a variable there.
fn unknown(source: &str) -> BTreeSet<&str> {
    const READY: [&str; 2] = ["ConditionType::Ready, ", "with_sync_conditions(report, "];
    let parts: Vec<&str> = source.split("ConditionStatus::Unknown, Reason::").collect();
    let of_ready =
        parts.windows(2).filter(|pair| READY.iter().any(|call| pair[0].trim_end().ends_with(call.trim_end())));
    of_ready.filter_map(|pair| pair[1].split([',', ')']).next()).collect()
}

#[test]
fn each_reason_for_which_ready_is_unknown_has_a_row() {
    let read = |path: &str| fs::read_to_string(assets::root().join(path)).unwrap();
    let source =
        read("crates/tenantry-core/src/conditions.rs") + &read("crates/tenantry-core/src/conditions/settled.rs");
    let page = read("docs/troubleshooting.md");
    // The formatter may put arguments on separate lines.
    let source = source.split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(");
    let (_, rest) = page.split_once("\n## 4. READY is Unknown or empty\n").unwrap();
    let section = rest.split("\n## ").next().unwrap();
    let reasons = unknown(&source);
    assert!(["ManagementPaused", "AnswerNotUnderstood"].iter().all(|one| reasons.contains(one)), "{reasons:?}");
    let missing: Vec<&str> =
        reasons.into_iter().filter(|reason| !section.contains(&format!("\n| `{reason}` |"))).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    // After half an hour of failed reads the reason is that of the last failure.
    assert!(section.contains("\n| any other,"), "{section}");
}
