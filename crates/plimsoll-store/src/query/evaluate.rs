//! From blocks to observations: reads a line's containers one after the other and hands on what their series say.

use crate::block::ColumnKey;
use crate::derive::{Trail, View};
use crate::directory::Output;
use crate::fetch::{Source, Wanted};
use crate::grid::Observation;
use crate::query::select::Chosen;
use crate::{Error, Range, Tier};

/// Hands `take` every observation of a line's series in a range: a position in `outputs` with each, of one container after
/// the other, and of each series in order of time. Says the coarsest tier that had something.
pub(crate) fn observe(
    source: Source<'_>,
    chosen: &Chosen,
    outputs: &[Output],
    tier: Tier,
    range: Range,
    mut take: impl FnMut(usize, &Observation),
) -> Result<Option<Tier>, Error> {
    let columns = |tier: Tier, key: ColumnKey| outputs.iter().any(|output| output.recipe.needs(tier, key));
    let before = outputs.iter().any(|output| output.recipe.looks_back());
    let wanted = Wanted { columns: &columns, before };
    let mut coarsest = None;
    for member in &chosen.members {
        let asked =
            Range { from: range.from.max(member.range.from), until: range.until.min(member.range.until) };
        if asked.from >= asked.until {
            continue;
        }
        let mut trails: Vec<Trail> = vec![None; outputs.len()];
        for stretch in source.read(tier, member.container, asked, wanted)? {
            if !stretch.pieces.is_empty() {
                coarsest = coarsest.max(Some(stretch.tier));
            }
            for (holds, block) in stretch.parts() {
                let view = View { tier: stretch.tier, block, holds, asked: stretch.asked };
                for (index, (output, trail)) in outputs.iter().zip(&mut trails).enumerate() {
                    output.recipe.observe(&view, trail, |seen| take(index, seen));
                }
            }
        }
    }
    Ok(coarsest)
}
