//! Parts of bodies that were made before, and answers.

use plimsoll_model::text::{MAX_TEXT, bounded};
use prost::Message;

use super::messages::{Data, ExportMetricsServiceRequest, ExportMetricsServiceResponse, NumberDataPoint};
use crate::point::{Broken, Retained};

/// Keeps the data points that `keep` accepts. It is asked once for each, in the order of the body, with how many came before it
/// and its time in Unix nanoseconds. Metrics without data points go.
///
/// # Errors
///
/// If the body is none of OTLP. What [`super::Encoder`] does not make is not kept.
pub fn retain(body: &[u8], keep: &mut dyn FnMut(u64, i64) -> bool) -> Result<Retained, Broken> {
    let mut request = ExportMetricsServiceRequest::decode(body).map_err(|_| Broken)?;
    let (mut asked, mut points) = (0, 0);
    let mut keep_of = |data_points: &mut Vec<NumberDataPoint>| {
        data_points.retain(|point| {
            let kept = keep(asked, i64::try_from(point.time_unix_nano).unwrap_or(i64::MAX));
            asked += 1;
            points += u64::from(kept);
            kept
        });
        !data_points.is_empty()
    };
    request.resource_metrics.retain_mut(|resource| {
        resource.scope_metrics.retain_mut(|scope| {
            scope.metrics.retain_mut(|metric| match &mut metric.data {
                Some(Data::Gauge(gauge)) => keep_of(&mut gauge.data_points),
                Some(Data::Sum(sum)) => keep_of(&mut sum.data_points),
                None => false,
            });
            !scope.metrics.is_empty()
        });
        !resource.scope_metrics.is_empty()
    });
    Ok(Retained { body: request.encode_to_vec(), points, removed: asked - points })
}

/// What a receiver says in the body of a 200 of data points that it did not take: how many, and why, cut to
/// [`MAX_TEXT`] bytes. With none it is a warning. `None` where it took them all without a word, or said nothing that can be
/// understood: it has accepted the batch all the same.
///
/// ```
/// use plimsoll_wire::otlp::parse_response;
/// assert_eq!(parse_response(b""), None);
/// assert_eq!(parse_response(b"\x0a\x07\x08\x02\x12\x03why"), Some((2, "why".to_owned())));
/// ```
#[must_use]
pub fn parse_response(body: &[u8]) -> Option<(i64, String)> {
    let said = ExportMetricsServiceResponse::decode(body).ok()?.partial_success?;
    let is_silent = said.rejected_data_points == 0 && said.error_message.is_empty();
    let message = bounded(&said.error_message, MAX_TEXT).to_owned();
    (!is_silent).then_some((said.rejected_data_points.max(0), message))
}
