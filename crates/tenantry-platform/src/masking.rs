//! Mask Resource Identity Management: makes MAC addresses, IP addresses and host names unreadable in every position.
//!
//! Two rules apply. A member whose name says that it holds an identity (`hostName`, `ipAddress`, ...) is masked
//! completely, and its value is masked in every other text of the record too. In all other texts, each word with the
//! form of an address or a host name is masked. In doubt a word is masked: showing too little is a nuisance, showing
//! too much is a leak.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value};

use super::limits;

/// Text that replaces an identity.
pub(super) const MASK: &str = "****";

/// Words of a member name that mark an identity, and parts of its joined words that do.
const IDENTITY_WORDS: [&str; 11] =
    ["host", "hosts", "ip", "ips", "ipv4", "ipv6", "mac", "macs", "dns", "fqdn", "fqdns"];
const IDENTITY_PARTS: [&str; 3] = ["hostname", "ipaddr", "macaddr"];

/// Returns a record with its identities masked.
pub(super) fn mask_record(value: Value) -> Value {
    let mut known = KnownIdentities::default();
    collect_identities(&value, false, &mut known);
    mask_value(value, false, &known)
}

/// Values of members that hold an identity, in lower case.
#[derive(Default)]
struct KnownIdentities {
    texts: HashSet<String>,
    /// Lengths of these values; a text of another length needs no search.
    lengths: BTreeSet<usize>,
}

impl KnownIdentities {
    fn add(&mut self, text: &str) {
        let text = text.to_lowercase();
        self.lengths.insert(text.len());
        self.texts.insert(text);
    }

    /// Returns whether a lower-case text is one of these values.
    fn contains(&self, lower: &str) -> bool {
        self.lengths.contains(&lower.len()) && self.texts.contains(lower)
    }
}

/// Returns whether a member name marks an identity: `hostName`, `management_ip`, `IPv4Address`, but neither `ghost` nor
/// `zip`.
fn is_identity_name(name: &str) -> bool {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for character in name.chars() {
        let starts = character.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit());
        if starts || !character.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| character.is_alphanumeric()) {
            word.extend(character.to_lowercase());
        }
        before = character;
    }
    words.iter().any(|word| IDENTITY_WORDS.contains(&word.as_str()))
        || IDENTITY_PARTS.iter().any(|within| words.concat().contains(within))
}

fn collect_identities(value: &Value, is_identity: bool, known: &mut KnownIdentities) {
    match value {
        Value::String(text) if is_identity && text.trim().len() > 1 => known.add(text.trim()),
        Value::Array(list) => list.iter().for_each(|value| collect_identities(value, is_identity, known)),
        Value::Object(members) => {
            members
                .iter()
                .for_each(|(name, value)| collect_identities(value, is_identity || is_identity_name(name), known));
        }
        _ => {}
    }
}

fn mask_value(value: Value, is_identity: bool, known: &KnownIdentities) -> Value {
    match value {
        Value::String(text) if text.is_empty() => Value::String(text),
        Value::String(_) | Value::Number(_) if is_identity => Value::String(MASK.to_owned()),
        Value::String(text) => Value::String(mask_words(&text, known)),
        Value::Array(list) => list.into_iter().map(|value| mask_value(value, is_identity, known)).collect(),
        Value::Object(members) => Value::Object(mask_members(members, is_identity, known)),
        other => other,
    }
}

/// Masks member names too, because they can be addresses, for example in a map by host.
fn mask_members(members: Map<String, Value>, is_identity: bool, known: &KnownIdentities) -> Map<String, Value> {
    let mut masked = Map::new();
    // Number of members for each masked name. Without it, two hosts would become one member. A number keeps the names
    // short if many of them have the same mask.
    let mut taken: HashMap<String, usize> = HashMap::new();
    for (name, value) in members {
        let value = self::mask_value(value, is_identity || is_identity_name(&name), known);
        let shown = mask_words(&name, known);
        let mut unique = shown.clone();
        while masked.contains_key(&unique) {
            let count = taken.entry(shown.clone()).or_insert(1);
            *count += 1;
            unique = format!("{shown} ({count})");
        }
        masked.insert(unique, value);
    }
    masked
}

/// Masks the words of a text that are identities.
fn mask_words(text: &str, known: &KnownIdentities) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_word_char) {
        let (before, from) = rest.split_at(start);
        let (word, after) = from.split_at(from.find(|character| !is_word_char(character)).unwrap_or(from.len()));
        shown.push_str(before);
        append_masked_word(&mut shown, word, known);
        rest = after;
    }
    shown.push_str(rest);
    shown
}

fn is_word_char(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '.' | ':' | '-' | '_' | '\u{3002}' | '\u{ff0e}')
}

/// Separators between the parts of a word.
const SEPARATORS: [char; 4] = ['.', ':', '-', '_'];

/// Masks a word, or the part of it that follows a separator: a word can begin with a label, as in `host:10.0.0.1` or
/// `at-10.0.0.1`. Each part is examined once: if a rest of the word is an identity, so is the complete word. The
/// exceptions are a known value, a MAC address in groups of four, and a host name after a colon.
fn append_masked_word(shown: &mut String, word: &str, known: &KnownIdentities) {
    let core = word.trim_matches(SEPARATORS);
    if core.is_empty() {
        shown.push_str(word);
        return;
    }
    if word.len() > limits::MAX_ANALYSED_WORD_BYTES || is_identity_word(word) {
        shown.push_str(MASK);
        return;
    }
    // Separators have no case, so both forms have the same ones.
    let lower = word.to_lowercase();
    let (mut word, mut lower) = (WordCursor::new(word), WordCursor::new(&lower));
    let mut after_colon = true;
    while !word.is_empty() {
        let core = word.trimmed_rest();
        if known.contains(lower.trimmed_rest()) || is_mac(core) || (after_colon && is_host_name(core)) {
            shown.push_str(MASK);
            return;
        }
        let (segment, lower_segment) = (word.segment(), lower.segment());
        let alone = segment.trim_matches('.');
        let hides = known.contains(lower_segment.trim_matches('.')) || is_mac(alone);
        shown.push_str(if hides { MASK } else { segment });
        let separator = word.skip_segment();
        lower.skip_segment();
        shown.extend(separator);
        after_colon = separator == Some(':');
    }
}

/// The part of a word that is not yet examined.
struct WordCursor<'w> {
    word: &'w str,
    start: usize,
    /// Start of the first part at or after `start`, and end of the last part.
    core: usize,
    end: usize,
}

impl<'w> WordCursor<'w> {
    fn new(word: &'w str) -> Self {
        Self { word, start: 0, core: 0, end: word.trim_end_matches(SEPARATORS).len() }
    }

    fn is_empty(&self) -> bool {
        self.start >= self.word.len()
    }

    /// Returns the rest without the separators around it.
    fn trimmed_rest(&mut self) -> &'w str {
        // The position never moves back, so each separator is passed only once.
        self.core = self.core.max(self.start);
        let from = self.word.get(self.core..self.end).unwrap_or_default();
        self.core += from.len() - from.trim_start_matches(SEPARATORS).len();
        self.word.get(self.core..self.end).unwrap_or_default()
    }

    /// Returns the text before the next separator.
    fn segment(&self) -> &'w str {
        let rest = self.word.get(self.start..).unwrap_or_default();
        rest.split([':', '_', '-']).next().unwrap_or_default()
    }

    /// Moves past the next separator and returns it.
    fn skip_segment(&mut self) -> Option<char> {
        self.start += self.segment().len();
        let separator = self.word.get(self.start..).and_then(|rest| rest.chars().next());
        self.start += 1;
        separator
    }
}

/// Returns whether a word contains an address. Addresses are recognized inside longer words too, for example in
/// `eth0-aa:bb:cc:dd:ee:ff` or `10.0.0.1.in-addr`.
fn is_identity_word(word: &str) -> bool {
    word.contains("::")
        || has_run(word, 4, |part| part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit()))
        || has_run(word, 6, |part| part.len() == 2 && is_hex(part))
        || has_run(word, 8, |part| part.len() <= 4 && is_hex(part))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns whether a word is three groups of four hexadecimal digits. Groups of two are found by [`has_run`].
fn is_mac(word: &str) -> bool {
    word.len() == 14
        && ['.', ':', '-']
            .iter()
            .any(|seam| word.split(*seam).count() == 3 && word.split(*seam).all(|part| part.len() == 4 && is_hex(part)))
}

/// Returns whether `length` consecutive parts satisfy `is`.
fn has_run(word: &str, length: usize, is: impl Fn(&str) -> bool) -> bool {
    let mut run = 0;
    word.split(SEPARATORS).any(|part| {
        run = if !part.is_empty() && is(part) { run + 1 } else { 0 };
        run == length
    })
}

/// Returns whether a word has two consecutive labels of which the second is not a number: `db1.acme.example`, also
/// `db1.acme.example:5432`, and also with the text that follows a full stop.
fn is_host_name(word: &str) -> bool {
    let name = word.split(':').next().unwrap_or_default();
    let is_end = |label: &str| label.chars().nth(1).is_some() && label.chars().any(char::is_alphabetic);
    let mut before = "";
    name.split(['.', '\u{3002}', '\u{ff0e}']).any(|label| {
        let found = !before.is_empty() && is_end(label);
        before = label;
        found
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn mask_text(text: &str) -> String {
        mask_words(text, &KnownIdentities::default())
    }

    #[test]
    fn addresses_and_host_names_are_masked_in_any_text() {
        for (text, masked) in [
            ("ping 10.1.2.3 failed", "ping **** failed"),
            ("http://db1.acme.example:8443/x?a=1", "http://****/x?a=1"),
            ("[2001:db8::7]:443 and fe80::1%eth0, ::1.", "[****]:443 and ****%eth0, ****"),
            ("2001:db8:0:0:0:0:0:7", "****"),
            ("mac aa:bb:cc:dd:ee:ff, AA-BB-CC-DD-EE-FF, aabb.ccdd.eeff", "mac ****, ****, ****"),
            ("eth0_aa:bb:cc:dd:ee:ff", "****"),
            ("10.0.0.0/8 via src=10.0.0.1.", "****/8 via src=****"),
            ("noc@acme.example wrote", "noc@**** wrote"),
            ("aa.aa.a, db1.acme.\u{b9}; db1.acme..x", "****, ****; ****"),
            (
                "CPU at 95.5 % since 10:15, version 5.15, Switch-7 is up.",
                "CPU at 95.5 % since 10:15, version 5.15, Switch-7 is up.",
            ),
            ("", ""),
        ] {
            assert_eq!(mask_text(text), masked, "{text}");
        }
    }

    #[test]
    fn members_that_hold_an_identity_are_masked_whole_and_wherever_else_they_are_named() {
        let record = json!({
            "hostName": "core1", "management_ip": "10.0.0.1", "interfaces": [{ "macAddress": "aabbccddeeff", "speed": 10 }],
            "subject": "core1 is down; see CORE1-backup", "zip": "53113", "ghost": "Casper", "ipv4": 167_772_161,
            "peers": { "db1.acme.example": "up", "db2.acme.example": "down" }, "up": true, "note": null,
        });
        let shown = json!({
            "hostName": "****", "management_ip": "****", "interfaces": [{ "macAddress": "****", "speed": 10 }],
            "subject": "**** is down; see ****-backup", "zip": "53113", "ghost": "Casper", "ipv4": "****",
            "peers": { "****": "up", "**** (2)": "down" }, "up": true, "note": null,
        });
        assert_eq!(mask_record(record), shown);
    }

    fn identity() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
            any::<std::net::Ipv6Addr>().prop_map(|address| address.to_string()),
            ("[:-]", proptest::array::uniform6(any::<u8>()))
                .prop_map(|(seam, bytes)| { bytes.map(|byte| format!("{byte:02x}")).join(&seam) }),
            "[a-z][a-z0-9-]{0,8}[a-z0-9](\\.[a-z][a-z0-9]{1,8}){1,3}",
        ]
    }

    #[test]
    fn many_names_that_mask_to_the_same_stay_short_and_are_all_there() {
        let peers: Map<String, Value> =
            (0..1000).map(|number| (format!("h{number}.acme.example"), json!(number))).collect();
        let shown = mask_record(json!({ "peers": peers }));
        let shown = shown["peers"].as_object().unwrap();
        assert_eq!(shown.len(), 1000);
        assert!(shown.keys().all(|name| name.starts_with(MASK) && name.len() <= "**** (1000)".len()));
    }

    #[test]
    fn a_word_of_any_length_and_kind_of_seam_is_masked_in_one_loop() {
        let known = "core1";
        for seam in ["_", "-", ":", ".", ":-", "-.", "_:", "..", "-_:.", "\u{3002}"] {
            for part in ["z", "zz", "12", "aabb", "core1", "Σ", ""] {
                let word = format!("{part}{seam}").repeat(60_000 / (part.len() + seam.len()));
                let shown = mask_record(json!({ "hostName": known, "note": word, "short": word.get(..1000) }));
                let shown = shown["note"].as_str().unwrap();
                // A part that has only separators hides nothing.
                assert_eq!(shown == MASK, !part.is_empty() || seam == "\u{3002}", "{part}{seam}: {shown:.40}");
            }
        }
    }

    proptest! {
        /// shows: seeds/monitoring-add-ons/mask
        #[test]
        fn no_identity_is_read_whatever_stands_around_it(
            before in "[a-zA-Z ,;/=(\\[]{0,12}[ ,;/=(\\[]",
            identity in identity(),
            after in "([ ,;/=)\\].].{0,12})?",
        ) {
            // Sentences that run into a host name.
            for after in [after, ".a".to_owned(), ".\u{b9} ".to_owned(), "..x".to_owned(), ".-".to_owned()] {
                let text = format!("{before}{identity}{after}");
                let shown = mask_record(json!({ "text": text, "list": [{ "x": identity.clone() }] }));
                prop_assert!(!shown["text"].as_str().unwrap().contains(&identity), "{shown}");
                prop_assert_eq!(&shown["list"][0]["x"], MASK);
            }
        }
    }
}
