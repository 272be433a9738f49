//! The pictures of the README. A test takes them, and they are stale as soon as the pages that they show change.
//!
//! Pixels differ between machines, so the test compares the page and not the picture: a digest of the markup and the
//! stylesheet is stored beside each picture. The names of images in these contain the images' digests.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

use super::session::BrowserSession;
use crate::assets;
use crate::digests::sha256;
use crate::platform::TestPlatform;

/// The digests of a page and of its picture. Both must be unchanged.
#[derive(Debug, Deserialize, PartialEq, Eq, Serialize)]
struct PictureDigests {
    page: String,
    picture: String,
}

/// A picture of a page.
pub(super) struct Screenshot {
    name: &'static str,
    page: String,
    /// As PNG.
    pub(super) picture: Vec<u8>,
}

impl Screenshot {
    /// Takes a picture of the page that a browser shows, and requests the page's text from the platform again.
    pub(super) async fn take_screenshot(
        browser: &BrowserSession,
        platform: &TestPlatform,
        (name, path): (&'static str, &str),
    ) -> Self {
        let read = |path: String| async move {
            reqwest::get(format!("{}{path}", platform.url())).await.unwrap().text().await.unwrap()
        };
        let markup = without_token(&read(path.to_owned()).await);
        let (_, rest) = markup.split_once("rel=\"stylesheet\" href=\"").unwrap();
        let sheet = read(rest.split('"').next().unwrap().to_owned()).await;
        Self { name, page: sha256_digest((markup + &sheet).as_bytes()), picture: browser.take_screenshot(name).await }
    }
}

/// Removes the form tokens, which differ in each browser.
fn without_token(markup: &str) -> String {
    let (before, rest) = markup.split_once("name=\"form\" value=\"").unwrap();
    format!("{before}{}", rest.split_once('"').unwrap().1)
}

fn sha256_digest(bytes: &[u8]) -> String {
    sha256(bytes)
}

/// Compares with the pictures in `docs/images`, or writes them with `TENANTRY_SCREENSHOTS=write`.
pub(super) fn compare_or_write(shots: &[Screenshot]) {
    let folder = assets::root().join("docs/images");
    let list = folder.join("taken.json");
    if std::env::var_os("TENANTRY_SCREENSHOTS").is_some_and(|wish| wish == "write") {
        fs::create_dir_all(&folder).unwrap();
        let mut taken = BTreeMap::new();
        for Screenshot { name, page, picture } in shots {
            fs::write(folder.join(format!("{name}.png")), picture).unwrap();
            taken.insert(*name, PictureDigests { page: page.clone(), picture: sha256_digest(picture) });
        }
        fs::write(&list, serde_json::to_string_pretty(&taken).unwrap() + "\n").unwrap();
    }
    let again = "`TENANTRY_SCREENSHOTS=write cargo test --test it browser::looks` takes them anew";
    let text = fs::read_to_string(&list).unwrap_or_else(|error| panic!("{}: {error}; {again}", list.display()));
    let taken: BTreeMap<String, PictureDigests> = serde_json::from_str(&text).unwrap();
    let names: Vec<&str> = shots.iter().map(|shot| shot.name).collect();
    assert!(taken.keys().all(|name| names.contains(&name.as_str())), "{} lists what nobody takes", list.display());
    let readme = fs::read_to_string(assets::root().join("README.md")).unwrap();
    for Screenshot { name, page, .. } in shots {
        let file = folder.join(format!("{name}.png"));
        let picture = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}; {again}", file.display()));
        let found = PictureDigests { page: page.clone(), picture: sha256_digest(&picture) };
        assert_eq!(taken.get(*name), Some(&found), "the page `{name}` is not the one in docs/images; {again}");
        assert!(readme.contains(&format!("](docs/images/{name}.png)")), "README.md does not show {name}.png");
    }
}
