//! Every bound on what a request may ask for, in one place: the size and the shape of what is read and of what is
//! answered.
//!
//! A bound is checked before the work that it limits begins. Within the bounds, work and memory are proportional to the
//! size of the input; `tests/it/platform/cpu_cost.rs` checks this for each route with its longest bodies.

use std::time::Duration;

use super::error::ApiError;

/// Longest body of a tenant, a user, a role, a permission set or an export.
pub(super) const MAX_JSON_BODY_BYTES: usize = 1 << 20;
/// Longest body of a branding, which carries images.
pub(super) const MAX_BRANDING_BODY_BYTES: usize = 2 << 20;
/// Longest body of a record.
pub(super) const MAX_RECORD_BYTES: usize = 64 << 10;
/// Longest form, token request and action on a user.
pub(super) const MAX_FORM_BYTES: usize = 16 << 10;

/// Bytes beyond the longest body that are read and discarded. If the connection is closed while the client still sends,
/// the client does not get the answer.
pub(super) const MAX_DRAINED_BYTES: usize = 4 << 20;

/// Deepest nesting of a JSON body.
pub(super) const MAX_JSON_DEPTH: usize = 32;
/// Elements of a list and members of an object in a JSON body.
pub(super) const MAX_JSON_ELEMENTS: usize = 5000;
/// Bytes of a text in a JSON body; an image is bounded by its own slot.
pub(super) const MAX_JSON_TEXT_BYTES: usize = 64 << 10;

/// Characters of a name and of other one-line texts, of an e-mail address, of a telephone number, of a postal code and
/// of a text of several lines.
pub(super) const MAX_NAME_CHARS: usize = 255;
pub(super) const MAX_EMAIL_CHARS: usize = 254;
pub(super) const MAX_TELEPHONE_CHARS: usize = 64;
pub(super) const MAX_ZIP_CHARS: usize = 32;
pub(super) const MAX_LONG_TEXT_CHARS: usize = 1024;
/// Longest password in characters, far beyond any pass phrase, so that no password is ever cut off; and how many of
/// them the strength check reads: the numbers of `zxcvbn` overflow on much longer keyboard patterns.
pub(super) const MAX_PASSWORD_CHARS: usize = 1024;
pub(super) const STRENGTH_CHECK_CHARS: usize = 20;
/// Rows of a user's notifications.
pub(super) const MAX_NOTIFICATIONS: usize = 100;

/// Bytes of a path, and of a query.
pub(super) const MAX_PATH_BYTES: usize = 2 << 10;
pub(super) const MAX_QUERY_BYTES: usize = 8 << 10;

/// Problems that one answer names.
pub(super) const MAX_REPORTED_PROBLEMS: usize = 50;

/// Rows of a page; real clients request up to 500.
pub(super) const MAX_PAGE_ROWS: i64 = 500;
/// Records of a page; each may have [`MAX_RECORD_BYTES`] bytes.
pub(super) const MAX_RECORD_PAGE_ROWS: i64 = 100;
/// Bytes of the stored records of a page.
pub(super) const MAX_RECORD_PAGE_BYTES: usize = 2 << 20;
/// Pages that are read at the same time, before the bytes of their answers are counted.
pub(super) const MAX_CONCURRENT_PAGE_READS: usize = 4;
/// Of those, the pages of one partner with its clients and people.
pub(super) const MAX_PAGE_READS_PER_PARTNER: usize = 2;
/// Rows of a page of the audit log.
pub(super) const MAX_LOG_PAGE_ROWS: i64 = 100;
/// Records and bytes of one file of a batch export.
pub(super) const MAX_EXPORT_FILE_RECORDS: usize = 5000;
pub(super) const MAX_EXPORT_FILE_BYTES: usize = 8 << 20;

/// Bytes of a word that masking analyses; a longer word is masked completely.
pub(super) const MAX_ANALYSED_WORD_BYTES: usize = 1 << 10;

/// Longest side of an image.
pub(super) const MAX_IMAGE_SIDE: u32 = 4096;
/// Bytes of memory that an image takes while it is decoded and encoded again: width x height x depth. A background of
/// 1440 x 900 pixels, as recommended, takes 5 MiB as a PNG and 12 MiB as a JPEG.
pub(super) const MAX_DECODED_IMAGE_BYTES: u64 = 40 << 20;
/// Bytes of an image as it is encoded again and served. A file that another program compressed well may be much larger
/// here.
pub(super) const MAX_SERVED_IMAGE_BYTES: usize = 1 << 20;
/// Passwords that are hashed at the same time, 19 MiB each; and the fraction of the longest wait that one source may
/// fill.
pub(super) const MAX_CONCURRENT_HASHES: usize = 4;
pub(super) const SOURCE_QUEUE_SHARE: u32 = 4;

/// Open connections; those of one address that is not a trusted proxy; and file descriptors that are reserved for
/// everything else.
pub(super) const MAX_CONNECTIONS: usize = 1024;
pub(super) const MAX_CONNECTIONS_PER_ADDRESS: usize = 256;
pub(super) const RESERVED_FILE_DESCRIPTORS: usize = 64;
/// Further connections for `/healthz` and `/readyz` alone, if all others are busy.
pub(super) const MAX_PROBE_CONNECTIONS: usize = 16;
/// Bytes of a request's head.
pub(super) const MAX_HEAD_BYTES: usize = 64 << 10;
/// Time for a request's head, from the start of the connection or the end of the last answer; for a body; and for a
/// client that does not read.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest pause within a body.
pub(super) const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(10);
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// API credentials of a tenant that are not revoked.
pub(super) const MAX_CREDENTIALS: i64 = 100;
/// Time for a complete answer: a body that arrives slowly, a login that waits, and then a database that does not
/// respond.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// Images that are decoded at the same time.
pub(super) const MAX_CONCURRENT_DECODES: usize = 1;

/// Bytes of an image file by its slot.
pub(super) const MAX_LOGO_BYTES: usize = 64 << 10;
pub(super) const MAX_BACKGROUND_BYTES: usize = 512 << 10;

/// Bytes of bodies and answers that are held at once; of those, the share of one partner with its clients and people,
/// and likewise of one source; and the size up to which an answer is not counted.
pub(super) const MAX_BUFFERED_BYTES: usize = 64 << 20;
pub(super) const MAX_BUFFERED_BYTES_PER_OWNER: usize = 16 << 20;
pub(super) const UNTRACKED_ANSWER_BYTES: usize = 16 << 10;
/// Longest pause within a body that is discarded because there is no memory for it.
pub(super) const DRAIN_IDLE_TIMEOUT: Duration = Duration::from_millis(200);

/// A container of a JSON body while it is read.
#[derive(Clone, Copy)]
struct Container {
    /// Commas between its elements.
    commas: usize,
}

/// Refuses a JSON body whose nesting, lists or texts exceed the bounds, in one pass over its bytes and before anything
/// is built from it. The parser decides whether the body is valid JSON.
pub(super) fn check_json(bytes: &[u8], text: usize) -> Result<(), ApiError> {
    let mut open: Vec<Container> = Vec::with_capacity(MAX_JSON_DEPTH);
    // The member of the top-level object that is being read, for the error.
    let (mut member, mut last) = (0..0, 0..0);
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = end_of_text(bytes, at + 1);
                if end - at > text {
                    return Err(bound_error(bytes, member, format!("A text is longer than {text} bytes")));
                }
                last = at + 1..end;
                at = end;
            }
            b':' if open.len() == 1 => member = last.clone(),
            b'[' | b'{' if open.len() == MAX_JSON_DEPTH => {
                return Err(bound_error(
                    bytes,
                    member,
                    format!("The value is nested deeper than {MAX_JSON_DEPTH} levels"),
                ));
            }
            b'[' | b'{' => open.push(Container { commas: 0 }),
            b']' | b'}' => drop(open.pop()),
            b',' => {
                if let Some(container) = open.last_mut() {
                    container.commas += 1;
                    if container.commas >= MAX_JSON_ELEMENTS {
                        let message = format!("A list or an object has more than {MAX_JSON_ELEMENTS} elements");
                        return Err(bound_error(bytes, member, message));
                    }
                }
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// Returns where a text ends that begins at `at`: at its closing quote, or at the end of the body.
fn end_of_text(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn bound_error(bytes: &[u8], member: std::ops::Range<usize>, message: String) -> ApiError {
    let name = bytes.get(member).map(String::from_utf8_lossy).unwrap_or_default();
    let name: String = name.chars().take(80).collect();
    ApiError::field(if name.is_empty() { "body".to_owned() } else { name }, message)
}

/// Refuses a path or a query that is longer than any valid one.
pub(super) fn check_uri(uri: &axum::http::Uri) -> Result<(), ApiError> {
    if uri.path().len() > MAX_PATH_BYTES {
        return Err(ApiError::field("path", format!("The path is longer than {MAX_PATH_BYTES} bytes")));
    }
    if uri.query().is_some_and(|query| query.len() > MAX_QUERY_BYTES) {
        return Err(ApiError::field(
            "queryString",
            format!("The query is longer than {MAX_QUERY_BYTES} bytes; ask for less at once"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blamed_member(body: &str) -> Option<String> {
        match check_json(body.as_bytes(), 100) {
            Ok(()) => None,
            Err(ApiError::Fields(fields)) => Some(fields[0].field_name.clone()),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_body_within_the_bounds_passes_and_one_beyond_them_names_its_member() {
        let deep = |levels: usize| format!(r#"{{"name":"x","note":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        let list = |length: usize| format!(r#"{{"clients":[{}]}}"#, vec!["1"; length].join(","));
        let text = |length: usize| format!(r#"{{"a":1,"note":{{"b":"{}"}}}}"#, "x".repeat(length));
        for (body, member) in [
            (deep(MAX_JSON_DEPTH - 1), None),
            (deep(MAX_JSON_DEPTH), Some("note")),
            (list(MAX_JSON_ELEMENTS), None),
            (list(MAX_JSON_ELEMENTS + 1), Some("clients")),
            (text(90), None),
            (text(200), Some("note")),
            ("[".repeat(MAX_JSON_DEPTH + 1), Some("body")),
            // Brackets, commas and quotes within a text do not count.
            (format!(r#"{{"note":"{}"}}"#, r#"[{,\""#.repeat(15)), None),
            (r#"{"note":"broken off"#.to_owned(), None),
            (r#"{"note":"broken off\"#.to_owned(), None),
        ] {
            assert_eq!(blamed_member(&body).as_deref(), member, "{body:.80}");
        }
    }
}
