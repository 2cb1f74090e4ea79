//! Headers as text.

use axum::http::{HeaderMap, HeaderName};

/// All values of a header that is a list, as one; `None` where it is absent or no text.
pub(crate) fn all(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}
