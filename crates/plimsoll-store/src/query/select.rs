//! Which containers are meant.

use std::collections::HashMap;

use glob::Pattern;

use crate::directory::{Directory, LineEntry, Membership};
use crate::file::ContainerRecord;
use crate::query::metric::nearest;
use crate::query::{Line, Member, Selector};
use crate::{Error, Millis, Range};

/// The host's number in a file.
pub(crate) const HOST: u32 = 0;

/// A line, and those of its containers that are meant.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) line: Line,
    /// As [`Line::containers`], in the same order; of the host, one.
    pub(crate) members: Vec<Membership>,
}

/// The selector with its patterns understood.
struct Wanted<'a> {
    selector: &'a Selector,
    name: Option<Pattern>,
    image: Option<Pattern>,
    labels: Vec<(&'a str, Option<Pattern>)>,
}

/// The first and the last sample of containers that are not in the file yet.
pub(crate) type Newest = HashMap<u32, (Millis, Millis)>;

/// The lines of the selected containers that have samples in the range, by name.
pub(crate) fn select(
    directory: &Directory,
    newest: &Newest,
    selector: &Selector,
    range: Range,
) -> Result<Vec<Chosen>, Error> {
    if selector.host {
        let members =
            vec![Membership { container: HOST, range: Range { from: Millis::MIN, until: Millis::MAX } }];
        let line = Line { id: 0, name: "host".to_owned(), engine: String::new(), containers: Vec::new() };
        return Ok(vec![Chosen { line, members }]);
    }
    let wanted = Wanted::new(selector)?;
    let asked = selector.container.as_deref().map(|asked| Asked::find(directory, asked)).transpose()?;
    let mut chosen = Vec::new();
    for entry in &directory.lines {
        let mut containers = Vec::new();
        let mut members = Vec::new();
        for span in &entry.spans {
            let Some(record) = directory.containers.get(&span.container) else { continue };
            if !wanted.has(entry, record) || asked.as_ref().is_some_and(|asked| !asked.has(entry, record)) {
                continue;
            }
            let member = member(entry, record, span, newest);
            if range.touches(member.since, member.last) {
                containers.push(member);
                members.push(*span);
            }
        }
        if let Some(last) = containers.last() {
            let line =
                Line { id: entry.id, name: last.name.clone(), engine: entry.engine.clone(), containers };
            chosen.push(Chosen { line, members });
        }
    }
    chosen.sort_by(|a, b| {
        (&a.line.name, &a.line.engine, a.line.id).cmp(&(&b.line.name, &b.line.engine, b.line.id))
    });
    Ok(chosen)
}

/// A container of a line as answers show it.
fn member(entry: &LineEntry, record: &ContainerRecord, span: &Membership, newest: &Newest) -> Member {
    let (first, last) = newest.get(&record.id).copied().unwrap_or((Millis::MAX, Millis::MIN));
    Member {
        id: record.container.clone(),
        name: entry.name_of(record).to_owned(),
        image: record.image.clone(),
        labels: record.labels.clone(),
        created: record.created,
        since: span.range.from.max(record.first_seen.min(first)),
        last: record.last_seen.max(last).min(span.range.until.saturating_sub(1)),
    }
}

impl<'a> Wanted<'a> {
    fn new(selector: &'a Selector) -> Result<Self, Error> {
        let labels = selector.labels.iter();
        let labels =
            labels.map(|(key, value)| Ok((key.as_str(), value.as_deref().map(pattern).transpose()?)));
        Ok(Self {
            selector,
            name: selector.name.as_deref().map(pattern).transpose()?,
            image: selector.image.as_deref().map(pattern).transpose()?,
            labels: labels.collect::<Result<_, Error>>()?,
        })
    }

    fn has(&self, entry: &LineEntry, record: &ContainerRecord) -> bool {
        let is = |asked: &Option<String>, value: &str| asked.as_deref().is_none_or(|asked| asked == value);
        let fits =
            |asked: &Option<Pattern>, value: &str| asked.as_ref().is_none_or(|asked| asked.matches(value));
        is(&self.selector.engine, &record.engine)
            && is(&self.selector.project, &record.project)
            && is(&self.selector.service, &record.service)
            && fits(&self.name, entry.name_of(record))
            && fits(&self.image, &record.image)
            && self
                .labels
                .iter()
                .all(|(key, value)| record.labels.get(*key).is_some_and(|found| fits(value, found)))
    }
}

fn pattern(text: &str) -> Result<Pattern, Error> {
    Pattern::new(text).map_err(|error| Error::BadPattern { pattern: text.to_owned(), why: error.msg })
}

/// What a name or id turned out to be.
enum Asked {
    Name(String),
    Id(String),
}

impl Asked {
    /// As engines do it: a full id, else a name, else the beginning of an id.
    fn find(directory: &Directory, asked: &str) -> Result<Self, Error> {
        let asked = asked.trim_start_matches('/');
        let records = || directory.containers.values();
        if records().any(|record| record.container == asked) {
            return Ok(Self::Id(asked.to_owned()));
        }
        let is_name = |entry: &LineEntry| entry.name.as_deref() == Some(asked);
        if records().any(|record| record.name == asked) || directory.lines.iter().any(is_name) {
            return Ok(Self::Name(asked.to_owned()));
        }
        let mut ids: Vec<_> = records()
            .filter(|record| asked.len() >= Selector::MIN_ID && record.container.starts_with(asked))
            .map(|record| record.container.clone())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        match ids.len() {
            0 => {
                let names = records().map(|record| record.name.as_str());
                let names = names.chain(directory.lines.iter().filter_map(|entry| entry.name.as_deref()));
                Err(Error::NoSuchContainer { asked: asked.to_owned(), nearest: nearest(asked, names) })
            }
            1 => Ok(Self::Id(ids.remove(0))),
            _ => {
                ids.truncate(MAX_IDS);
                Err(Error::Ambiguous { asked: asked.to_owned(), ids })
            }
        }
    }

    fn has(&self, entry: &LineEntry, record: &ContainerRecord) -> bool {
        match self {
            Self::Name(name) => entry.name_of(record) == name,
            Self::Id(id) => record.container == *id,
        }
    }
}

/// How many ids are told that begin alike.
const MAX_IDS: usize = 10;
