//! Files of an earlier export, grouped by their partner.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::export::images_config_map_name;
use crate::manifest::YamlDocument;

/// Files by their path inside the folder, with the object in each.
#[derive(Default)]
pub(super) struct EarlierExport(BTreeMap<String, EarlierFile>);

struct EarlierFile {
    text: String,
    object: Value,
}

impl EarlierFile {
    fn text_at(&self, pointer: &str) -> &str {
        self.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    fn namespace(&self) -> &str {
        self.text_at("/metadata/namespace")
    }

    fn name(&self) -> &str {
        self.text_at("/metadata/name")
    }

    fn kind(&self) -> &str {
        self.text_at("/kind")
    }
}

impl EarlierExport {
    /// Adds a file.
    pub(super) fn add_file(&mut self, path: &str, text: String) {
        let object = YamlDocument::parse_all(&text).ok().and_then(|documents| documents.into_iter().next());
        let object = object.map(|document| document.value).unwrap_or_default();
        self.0.insert(path.to_owned(), EarlierFile { text, object });
    }

    /// Returns the files about these partners: Partners, Clients, their images and namespaces.
    pub(super) fn files_of_partners(self, partners: &BTreeSet<&str>) -> Vec<(String, String)> {
        let ids: BTreeMap<(&str, &str), &str> = self
            .0
            .values()
            .filter(|written| written.kind() == "Partner")
            .map(|written| ((written.namespace(), written.name()), written.text_at("/spec/adoption/uniqueId")))
            .collect();
        let partner = |written: &EarlierFile| match written.kind() {
            "Partner" => written.text_at("/spec/adoption/uniqueId").to_owned(),
            "Client" if written.object.pointer("/spec/partnerUniqueId").is_some() => {
                written.text_at("/spec/partnerUniqueId").to_owned()
            }
            "Client" => {
                let namespace = Some(written.text_at("/spec/partnerRef/namespace")).filter(|name| !name.is_empty());
                let key = (namespace.unwrap_or(written.namespace()), written.text_at("/spec/partnerRef/name"));
                ids.get(&key).copied().unwrap_or_default().to_owned()
            }
            _ => String::new(),
        };
        let (mut spaces, mut images) = (BTreeSet::new(), BTreeSet::new());
        let mut kept = BTreeSet::new();
        for (path, written) in &self.0 {
            if partners.contains(partner(written).as_str()) {
                kept.insert(path.clone());
                spaces.insert(written.namespace());
                images.insert((written.namespace(), images_config_map_name(written.kind(), written.name())));
            }
        }
        for (path, written) in &self.0 {
            let is_kept = match written.kind() {
                "ConfigMap" => images.contains(&(written.namespace(), written.name().to_owned())),
                "Namespace" => spaces.contains(written.name()),
                _ => false,
            };
            if is_kept {
                kept.insert(path.clone());
            }
        }
        self.0.into_iter().filter(|(path, _)| kept.contains(path)).map(|(path, written)| (path, written.text)).collect()
    }
}
