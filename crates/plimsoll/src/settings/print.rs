//! The settings as text: `--print-config`, and the table for the documentation.

use toml::Value;

use crate::settings::Merged;
use crate::settings::collector::CollectorTable;
use crate::settings::table::{COLLECTORS, Kind, SETTINGS};
use crate::settings::target::TargetTable;
use crate::text;

impl Merged {
    /// The settings in force as a configuration file, with the origin of each as a comment. Read back, it gives the same
    /// settings.
    pub(crate) fn to_toml(&self) -> String {
        let mut out = String::from("# The settings in force, as a configuration file.\n");
        let read = self.settings.config.as_ref().map(|path| text::printable(&path.display().to_string()));
        out.push_str(
            &read.map_or(
                "# No configuration file was read.
"
                .into(),
                |path| {
                    format!(
                        "# Read: {path}
"
                    )
                },
            ),
        );
        let mut tables = String::new();
        for setting in SETTINGS {
            let value = (setting.show)(&self.settings);
            match (setting.kind, value) {
                (Kind::ConfigFile, _) => {}
                (_, Value::Table(entries)) => {
                    // A table ends the plain keys, so tables come last.
                    tables.push_str(&format!("\n# {}.\n[{}]\n", setting.help, setting.key));
                    for name in COLLECTORS {
                        match entries.get(name) {
                            Some(value) => {
                                let origin = self.origin(&format!("{}.{name}", setting.key));
                                tables.push_str(&format!("{name} = {value} # {origin}\n"));
                            }
                            None => tables.push_str(&format!("# {name} is as the profile has it\n")),
                        }
                    }
                }
                (_, value) => {
                    let origin = self.origin(setting.key);
                    out.push_str(&format!("\n# {}.\n{} = {value} # {origin}\n", setting.help, setting.key));
                }
            }
        }
        out.push_str(&tables);
        out.extend(self.settings.collector.iter().map(CollectorTable::to_toml));
        out.extend(self.settings.target.iter().map(TargetTable::to_toml));
        out
    }
}

/// The settings as a Markdown table, for the README.
#[cfg(test)]
pub(crate) fn markdown() -> String {
    let mut out =
        String::from("| setting | flag | environment | default | what it is |\n|---|---|---|---|---|\n");
    for setting in SETTINGS {
        let key = match setting.kind {
            Kind::ConfigFile => String::new(),
            _ => format!("`{}`", setting.key),
        };
        let flag = match setting.kind {
            Kind::Collectors => "`--collector.NAME`, `--no-collector.NAME`".into(),
            Kind::Bool => format!("`--{}`", setting.flag),
            _ => format!("`--{} {}`", setting.flag, setting.value_name),
        };
        let mut environment = format!("`{}`", setting.env);
        for alias in setting.aliases {
            environment.push_str(&format!(", `{}` ({})", alias.env, alias.help));
        }
        let default = match setting.default_text() {
            text if text.is_empty() => text,
            text => format!("`{text}`"),
        };
        let help = [setting.help, setting.long].join(". ");
        let help = format!("{}.", help.trim_end_matches(['.', ' '])).replace('|', "\\|");
        out.push_str(&format!("| {key} | {flag} | {environment} | {default} | {help} |\n"));
    }
    out
}
