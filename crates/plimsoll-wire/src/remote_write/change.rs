//! Bodies that were made before, changed: parts of them, and one version from the other.

use prost::Message;

use super::messages::{Label, Request, Sample, SymbolSeries, TimeSeries, WriteRequest};
use super::{MAX_BODY, Version};
use crate::point::{Broken, Retained};

/// Keeps the samples that `keep` accepts. It is asked once for each sample, in the order of the body, with how many came before
/// it and its time in Unix nanoseconds. Series without samples go, and symbols that nobody names any more.
///
/// # Errors
///
/// If the body is none of this version. What it holds beside series and samples is not kept: [`super::Encoder`] makes nothing
/// else.
pub fn retain(
    version: Version,
    body: &[u8],
    keep: &mut dyn FnMut(u64, i64) -> bool,
) -> Result<Retained, Broken> {
    let mut counts = Counts::default();
    let body = match version {
        Version::V1 => {
            let mut request = WriteRequest::decode(body).map_err(|_| Broken)?;
            request.timeseries.retain_mut(|series| counts.keep(&mut series.samples, keep));
            request.encode_to_vec()
        }
        Version::V2 => {
            let mut request = checked(body)?;
            request.timeseries.retain_mut(|series| counts.keep(&mut series.samples, keep));
            forget_unused(&mut request);
            request.encode_to_vec()
        }
    };
    Ok(Retained { body, points: counts.kept, removed: counts.asked - counts.kept })
}

#[derive(Default)]
struct Counts {
    asked: u64,
    kept: u64,
}

impl Counts {
    fn keep(&mut self, samples: &mut Vec<Sample>, keep: &mut dyn FnMut(u64, i64) -> bool) -> bool {
        samples.retain(|sample| {
            let kept = keep(self.asked, sample.timestamp.saturating_mul(1_000_000));
            self.asked += 1;
            self.kept += u64::from(kept);
            kept
        });
        !samples.is_empty()
    }
}

/// A body of 2.0 whose numbers all have a symbol.
fn checked(body: &[u8]) -> Result<Request, Broken> {
    let mut request = Request::decode(body).map_err(|_| Broken)?;
    // Without symbols there must be no series either: every number is too large then.
    if request.symbols.first().is_some_and(|first| !first.is_empty()) {
        return Err(Broken);
    }
    let count = request.symbols.len();
    for series in &mut request.timeseries {
        if series.labels_refs.len() % 2 != 0 || refs(series).any(|number| *number as usize >= count) {
            return Err(Broken);
        }
    }
    Ok(request)
}

/// All numbers of symbols that a series has.
fn refs(series: &mut SymbolSeries) -> impl Iterator<Item = &mut u32> {
    let metadata = series.metadata.iter_mut().flat_map(|known| [&mut known.help_ref, &mut known.unit_ref]);
    series.labels_refs.iter_mut().chain(metadata)
}

/// Takes the symbols away that no series names, and counts the others anew.
fn forget_unused(request: &mut Request) {
    let mut is_used = vec![false; request.symbols.len()];
    for number in request.timeseries.iter_mut().flat_map(refs) {
        is_used[*number as usize] = true;
    }
    if let Some(empty) = is_used.first_mut() {
        *empty = true;
    }
    let mut next = 0;
    let numbers: Vec<u32> = is_used
        .iter()
        .map(|is_used| {
            let number = next;
            next += u32::from(*is_used);
            number
        })
        .collect();
    for number in request.timeseries.iter_mut().flat_map(refs) {
        *number = numbers[*number as usize];
    }
    let mut is_used = is_used.into_iter();
    request.symbols.retain(|_| is_used.next() == Some(true));
}

/// The same series and samples in 1.0, for a receiver that does not know 2.0. Metadata and starts are left out.
///
/// # Errors
///
/// If the body is none of 2.0, or would be longer than [`MAX_BODY`] in 1.0, where texts are repeated.
pub fn v2_to_v1(body: &[u8]) -> Result<Vec<u8>, Broken> {
    let request = checked(body)?;
    let numbers = request.timeseries.iter().flat_map(|series| &series.labels_refs);
    let length = numbers.fold(0, |length: usize, number| length + request.symbols[*number as usize].len());
    if length > MAX_BODY {
        return Err(Broken);
    }
    let text = |number: u32| request.symbols[number as usize].clone();
    let timeseries = request
        .timeseries
        .iter()
        .map(|series| TimeSeries {
            labels: series
                .labels_refs
                .chunks_exact(2)
                .map(|pair| Label { name: text(pair[0]), value: text(pair[1]) })
                .collect(),
            samples: series.samples.iter().map(|sample| Sample { start_timestamp: 0, ..*sample }).collect(),
        })
        .collect();
    Ok(WriteRequest { timeseries }.encode_to_vec())
}
