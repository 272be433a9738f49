//! Object names, derived from tenant names.

use std::collections::BTreeSet;

/// Longest slug: the limit of a namespace name, less the suffix that makes it unique.
const MAX_SLUG_LENGTH: usize = 50;

/// Letters and their usual transliterations.
const TRANSLITERATIONS: [(&str, &str); 16] = [
    ("äæ", "ae"),
    ("öœ", "oe"),
    ("ü", "ue"),
    ("ß", "ss"),
    ("àáâãåā", "a"),
    ("çćč", "c"),
    ("èéêëēęě", "e"),
    ("ìíîïī", "i"),
    ("ñńň", "n"),
    ("òóôõøō", "o"),
    ("ùúûūů", "u"),
    ("ýÿ", "y"),
    ("śšş", "s"),
    ("źżž", "z"),
    ("łľ", "l"),
    ("ďđð", "d"),
];

/// Converts a name into one that Kubernetes accepts: lower-case letters, digits and dashes.
pub(super) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.to_lowercase().chars() {
        let known = TRANSLITERATIONS.iter().find(|(letters, _)| letters.contains(letter)).map(|(_, plain)| *plain);
        match known {
            Some(plain) => slug.push_str(plain),
            None if letter.is_ascii_alphanumeric() => slug.push(letter),
            None if slug.ends_with('-') || slug.is_empty() => {}
            None => slug.push('-'),
        }
    }
    slug.truncate(MAX_SLUG_LENGTH);
    slug.trim_matches('-').to_owned()
}

/// Names that are in use.
#[derive(Default)]
pub(super) struct UsedNames(BTreeSet<String>);

impl UsedNames {
    /// Reserves a name that must be kept.
    pub(super) fn reserve_name(&mut self, name: &str) {
        self.0.insert(name.to_owned());
    }

    /// Assigns a name to a tenant. The first of two with the same slug gets it, the other one gets its id added. If
    /// tenants are added in the order of their ids, later tenants never change earlier names.
    pub(super) fn assign_name(&mut self, name: &str, id: &str) -> String {
        let slug = slug(name);
        let id = self::slug(id);
        let candidates = [slug.clone(), format!("{slug}-{id}"), id.clone(), format!("tenant-{id}")];
        let is_fit = |name: &String| !name.is_empty() && !name.starts_with('-') && !self.0.contains(name);
        let chosen = candidates.into_iter().find(is_fit).unwrap_or(id);
        self.0.insert(chosen.clone());
        chosen
    }
}

/// Returns whether a namespace belongs to the cluster itself.
pub(super) fn is_system_namespace(namespace: &str) -> bool {
    namespace == "default" || namespace.starts_with("kube-") || namespace == "tenantry-system"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_one_that_kubernetes_takes() {
        for (name, expected) in [
            ("Globex GmbH", "globex-gmbh"),
            ("Müller & Söhne  (Süd)", "mueller-soehne-sued"),
            ("日本", ""),
            ("--A--", "a"),
            ("Łódź", "lodz"),
        ] {
            assert_eq!(slug(name), expected, "{name}");
        }
        assert!(slug(&"long name ".repeat(20)).len() <= MAX_SLUG_LENGTH);
    }

    #[test]
    fn two_of_one_name_are_told_apart_by_their_ids() {
        let mut taken = UsedNames::default();
        assert_eq!(taken.assign_name("Globex", "client_3"), "globex");
        assert_eq!(taken.assign_name("GLOBEX!", "client_4"), "globex-client-4");
        assert_eq!(taken.assign_name("日本", "client_5"), "client-5");
    }
}
