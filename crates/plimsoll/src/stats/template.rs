//! `--format` of `plimsoll stats`, and the table.
//!
//! A [`Template`] is text with placeholders such as `{{.Name}}`; `table TEMPLATE` prints it as aligned columns under
//! headings, `json` one object a line. Of Go's template language that `docker stats` has, the placeholders and `json`
//! are understood. Values are untrusted and never reach the output raw.

use std::fmt::Write as _;

use crate::failure::Failure;
use crate::stats::format::{Field, Row};
use crate::text;

/// The columns when no format is asked for.
const DEFAULT_COLUMNS: [Field; 8] = [
    Field::Id,
    Field::Name,
    Field::CpuPerc,
    Field::MemUsage,
    Field::MemPerc,
    Field::NetIo,
    Field::BlockIo,
    Field::Pids,
];

/// The least width of a column and the room between two, as in the tables of `docker`.
const COLUMN_MIN: usize = 10;
const COLUMN_GAP: usize = 3;

/// A parsed format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// Whether headings and aligned columns are wanted.
    table: bool,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(Field),
    JsonField(Field),
    Json,
}

impl Default for Template {
    fn default() -> Self {
        let mut pieces = Vec::with_capacity(2 * DEFAULT_COLUMNS.len());
        for (index, field) in DEFAULT_COLUMNS.into_iter().enumerate() {
            if index > 0 {
                pieces.push(Piece::Text("\t".into()));
            }
            pieces.push(Piece::Field(field));
        }
        Self { table: true, pieces }
    }
}

impl Template {
    /// Understands what `--format` was given: `table`, `json`, `table TEMPLATE` or TEMPLATE.
    pub(crate) fn parse(format: &str) -> Result<Self, Failure> {
        let (table, source) = match format {
            "table" => return Ok(Self::default()),
            "json" => return Ok(Self { table: false, pieces: vec![Piece::Json] }),
            _ => match format.strip_prefix("table") {
                Some(rest) => (true, rest),
                None => (false, format),
            },
        };
        let source = source.trim_matches(' ').replace("\\t", "\t").replace("\\n", "\n");
        Ok(Self { table, pieces: pieces(&source)? })
    }

    /// The rows, each ended by a line end; a table begins with its headings.
    pub(crate) fn render(&self, rows: &[Row], no_trunc: bool) -> String {
        let mut lines = String::new();
        if self.table {
            for piece in &self.pieces {
                match piece {
                    Piece::Text(text) => lines.push_str(text),
                    Piece::Field(field) | Piece::JsonField(field) => lines.push_str(field.heading()),
                    Piece::Json => {}
                }
            }
            lines.push('\n');
        }
        for row in rows {
            for piece in &self.pieces {
                match piece {
                    Piece::Text(text) => lines.push_str(text),
                    Piece::Field(field) => lines.push_str(&text::printable(&field.value(row, no_trunc))),
                    Piece::JsonField(field) => push_json_string(&mut lines, &field.value(row, no_trunc)),
                    Piece::Json => push_json_object(&mut lines, row, no_trunc),
                }
            }
            lines.push('\n');
        }
        if self.table { aligned(&lines) } else { lines }
    }
}

fn pieces(source: &str) -> Result<Vec<Piece>, Failure> {
    let mut pieces = Vec::new();
    let mut rest = source;
    while let Some((text, after)) = rest.split_once("{{") {
        let Some((action, behind)) = after.split_once("}}") else {
            return Err(Failure::caller(format!(
                "--format: {} is not closed",
                text::quoted(&format!("{{{{{after}"))
            ))
            .remedy("close each placeholder with `}}`, as in '{{.Name}}'"));
        };
        if !text.is_empty() {
            pieces.push(Piece::Text(text.into()));
        }
        pieces.push(action_piece(action)?);
        rest = behind;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.into()));
    }
    Ok(pieces)
}

fn action_piece(action: &str) -> Result<Piece, Failure> {
    let words: Vec<&str> = action.split_whitespace().collect();
    match words.as_slice() {
        ["json", "."] => Ok(Piece::Json),
        ["json", word] => field(word, action).map(Piece::JsonField),
        [word] => field(word, action).map(Piece::Field),
        _ => Err(unknown(action)),
    }
}

fn field(word: &str, action: &str) -> Result<Field, Failure> {
    let name = word.strip_prefix('.').ok_or_else(|| unknown(action))?;
    Field::ALL.into_iter().find(|field| field.name() == name).ok_or_else(|| unknown(action))
}

fn unknown(action: &str) -> Failure {
    let known: Vec<String> = Field::ALL.iter().map(|field| format!("{{{{.{}}}}}", field.name())).collect();
    Failure::caller(format!("--format: unknown placeholder {}", text::quoted(&format!("{{{{{action}}}}}"))))
        .remedy(format!("known are {} and {{{{json .}}}}", known.join(" ")))
}

fn push_json_object(out: &mut String, row: &Row, no_trunc: bool) {
    for (index, field) in Field::ALL.into_iter().enumerate() {
        out.push(if index == 0 { '{' } else { ',' });
        push_json_string(out, field.name());
        out.push(':');
        push_json_string(out, &field.value(row, no_trunc));
    }
    out.push('}');
}

/// A JSON string that is safe on a terminal, too: besides what JSON demands, everything that a terminal acts on and,
/// as in the output of `docker`, what HTML acts on is written as `\uXXXX`.
fn push_json_string(out: &mut String, value: &str) {
    out.push('"');
    for character in value.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' => push_utf16(out, character),
            _ if text::is_unsafe(character) => push_utf16(out, character),
            _ => out.push(character),
        }
    }
    out.push('"');
}

fn push_utf16(out: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        // Writing to a string cannot fail.
        let _ = write!(out, "\\u{unit:04x}");
    }
}

/// Tab-separated lines as aligned columns. A column spans the neighbouring lines that have it (so a template of
/// several lines aligns each of them), and what follows the last tab of a line belongs to no column.
pub(crate) fn aligned(lines: &str) -> String {
    let lines: Vec<Vec<&str>> = lines.lines().map(|line| line.split('\t').collect()).collect();
    let columns = lines.iter().map(|cells| cells.len() - 1).max().unwrap_or(0);
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|cells| vec![0; cells.len() - 1]).collect();
    for column in 0..columns {
        let mut start = 0;
        while start < lines.len() {
            let block = lines[start..].iter().take_while(|cells| cells.len() - 1 > column).count();
            let widest =
                lines[start..start + block].iter().map(|cells| width(cells[column]) + COLUMN_GAP).max();
            for line in &mut widths[start..start + block] {
                line[column] = widest.unwrap_or(0).max(COLUMN_MIN);
            }
            start += block.max(1);
        }
    }
    let mut out = String::new();
    for (cells, widths) in lines.iter().zip(&widths) {
        for (index, cell) in cells.iter().enumerate() {
            out.push_str(cell);
            if let Some(room) = widths.get(index) {
                out.extend(std::iter::repeat_n(' ', room.saturating_sub(width(cell))));
            }
        }
        out.push('\n');
    }
    out
}

/// The width of a cell. Engines allow only ASCII in names, so a character is a column.
fn width(cell: &str) -> usize {
    cell.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        vec![
            Row {
                container: "1a0b1739825c".into(),
                id: "1a0b1739825c2fa79fbbfc48e733ccf78d4efb8e4529c9aeae08614c934a7785".into(),
                name: "clit-b".into(),
                cpu_percent: Some(99.49),
                memory: Some(815_104),
                memory_limit: Some(67_108_864),
                memory_percent: Some(1.2146),
                net: Some((536, 0)),
                block: Some((0, 0)),
                pids: Some(1),
            },
            Row {
                container: "73054c9420b5".into(),
                id: "73054c9420b58f4f5d14d9a67be09ac28a3b6e3a86b1ed0a0ce5a43f2b9fbb6c".into(),
                name: "plimsoll-demo-worker".into(),
                cpu_percent: Some(1.62),
                memory: Some(802_816),
                memory_limit: Some(25_276_055_552),
                memory_percent: Some(0.0031),
                net: Some((22_300_000, 326_000)),
                block: Some((0, 0)),
                pids: Some(2),
            },
            Row {
                container: "9de4e1e6ea9f".into(),
                id: "9de4e1e6ea9f6783".into(),
                name: "clit-c".into(),
                ..Row::default()
            },
        ]
    }

    /// The lines of the two running containers are those that docker 28.2.2 printed for them.
    #[test]
    fn formats_print_what_docker_prints() {
        let cases = [
            (
                "table",
                "CONTAINER ID   NAME                   CPU %     MEM USAGE / LIMIT   MEM %     NET I/O          BLOCK I/O   PIDS\n\
                 1a0b1739825c   clit-b                 99.49%    796KiB / 64MiB      1.21%     536B / 0B        0B / 0B     1\n\
                 73054c9420b5   plimsoll-demo-worker   1.62%     784KiB / 23.54GiB   0.00%     22.3MB / 326kB   0B / 0B     2\n\
                 9de4e1e6ea9f   clit-c                 --        -- / --             --        --               --          --\n",
            ),
            (
                "json",
                "{\"BlockIO\":\"0B / 0B\",\"CPUPerc\":\"99.49%\",\"Container\":\"1a0b1739825c\",\"ID\":\"1a0b1739825c\",\"MemPerc\":\"1.21%\",\"MemUsage\":\"796KiB / 64MiB\",\"Name\":\"clit-b\",\"NetIO\":\"536B / 0B\",\"PIDs\":\"1\"}\n\
                 {\"BlockIO\":\"0B / 0B\",\"CPUPerc\":\"1.62%\",\"Container\":\"73054c9420b5\",\"ID\":\"73054c9420b5\",\"MemPerc\":\"0.00%\",\"MemUsage\":\"784KiB / 23.54GiB\",\"Name\":\"plimsoll-demo-worker\",\"NetIO\":\"22.3MB / 326kB\",\"PIDs\":\"2\"}\n\
                 {\"BlockIO\":\"--\",\"CPUPerc\":\"--\",\"Container\":\"9de4e1e6ea9f\",\"ID\":\"9de4e1e6ea9f\",\"MemPerc\":\"--\",\"MemUsage\":\"-- / --\",\"Name\":\"clit-c\",\"NetIO\":\"--\",\"PIDs\":\"--\"}\n",
            ),
            ("{{.Name}}: {{ .CPUPerc }}", "clit-b: 99.49%\nplimsoll-demo-worker: 1.62%\nclit-c: --\n"),
            ("{{json .Name}}\\t{{.PIDs}}", "\"clit-b\"\t1\n\"plimsoll-demo-worker\"\t2\n\"clit-c\"\t--\n"),
            (
                "table {{.Name}}\\t{{.CPUPerc}}\\n{{.ID}}\\t\\t{{.PIDs}}",
                // One block of lines has a first column, but each second line is a block of its own for the second.
                "NAME                   CPU %\n\
                 CONTAINER ID                     PIDS\n\
                 clit-b                 99.49%\n\
                 1a0b1739825c                     1\n\
                 plimsoll-demo-worker   1.62%\n\
                 73054c9420b5                     2\n\
                 clit-c                 --\n\
                 9de4e1e6ea9f                     --\n",
            ),
            (
                "table {{.Container}}\\t{{.CPUPerc}}",
                "CONTAINER      CPU %\n1a0b1739825c   99.49%\n73054c9420b5   1.62%\n9de4e1e6ea9f   --\n",
            ),
            ("", "\n\n\n"),
        ];
        for (format, expected) in cases {
            let template = Template::parse(format).unwrap_or_else(|error| panic!("{format}: {error}"));
            assert_eq!(template.render(&rows(), false), expected, "{format}");
        }
    }

    #[test]
    fn a_table_without_rows_is_its_headings() {
        let template = Template::parse("table {{.Container}}\\t{{.CPUPerc}}\\t{{.PIDs}}").unwrap();
        assert_eq!(template.render(&[], false), "CONTAINER   CPU %     PIDS\n");
        assert!(Template::default().render(&[], false).starts_with("CONTAINER ID   NAME"));
    }

    #[test]
    fn whole_identifiers_on_request() {
        let template = Template::parse("{{.ID}}").unwrap();
        assert_eq!(template.render(&rows()[..1], true).trim_end().len(), 64);
        assert_eq!(template.render(&rows()[..1], false), "1a0b1739825c\n");
    }

    #[test]
    fn a_bad_format_is_named_with_what_is_known() {
        let cases = [
            ("{{.Nope}}", "--format: unknown placeholder `{{.Nope}}`"),
            ("{{.}}", "--format: unknown placeholder `{{.}}`"),
            ("{{}}", "--format: unknown placeholder `{{}}`"),
            ("{{upper .Name}}", "--format: unknown placeholder `{{upper .Name}}`"),
            ("{{json .Nope}}", "--format: unknown placeholder `{{json .Nope}}`"),
            ("x {{.Name", "--format: `{{.Name` is not closed"),
            ("{{\u{1b}[2J}}", "--format: unknown placeholder `{{\\u{1b}[2J}}`"),
        ];
        for (format, expected) in cases {
            assert_eq!(Template::parse(format).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_hostile_name_reaches_no_terminal() {
        let row = Row {
            name: "a\u{1b}]0;x\u{7}\tb\nc\u{202e}\u{e0001}\"<\\".into(),
            container: "\u{9b}31m".into(),
            ..Row::default()
        };
        for format in
            ["table", "json", "{{.Name}}", "{{json .Container}}", "table {{.Container}}\\t{{.Name}}"]
        {
            let shown = Template::parse(format).unwrap().render(std::slice::from_ref(&row), false);
            assert!(
                !shown.chars().any(|character| character != '\n' && text::is_unsafe(character)),
                "{shown:?}"
            );
        }
        let json = Template::parse("json").unwrap().render(std::slice::from_ref(&row), false);
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(parsed["Name"], row.name.as_str());
        assert_eq!(parsed["Container"], row.container.as_str());
    }
}
