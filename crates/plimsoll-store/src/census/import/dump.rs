//! What pg_dump writes in its plain format: COPY blocks, which are its default, or INSERT statements.
//!
//! Lines come one after the other, and no more than one statement is kept. Names in comments or in the rows of other
//! tables do not count: statements are read to their ends, with quotes.

use std::collections::HashMap;
use std::io::{BufRead, Read as _};

use super::{TABLES, copy};
use crate::census::CensusError;

/// The longest statement, in bytes.
const LONGEST: usize = 64 << 20;

pub(super) struct Dump<R> {
    from: R,
    line: u64,
    /// Read since somebody last asked.
    pub(super) bytes: u64,
    /// The columns of tables in the order in which they were created.
    created: HashMap<String, Vec<String>>,
    table: String,
    columns: Vec<String>,
    is_copy: bool,
    has_reports: bool,
}

type Rows = Vec<Vec<Option<String>>>;

impl<R: BufRead> Dump<R> {
    pub(super) fn new(from: R) -> Self {
        let (table, columns) = (String::new(), Vec::new());
        let (created, has_reports) = (HashMap::new(), false);
        Self { from, line: 0, bytes: 0, created, table, columns, is_copy: false, has_reports }
    }

    /// The table of the last rows.
    pub(super) fn table(&self) -> &str {
        &self.table
    }

    /// The columns of the last rows.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The next rows of one table; `None` at the end.
    pub(super) fn rows(&mut self) -> Result<Option<Rows>, CensusError> {
        loop {
            let Some(line) = self.read()? else {
                return if self.has_reports {
                    Ok(None)
                } else {
                    Err(self.bad("it has no telemetry_reports"))
                };
            };
            let line = line.trim_end_matches(['\n', '\r']);
            if self.line == 1 && line.starts_with("PGDMP") {
                return Err(self.bad("it is in pg_dump's custom format"));
            }
            if self.is_copy {
                if line == "\\." {
                    self.is_copy = false;
                } else if self.is_wanted() {
                    return Ok(Some(vec![copy::row(line.as_bytes())]));
                }
            } else if let Some(rest) = line.strip_prefix("CREATE TABLE ") {
                self.create(rest)?;
            } else if let Some(rest) = line.strip_prefix("COPY ") {
                self.begin_copy(rest)?;
            } else if line.starts_with("INSERT INTO ") {
                let statement = self.statement(line.to_owned())?;
                let rows = self.insert(&statement)?;
                if self.is_wanted() {
                    return Ok(Some(rows));
                }
            }
        }
    }

    fn is_wanted(&self) -> bool {
        TABLES.contains(&self.table.as_str())
    }

    fn bad(&self, why: &str) -> CensusError {
        CensusError::BadDump { line: self.line, why: why.to_owned() }
    }

    fn read(&mut self) -> Result<Option<String>, CensusError> {
        let mut line = Vec::new();
        let read = self.from.by_ref().take(LONGEST as u64).read_until(b'\n', &mut line);
        self.line += 1;
        let read = read.map_err(|error| self.bad(&error.to_string()))?;
        if read == LONGEST {
            return Err(self.bad("it is too long"));
        }
        self.bytes += read as u64;
        if self.line == 1 && line.starts_with(b"PGDMP") {
            return Err(self.bad("it is in pg_dump's custom format"));
        }
        let text = String::from_utf8(line).map_err(|_| self.bad("it is not UTF-8"))?;
        Ok((read > 0).then_some(text))
    }

    /// The rest of a statement that begins with a line.
    fn statement(&mut self, mut statement: String) -> Result<String, CensusError> {
        let mut quotes = statement.matches('\'').count();
        // A doubled quote inside of a text closes and opens it.
        while quotes % 2 == 1 || !statement.trim_end().ends_with(';') {
            let Some(line) = self.read()? else { return Err(self.bad("it ends within a statement")) };
            if statement.len() + line.len() > LONGEST {
                return Err(self.bad("the statement is too long"));
            }
            quotes += line.matches('\'').count();
            if !statement.ends_with('\n') {
                statement.push('\n');
            }
            statement.push_str(&line);
        }
        Ok(statement)
    }

    fn create(&mut self, rest: &str) -> Result<(), CensusError> {
        let (table, _) = name(rest).ok_or_else(|| self.bad("a table without a name"))?;
        let mut columns = Vec::new();
        while let Some(line) = self.read()? {
            let line = line.trim();
            if line.starts_with(')') {
                break;
            }
            let is_column =
                !["CONSTRAINT ", "PRIMARY ", "UNIQUE ", "CHECK "].iter().any(|word| line.starts_with(word));
            if is_column && let Some((column, _)) = name(line) {
                columns.push(column);
            }
        }
        self.has_reports |= table == TABLES[0];
        self.created.insert(table, columns);
        Ok(())
    }

    fn begin_copy(&mut self, rest: &str) -> Result<(), CensusError> {
        let (table, rest) = name(rest).ok_or_else(|| self.bad("COPY without a table"))?;
        if !rest.contains("FROM stdin") {
            return Ok(());
        }
        self.columns = self.list(&table, rest)?.0;
        self.has_reports |= table == TABLES[0];
        self.table = table;
        self.is_copy = true;
        Ok(())
    }

    /// The columns that follow a table's name, else those that it was created with; and what comes after.
    fn list<'a>(&self, table: &str, rest: &'a str) -> Result<(Vec<String>, &'a str), CensusError> {
        let rest = rest.trim_start();
        if let Some(list) = rest.strip_prefix('(') {
            let (list, rest) = list.split_once(')').ok_or_else(|| self.bad("columns without an end"))?;
            return Ok((
                list.split(',').filter_map(|column| name(column.trim())).map(|(name, _)| name).collect(),
                rest,
            ));
        }
        let created = self.created.get(table);
        let is_wanted = TABLES.contains(&table);
        match created {
            Some(columns) => Ok((columns.clone(), rest)),
            None if !is_wanted => Ok((Vec::new(), rest)),
            None => Err(self.bad("it has rows without the names of their columns; dump the schema too")),
        }
    }

    fn insert(&mut self, statement: &str) -> Result<Rows, CensusError> {
        let rest = statement.strip_prefix("INSERT INTO ").unwrap_or(statement);
        let (table, rest) = name(rest).ok_or_else(|| self.bad("INSERT without a table"))?;
        let (columns, rest) = self.list(&table, rest)?;
        self.has_reports |= table == TABLES[0];
        (self.table, self.columns) = (table, columns);
        if !self.is_wanted() {
            return Ok(Vec::new());
        }
        let at = rest.find("VALUES").ok_or_else(|| self.bad("INSERT without VALUES"))?;
        let mut rest = &rest[at + "VALUES".len()..];
        let mut rows = Vec::new();
        while let Some(tuple) = rest.trim_start_matches([',', ' ', '\t', '\n', '\r']).strip_prefix('(') {
            let (values, after) = values(tuple).ok_or_else(|| self.bad("values that cannot be read"))?;
            rows.push(values);
            rest = after;
        }
        Ok(rows)
    }
}

/// A name without its schema and quotes, and what follows it.
fn name(text: &str) -> Option<(String, &str)> {
    let mut rest = text;
    loop {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => {
                let end =
                    rest.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(rest.len());
                rest.split_at(end)
            }
        };
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None => return (!name.is_empty()).then(|| (name.to_owned(), after)),
        }
    }
}

/// The values up to a closing bracket, and what follows it.
fn values(text: &str) -> Option<(Vec<Option<String>>, &str)> {
    let (mut values, mut rest) = (Vec::new(), text);
    loop {
        rest = rest.trim_start();
        if let Some(quoted) = rest.strip_prefix('\'') {
            let (value, after) = quoted_text(quoted)?;
            values.push(Some(value));
            rest = after;
        } else {
            let end = rest.find([',', ')'])?;
            let (value, after) = rest.split_at(end);
            let value = value.trim();
            values.push((!value.eq_ignore_ascii_case("null")).then(|| value.to_owned()));
            rest = after;
        }
        // A cast after the value says nothing that the column does not.
        let end = rest.find([',', ')'])?;
        let is_last = rest[end..].starts_with(')');
        rest = &rest[end + 1..];
        if is_last {
            return Some((values, rest));
        }
    }
}

fn quoted_text(text: &str) -> Option<(String, &str)> {
    let (mut value, mut rest) = (String::new(), text);
    loop {
        let (piece, after) = rest.split_once('\'')?;
        value.push_str(piece);
        match after.strip_prefix('\'') {
            Some(next) => {
                value.push('\'');
                rest = next;
            }
            None => return Some((value, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dump: &str) -> Result<Vec<(String, usize, Rows)>, String> {
        let mut dump = Dump::new(dump.as_bytes());
        let mut all = Vec::new();
        while let Some(rows) = dump.rows().map_err(|error| error.to_string())? {
            all.push((dump.table().to_owned(), dump.columns().len(), rows));
        }
        Ok(all)
    }

    #[test]
    fn both_forms_are_read_and_what_only_looks_like_a_row_is_not() {
        let text = |text: &str| Some(text.to_owned());
        let dump = "--\n-- COPY public.telemetry_reports\n\
            CREATE TABLE public.telemetry_reports (\n    id integer NOT NULL,\n    \"timestamp\" text,\n    CONSTRAINT x CHECK (true)\n);\n\
            INSERT INTO public.other VALUES (1, 'a\nINSERT INTO telemetry_reports VALUES (9, ''b'');\n');\n\
            INSERT INTO public.telemetry_reports VALUES (1, 'it''s; (''x'')\n2'), (2, NULL);\n\
            INSERT INTO telemetry_reports (\"timestamp\") VALUES ('x'::text);\n\
            COPY public.other (a) FROM stdin;\nCOPY public.telemetry_reports (id) FROM stdin;\n\\.\n\
            COPY public.submission_events (id, \"timestamp\") FROM stdin;\n1\t\\N\n2\ta\\tb\n\\.\n";
        let reports = "telemetry_reports".to_owned();
        let events = "submission_events".to_owned();
        assert_eq!(
            read(dump).unwrap(),
            [
                (reports.clone(), 2, vec![vec![text("1"), text("it's; ('x')\n2")], vec![text("2"), None]]),
                (reports, 1, vec![vec![text("x")]]),
                (events.clone(), 2, vec![vec![text("1"), None]]),
                (events, 2, vec![vec![text("2"), text("a\tb")]]),
            ]
        );
    }

    #[test]
    fn what_is_no_dump_says_so() {
        let reports = "CREATE TABLE telemetry_reports (\n    id integer\n);\n";
        for (dump, why) in [
            ("", "telemetry_reports"),
            ("PGDMP\u{1}", "custom format"),
            ("INSERT INTO telemetry_reports VALUES (1);\n", "dump the schema"),
            (&format!("{reports}INSERT INTO telemetry_reports VALUES ('1;\n"), "ends within"),
            (&format!("{reports}INSERT INTO telemetry_reports VALUES (1;\n"), "values"),
        ] {
            let error = read(dump).unwrap_err();
            assert!(error.contains(why), "{dump}: {error}");
        }
    }
}
