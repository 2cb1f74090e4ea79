//! An exposition in the text format, read back.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use plimsoll_model::catalog::CADVISOR;

/// One line of an exposition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Sample {
    pub(crate) fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }
}

/// A whole exposition.
#[derive(Clone, Debug)]
pub(crate) struct Exposition {
    /// What `# TYPE` lines name.
    pub(crate) families: BTreeSet<String>,
    pub(crate) samples: Vec<Sample>,
}

impl Exposition {
    /// Reads the text format, and insists on its rules.
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let mut exposition = Self { families: BTreeSet::new(), samples: Vec::new() };
        for line in text.split_terminator('\n') {
            if let Some(family) = line.strip_prefix("# TYPE ") {
                let name = family.split(' ').next().unwrap().to_owned();
                assert!(exposition.families.insert(name), "a family stands twice: {line}");
            } else if !line.starts_with('#') {
                let sample = sample(line).unwrap_or_else(|| panic!("no sample: {line:?}"));
                exposition.samples.push(sample);
            }
        }
        exposition
    }

    /// Every sample of a name whose labels include these.
    pub(crate) fn all(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Sample> {
        let has = |sample: &Sample| labels.iter().all(|(key, value)| sample.label(key) == *value);
        self.samples.iter().filter(|sample| sample.name == name && has(sample)).collect()
    }

    /// The value of the one sample of a name whose labels include these; `None` if there is none.
    #[track_caller]
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let found = self.all(name, labels);
        assert!(found.len() <= 1, "more than one {name} with {labels:?}");
        found.first().map(|sample| sample.value)
    }

    /// Whether there is a family whose name begins like this.
    pub(crate) fn has(&self, prefix: &str) -> bool {
        self.families.iter().any(|name| name.starts_with(prefix))
    }

    /// The names of the containers in it.
    pub(crate) fn containers(&self) -> BTreeSet<&str> {
        self.all("container_state", &[]).into_iter().map(|sample| sample.label("name")).collect()
    }

    /// What happened to the containers, one series a line, for whoever reads a failure.
    pub(crate) fn life_cycles(&self) -> String {
        let telling = [
            "container_st",
            "container_ex",
            "container_re",
            "container_li",
            "container_oo",
            "plimsoll_engine_",
        ];
        let told =
            self.samples.iter().filter(|sample| telling.iter().any(|start| sample.name.starts_with(start)));
        told.map(|sample| format!("{} {:?} {}\n", sample.name, sample.labels, sample.value)).collect()
    }

    /// The number of series about one container.
    pub(crate) fn series_of(&self, container: &str) -> usize {
        self.samples.iter().filter(|sample| sample.label("name") == container).count()
    }
}

fn sample(line: &str) -> Option<Sample> {
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (key, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            if labels.insert(key.to_owned(), value).is_some() {
                return None;
            }
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ')?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// The text up to the closing quote, unescaped, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                escaped @ ('\\' | '"') => escaped,
                _ => return None,
            }),
            _ => value.push(character),
        }
    }
    None
}

/// Has `promtool` judge an exposition. What it thinks of names that node_exporter and cAdvisor fixed is nothing that could be
/// changed.
#[track_caller]
pub(crate) fn promtool(exposition: &str) {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool: {error}; it comes with Prometheus (Debian: prometheus)"));
    child.stdin.take().unwrap().write_all(exposition.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    let is_foreign = |line: &&str| {
        let name = line.split(' ').next().unwrap_or_default();
        let is_cadvisors = CADVISOR.iter().any(|fixed| fixed.family.name == name);
        let is_of_case = line.ends_with("metric names should be written in 'snake_case' not 'camelCase'");
        is_cadvisors || (name.starts_with("node_") && is_of_case)
    };
    let complaints: Vec<&str> = said.lines().filter(|line| !is_foreign(line)).collect();
    // 3 is said of names and the like, 1 of what cannot be read.
    let is_readable = matches!(output.status.code(), Some(0 | 3));
    assert!(is_readable && complaints.is_empty(), "promtool: {}: {complaints:#?}", output.status);
}
