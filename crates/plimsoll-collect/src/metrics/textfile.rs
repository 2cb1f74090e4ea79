//! Metrics that somebody else writes into files, as node_exporter's textfile collector reads them.
//!
//! Every `*.prom` of a folder is read, in the order of names. A file with anything in it that cannot be used is left out as a
//! whole, as it may be half written, and so is one whose values have times; no file costs another one anything. The names of
//! what is told about the files are node_exporter's, so that its alerts work.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plimsoll_model::text::{MAX_TEXT, bounded};
use serde_json::Value;

use super::config::ConfigError;
use super::parameters::{Parameters, mistyped, wrong};
use super::parse;
use super::text;
use super::value::MetricValue;
use super::work::Collected;

/// The longest file that is read, in bytes.
pub const MAX_TEXTFILE: u64 = 4 * 1024 * 1024;

/// The most files that are read of one folder.
pub const MAX_FILES: usize = 1000;

/// The most folders of one collector.
const MAX_FOLDERS: usize = 64;

/// How many complaints of one round are told.
const MAX_TOLD: usize = 10;

/// What the names of the values about the files begin with. A file cannot tell of itself.
const OWN: &str = "node_textfile_";

/// A name that nothing may have: what gets it is counted as one that used a reserved name.
const RESERVED: &str = "plimsoll_";

/// Reads the `*.prom` files of folders.
pub struct Textfile {
    folders: Vec<PathBuf>,
    /// What was told last of what is wrong, so that it is told once.
    told: Mutex<Vec<String>>,
}

impl Textfile {
    /// The folders that these parameters name: `folder`, a text or a list of texts.
    ///
    /// # Errors
    /// If there is no `folder`, or a parameter is unknown or of the wrong type.
    pub fn from_parameters(parameters: &BTreeMap<String, Value>) -> Result<Self, ConfigError> {
        let parameters = Parameters::new(parameters, &["folder"])?;
        let expected = "a folder, or a list of folders";
        let text = |value: &Value| match value {
            Value::String(text) if !text.is_empty() && !text.contains('\0') => Ok(PathBuf::from(text)),
            other => Err(mistyped("folder", expected, other)),
        };
        let folders: Vec<PathBuf> = match parameters.get("folder") {
            None => Vec::new(),
            Some(Value::Array(folders)) => folders.iter().map(text).collect::<Result<_, _>>()?,
            Some(one) => vec![text(one)?],
        };
        match folders.len() {
            0 => Err(wrong("have no \"folder\": it takes a folder with *.prom files, or a list of such")),
            1..=MAX_FOLDERS => Ok(Self { folders, told: Mutex::default() }),
            many => Err(wrong(format!("have {many} folders: {MAX_FOLDERS} at most"))),
        }
    }

    /// Reads all of them. Blocks.
    pub(super) fn collect(&self) -> Collected {
        let (mut of_files, mut times, mut complaints) = (Vec::new(), Vec::new(), Vec::new());
        for folder in &self.folders {
            let (files, complaint) = files(folder);
            complaints.extend(complaint);
            for file in files {
                match read(&file) {
                    Ok((values, written)) => {
                        let path = file.display().to_string();
                        times.push(
                            MetricValue::new(
                                "node_textfile_mtime_seconds",
                                written.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
                            )
                            .label("file", bounded(&path, MAX_TEXT))
                            .help("Unixtime mtime of textfiles successfully read."),
                        );
                        of_files.extend(values);
                    }
                    Err(problem) => complaints.push(format!("{}: {problem}", file.display())),
                }
            }
        }
        let is_wrong = if complaints.is_empty() { 0.0 } else { 1.0 };
        let error = MetricValue::new("node_textfile_scrape_error", is_wrong)
            .help("1 if there was an error opening or reading a file, 0 otherwise");
        // What is about the files stands first, so that files with too many values do not take its place. What could not be
        // read has no name, and is counted.
        let mut values = vec![error];
        values.extend(times);
        values.extend(complaints.iter().map(|_| MetricValue::new("", 0.0)));
        values.extend(of_files);
        self.tell(complaints);
        Ok(values)
    }

    /// Tells what is wrong, once.
    fn tell(&self, complaints: Vec<String>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<_> = complaints.iter().filter(|complaint| !told.contains(complaint)).collect();
        for complaint in new.iter().take(MAX_TOLD) {
            tracing::warn!("a textfile is left out: {}", text::beginning(complaint.as_bytes()));
        }
        if new.len() > MAX_TOLD {
            tracing::warn!("{} more textfiles are left out", new.len() - MAX_TOLD);
        }
        *told = complaints;
    }
}

/// The files of a folder to read, sorted, and what is wrong with it.
fn files(folder: &Path) -> (Vec<PathBuf>, Option<String>) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return (Vec::new(), Some(format!("{}: {error}", folder.display()))),
    };
    let named = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().ends_with(".prom"));
    let mut files: Vec<PathBuf> = named.map(|entry| entry.path()).collect();
    files.sort();
    let surplus = files.len().saturating_sub(MAX_FILES);
    files.truncate(MAX_FILES);
    let complaint = (surplus > 0)
        .then(|| format!("{}: {surplus} files beyond {MAX_FILES} are not read", folder.display()));
    (files, complaint)
}

/// The values of a file, and when it was written.
fn read(path: &Path) -> Result<(Vec<MetricValue>, SystemTime), String> {
    let said = |error: std::io::Error| error.to_string();
    // Before it is opened: whoever opens a pipe waits for somebody to write into it.
    if !std::fs::metadata(path).map_err(said)?.is_file() {
        return Err("it is no file".to_owned());
    }
    let file = File::open(path).map_err(said)?;
    let mut bytes = Vec::new();
    (&file).take(MAX_TEXTFILE + 1).read_to_end(&mut bytes).map_err(said)?;
    if bytes.len() as u64 > MAX_TEXTFILE {
        return Err(format!("it is longer than {MAX_TEXTFILE} bytes"));
    }
    let values = values(&bytes, &path.display().to_string())?;
    let written = file.metadata().and_then(|metadata| metadata.modified()).map_err(said)?;
    Ok((values, written))
}

/// What the text of a file says; the problem if it is not to be used.
fn values(bytes: &[u8], file: &str) -> Result<Vec<MetricValue>, String> {
    // No time that somebody can tell, so that who tells one is found.
    let untold = UNIX_EPOCH - Duration::from_secs(1);
    let parsed = parse::prometheus(bytes, "", untold).map_err(|error| error.problem)?;
    if let Some(first) = parsed.first {
        return Err(first);
    }
    if parsed.surplus > 0 {
        return Err(format!("it has {} values more than {}", parsed.surplus, parse::MAX_READ));
    }
    let now = SystemTime::now();
    let mut values = parsed.values;
    for value in &mut values {
        if value.timestamp != untold {
            return Err("a value has a time of its own; a file tells what is so now".to_owned());
        }
        value.timestamp = now;
        if value.help.is_empty() {
            value.help = bounded(&format!("Metric read from {file}"), MAX_TEXT).to_owned().into();
        }
        if value.name.starts_with(OWN) {
            value.name = RESERVED.into();
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::metrics::{Collector, CollectorConfig, Nonsense};

    fn of(folders: Value) -> Textfile {
        Textfile::from_parameters(&[("folder".to_owned(), folders)].into()).unwrap()
    }

    #[tokio::test]
    async fn a_broken_file_costs_itself_alone() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
        put("b.prom", b"# TYPE jobs_total counter\njobs_total 3\nnode_reboot_required 1\n");
        put("a.prom", b"# HELP jobs_total Jobs.\njobs_total{a=\"b\"} 2\n");
        put("empty.prom", b"");
        put("other.txt", b"other 1\n");
        put("half.prom", b"good 1\nbad{a=\"b 1\n");
        put("page.prom", b"<html>");
        put("timed.prom", b"timed 1 1640995200000\n");
        put("odd.prom", b"\xff\xfe 1\n");
        put("again.prom", b"node_reboot_required 5\n");
        put(
            "reserved.prom",
            b"node_load1 5\nplimsoll_x 1\nnode_textfile_scrape_error 7\nnode_textfile_mtime_seconds{file=\"x\"} 1\nown 1\n",
        );
        put("long.prom", &vec![b'#'; usize::try_from(MAX_TEXTFILE).unwrap() + 1]);
        std::fs::create_dir(folder.path().join("folder.prom")).unwrap();
        let textfile = of(json!([folder.path(), folder.path().join("absent")]));
        let collector =
            Collector::blocking(CollectorConfig::new("textfile"), move || textfile.collect()).unwrap();
        collector.reserve(plimsoll_model::custom::is_reserved);
        let values = collector.collect_with_error_handling("").await.unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let told: Vec<_> = values
            .iter()
            .map(|value| (&*value.name, value.labels.values().next().map_or("", |text| text), value.value))
            .collect();
        let at = |name: &str| {
            let written = std::fs::metadata(path(name)).unwrap().modified().unwrap();
            written.duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
        };
        let read = ["a.prom", "again.prom", "b.prom", "empty.prom", "reserved.prom"]
            .map(|name| (path(name), at(name)));
        let mut expected = vec![("node_textfile_scrape_error", "", 1.0)];
        expected.extend(read.iter().map(|(path, at)| ("node_textfile_mtime_seconds", &**path, *at)));
        expected.extend([
            ("jobs_total", "b", 2.0),
            ("node_reboot_required", "", 5.0),
            ("jobs_total", "", 3.0),
            ("own", "", 1.0),
        ]);
        assert_eq!(told, expected);
        let helps: Vec<_> = values.iter().rev().take(4).map(|value| value.help.to_string()).collect();
        let from = |name: &str| format!("Metric read from {}", path(name));
        assert_eq!(helps, [from("reserved.prom"), from("b.prom"), from("again.prom"), "Jobs.".to_owned()]);
        let left_out = collector.get_status().left_out;
        let count = |nonsense| left_out.iter().find(|(kind, _)| *kind == nonsense).unwrap().1;
        assert_eq!(count(Nonsense::BadName), 7, "five files, a folder, and one that is not there");
        assert_eq!((count(Nonsense::Duplicate), count(Nonsense::Reserved)), (1, 4));
    }

    #[test]
    fn a_folder_may_be_empty() {
        let folder = tempfile::tempdir().unwrap();
        let values = of(json!(folder.path())).collect().unwrap();
        assert_eq!(values.len(), 1);
        assert_eq!((&*values[0].name, values[0].value), ("node_textfile_scrape_error", 0.0));
    }

    #[test]
    fn files_have_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..MAX_FILES + 2 {
            std::fs::write(folder.path().join(format!("{number}.prom")), "").unwrap();
        }
        let (found, complaint) = files(folder.path());
        assert_eq!(found.len(), MAX_FILES);
        assert!(complaint.unwrap().contains("2 files beyond 1000"));
    }

    #[test]
    fn parameters_that_cannot_be_say_why() {
        for (given, expected) in [
            (json!({}), "have no \"folder\""),
            (json!({"folder": []}), "have no \"folder\""),
            (json!({"folder": 5}), "have a number as \"folder\": it takes a folder, or a list of folders"),
            (json!({"folder": ["a", ""]}), "have a text as \"folder\""),
            (json!({"folders": "a"}), "have no \"folders\": did you mean \"folder\"?"),
        ] {
            let Value::Object(given) = given else { panic!("no object") };
            let error = Textfile::from_parameters(&given.into_iter().collect()).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
