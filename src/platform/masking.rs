//! Mask Resource Identity Management: MAC addresses, IP addresses and host names, unreadable wherever they stand.
//!
//! Two rules. A member that by its name holds an identity (`hostName`, `ipAddress`, ...) is masked whole, and what it said
//! is masked in every other text of the record too. In all other texts each word that looks like an address or a host name
//! is masked. Where in doubt a word is masked: too little shown is a nuisance, too much is a leak.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value};

/// What stands instead.
pub(super) const MASK: &str = "****";

/// Words of member names that hold an identity, and what they may be part of.
const IDENTITIES: [&str; 11] = ["host", "hosts", "ip", "ips", "ipv4", "ipv6", "mac", "macs", "dns", "fqdn", "fqdns"];
const WITHIN: [&str; 3] = ["hostname", "ipaddr", "macaddr"];

/// A record with its identities masked.
pub(super) fn mask(value: Value) -> Value {
    let mut known = BTreeSet::new();
    collect(&value, false, &mut known);
    masked(value, false, &known)
}

/// `hostName`, `management_ip`, `IPv4Address`, but neither `ghost` nor `zip`.
fn is_identity(name: &str) -> bool {
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
    words.iter().any(|word| IDENTITIES.contains(&word.as_str()))
        || WITHIN.iter().any(|within| words.concat().contains(within))
}

fn collect(value: &Value, identity: bool, known: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if identity && text.trim().len() > 1 => {
            known.insert(text.trim().to_lowercase());
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, identity, known)),
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| collect(value, identity || is_identity(name), known));
        }
        _ => {}
    }
}

fn masked(value: Value, identity: bool, known: &BTreeSet<String>) -> Value {
    match value {
        Value::String(text) if text.is_empty() => Value::String(text),
        Value::String(_) | Value::Number(_) if identity => Value::String(MASK.to_owned()),
        Value::String(text) => Value::String(words(&text, known)),
        Value::Array(list) => list.into_iter().map(|value| masked(value, identity, known)).collect(),
        Value::Object(members) => Value::Object(members_masked(members, identity, known)),
        other => other,
    }
}

/// Names of members can be addresses too, of a map by host for example.
fn members_masked(members: Map<String, Value>, identity: bool, known: &BTreeSet<String>) -> Map<String, Value> {
    let mut masked = Map::new();
    for (name, value) in members {
        let value = self::masked(value, identity || is_identity(&name), known);
        let mut shown = words(&name, known);
        // Two hosts would else become one member.
        while masked.contains_key(&shown) {
            shown += "*";
        }
        masked.insert(shown, value);
    }
    masked
}

/// Masks the words of a text that are identities.
fn words(text: &str, known: &BTreeSet<String>) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut word = String::new();
    for character in text.chars() {
        if is_part(character) {
            word.push(character);
        } else {
            push(&mut shown, &word, known);
            word.clear();
            shown.push(character);
        }
    }
    push(&mut shown, &word, known);
    shown
}

fn is_part(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '.' | ':' | '-' | '_' | '\u{3002}' | '\u{ff0e}')
}

fn push(shown: &mut String, word: &str, known: &BTreeSet<String>) {
    let core = word.trim_matches(['.', ':', '-', '_']);
    // A word can begin with a label, as in `host:10.0.0.1` or `at-10.0.0.1`.
    if core.is_empty() {
        shown.push_str(word);
    } else if is_identity_word(word, core, known) {
        shown.push_str(MASK);
    } else if let Some((start, rest)) = word.split_once([':', '_', '-']) {
        let seam = word.len() - rest.len() - 1;
        push(shown, start, known);
        shown.push_str(&word[seam..=seam]);
        push(shown, rest, known);
    } else {
        shown.push_str(word);
    }
}

fn is_identity_word(word: &str, core: &str, known: &BTreeSet<String>) -> bool {
    known.contains(&core.to_lowercase())
        || core.parse::<IpAddr>().is_ok()
        // Whatever stands around them, `eth0-aa:bb:cc:dd:ee:ff` or `10.0.0.1.in-addr`, gives them away too.
        || word.contains("::")
        || is_mac(core)
        || has_run(word, 4, |part| part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit()))
        || has_run(word, 6, |part| part.len() == 2 && is_hex(part))
        || has_run(word, 8, |part| part.len() <= 4 && is_hex(part))
        || is_host(core)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Three fours of hexadecimal digits; pairs are a run.
fn is_mac(word: &str) -> bool {
    ['.', ':', '-']
        .iter()
        .any(|seam| word.split(*seam).count() == 3 && word.split(*seam).all(|part| part.len() == 4 && is_hex(part)))
}

/// Whether so many parts in a row are of a kind.
fn has_run(word: &str, length: usize, is: impl Fn(&str) -> bool) -> bool {
    let mut run = 0;
    word.split(['.', ':', '-', '_']).any(|part| {
        run = if !part.is_empty() && is(part) { run + 1 } else { 0 };
        run == length
    })
}

/// Two labels in a row, the second no number: `db1.acme.example`, also `db1.acme.example:5432`, and with whatever a sentence
/// puts behind its full stop.
fn is_host(word: &str) -> bool {
    let name = word.split(':').next().unwrap_or_default();
    let labels: Vec<&str> = name.split(['.', '\u{3002}', '\u{ff0e}']).collect();
    let is_end = |label: &str| label.chars().count() > 1 && label.chars().any(char::is_alphabetic);
    labels.windows(2).any(|pair| !pair[0].is_empty() && is_end(pair[1]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn mask_text(text: &str) -> String {
        words(text, &BTreeSet::new())
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
            "peers": { "****": "up", "*****": "down" }, "up": true, "note": null,
        });
        assert_eq!(mask(record), shown);
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

    proptest! {
        #[test]
        fn no_identity_is_read_whatever_stands_around_it(
            before in "[a-zA-Z ,;/=(\\[]{0,12}[ ,;/=(\\[]",
            identity in identity(),
            after in "([ ,;/=)\\].].{0,12})?",
        ) {
            // Sentences that run into a host name.
            for after in [after, ".a".to_owned(), ".\u{b9} ".to_owned(), "..x".to_owned(), ".-".to_owned()] {
                let text = format!("{before}{identity}{after}");
                let shown = mask(json!({ "text": text, "list": [{ "x": identity.clone() }] }));
                prop_assert!(!shown["text"].as_str().unwrap().contains(&identity), "{shown}");
                prop_assert_eq!(&shown["list"][0]["x"], MASK);
            }
        }
    }
}
