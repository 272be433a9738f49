//! The page of the plugin, which is generated from its help.

use crate::{assets, plugin};

#[test]
fn the_page_says_what_the_help_says() {
    let written = std::fs::read_to_string(assets::root().join("docs/plugin.md")).unwrap_or_default();
    assert!(written == plugin::render_page(), "docs/plugin.md is stale: run `make crds`");
    for verb in ["list", "status", "pause", "reconcile", "check", "terminate"] {
        assert!(written.contains(&format!("\n## {verb}\n")), "{verb}");
    }
}
