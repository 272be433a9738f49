//! Strict reading of JSON bodies: every mistake is a 400 that names the field.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use futures::StreamExt as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::ApiError;
use super::limits;
use super::memory_budget::{RequestMemory, declared_length};

/// Field name of an error that concerns no single field.
const BODY_FIELD: &str = "body";

/// A request body of at most `LIMIT` bytes, read as `T`. Members that `T` does not know are ignored, as the commercial
/// platform does. The content type is not checked.
pub(super) struct StrictJson<T, const LIMIT: usize>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned, const LIMIT: usize> FromRequest<S> for StrictJson<T, LIMIT> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = collect_body(request, LIMIT).await?;
        parse_json(&bytes, LIMIT).map(Self)
    }
}

/// Reads a body that may be left out.
pub(super) async fn read_optional_body<T: DeserializeOwned + Default>(
    request: Request,
    limit: usize,
) -> Result<T, ApiError> {
    let bytes = collect_body(request, limit).await?;
    if bytes.trim_ascii().is_empty() { Ok(T::default()) } else { parse_json(&bytes, limit) }
}

fn body_too_long(limit: usize) -> ApiError {
    ApiError::field(BODY_FIELD, format!("The body broke off or is longer than {limit} bytes"))
}

/// Reads the complete body. Returns an error if there is no memory for it, if it is longer than the limit, or if it
/// breaks off or takes too long.
pub(super) async fn collect_body(request: Request, limit: usize) -> Result<Bytes, ApiError> {
    let bytes = declared_length(&request, limit);
    let has_room = request.extensions().get::<RequestMemory>().is_none_or(|account| account.reserve_body(bytes));
    let body = request.into_body();
    if !has_room {
        // A client that sends the body slowly must not keep a task busy.
        let _ = tokio::time::timeout(limits::BODY_TIMEOUT, drain_body(body, limit)).await;
        return Err(ApiError::MemoryLimitReached);
    }
    let whole = read_to_end(body, bytes, limit);
    tokio::time::timeout(limits::BODY_TIMEOUT, whole).await.unwrap_or(Err(ApiError::RequestTimeout))
}

/// Reads and discards what the client has already sent, so that the answer arrives.
async fn drain_body(body: Body, limit: usize) {
    let (mut parts, mut left) = (body.into_data_stream(), limit + limits::MAX_DRAINED_BYTES);
    while let Ok(Some(Ok(part))) = tokio::time::timeout(limits::DRAIN_IDLE_TIMEOUT, parts.next()).await {
        if part.len() > left {
            return;
        }
        left -= part.len();
    }
}

async fn read_to_end(body: Body, declared: usize, limit: usize) -> Result<Bytes, ApiError> {
    let (mut parts, mut bytes, mut length) = (body.into_data_stream(), Vec::with_capacity(declared), 0_usize);
    while let Some(part) =
        tokio::time::timeout(limits::BODY_IDLE_TIMEOUT, parts.next()).await.map_err(|_| ApiError::RequestTimeout)?
    {
        let part = part.map_err(|_| body_too_long(limit))?;
        length = length.saturating_add(part.len());
        if length <= limit {
            bytes.extend_from_slice(&part);
        } else if length > limit + limits::MAX_DRAINED_BYTES {
            break;
        }
    }
    if length > limit { Err(body_too_long(limit)) } else { Ok(bytes.into()) }
}

fn parse_json<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, ApiError> {
    // Only a branding has texts of that length: its images.
    limits::check_json(
        bytes,
        if limit == limits::MAX_BRANDING_BODY_BYTES { limit } else { limits::MAX_JSON_TEXT_BYTES },
    )?;
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| ApiError::field(BODY_FIELD, format!("The body is not JSON: {error}")))?;
    let Value::Object(members) = &value else {
        return Err(ApiError::field(BODY_FIELD, "The body must be a JSON object"));
    };
    // A derived struct also reads a JSON array member by member. On the wire the two differ.
    if let Some(name) = OBJECT_MEMBERS.into_iter().find(|name| members.get(*name).is_some_and(Value::is_array)) {
        return Err(ApiError::field(name, "The value must be a JSON object"));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { BODY_FIELD.to_owned() } else { path };
        ApiError::field(field, format!("The value is not acceptable: {}", error.inner()))
    })
}

/// Members of the wire format that are objects.
const OBJECT_MEMBERS: [&str; 13] = [
    "accessEndpoint",
    "channel",
    "clientDetails",
    "createdBy",
    "duoSecurity",
    "favIcon",
    "lastUpdatedBy",
    "loginPageImage",
    "logo",
    "managedBy",
    "nocDetails",
    "passwordPolicy",
    "twoFactor",
];

#[cfg(test)]
mod tests {
    use tenantry_wire::Tenant;

    use super::*;

    fn blamed_field(body: &str) -> String {
        match parse_json::<Tenant>(body.as_bytes(), limits::MAX_JSON_BODY_BYTES) {
            Err(ApiError::Fields(fields)) => fields[0].field_name.clone(),
            other => panic!("{body} gave {other:?}"),
        }
    }

    #[test]
    fn the_field_with_the_wrong_type_is_named() {
        assert_eq!(blamed_field(r#"{"name":1}"#), "name");
        assert_eq!(blamed_field(r#"{"channel":{"id":"x"}}"#), "channel.id");
        assert_eq!(blamed_field(r#"{"channel":[7]}"#), "channel");
        assert_eq!(blamed_field(r#"{"packages":["a",2]}"#), "packages[1]");
        assert_eq!(blamed_field(r#"{"packages":"a"}"#), "packages");
        assert_eq!(blamed_field(r#"{"status":"SLEEPING"}"#), "status");
        assert_eq!(blamed_field(r#"{"managedBy":{"cluster":"c"}}"#), "managedBy");
        for whole in ["", "[]", "{", "{} x", "nope"] {
            assert_eq!(blamed_field(whole), "body", "{whole}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_without_room_that_comes_drop_by_drop_is_given_up() {
        let drops = futures::stream::unfold((), |()| async {
            tokio::time::sleep(limits::DRAIN_IDLE_TIMEOUT / 2).await;
            Some((Ok::<_, std::io::Error>(vec![b'x']), ()))
        });
        let mut request = Request::new(Body::from_stream(drops));
        request.extensions_mut().insert(RequestMemory::new_exhausted());
        let begun = tokio::time::Instant::now();
        assert!(matches!(collect_body(request, limits::MAX_JSON_BODY_BYTES).await, Err(ApiError::MemoryLimitReached)));
        assert_eq!(begun.elapsed().as_secs(), limits::BODY_TIMEOUT.as_secs(), "of the clock of this test");
    }

    #[test]
    fn unknown_members_and_null_are_ignored() {
        let tenant: Tenant =
            parse_json(br#"{"name":"A","zip":null,"saClient":true}"#, limits::MAX_JSON_BODY_BYTES).unwrap();
        assert_eq!(tenant, Tenant { name: Some("A".to_owned()), ..Tenant::default() });
    }
}
