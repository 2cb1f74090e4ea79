//! Settings as flags: the arguments that the table gives a command, and what they say.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, ValueHint};

use crate::settings::assignment::Assignment;
use crate::settings::origin::Origin;
use crate::settings::table::{COLLECTORS, Kind, SETTINGS, Setting};
use crate::settings::value::Raw;
use crate::sub::Sub;

/// The arguments of the settings that a command takes.
pub(crate) fn arguments(sub: Sub) -> Vec<Arg> {
    taken(sub)
        .flat_map(|setting| match setting.kind {
            Kind::Collectors => collectors(setting),
            _ => vec![argument(setting)],
        })
        .collect()
}

/// What the flags of a command say.
pub(crate) fn assignments(sub: Sub, matches: &ArgMatches) -> Vec<Assignment> {
    let mut assignments = Vec::new();
    for setting in taken(sub) {
        let origin = Origin::Flag(setting.flag.into());
        let given = || matches.get_many::<String>(setting.key).into_iter().flatten().cloned();
        match setting.kind {
            Kind::Collectors => {
                for name in COLLECTORS {
                    for (flag, on) in [(on_flag(name), true), (off_flag(name), false)] {
                        if matches.get_flag(&flag) {
                            let raw = Raw::Collector(name, on);
                            assignments.push(Assignment::new(setting, raw, Origin::Flag(flag)));
                        }
                    }
                }
            }
            Kind::List => {
                let entries: Vec<String> = given().collect();
                if !entries.is_empty() {
                    assignments.push(Assignment::new(setting, Raw::List(entries), origin));
                }
            }
            Kind::One | Kind::Choice(_) | Kind::Bool | Kind::Folder | Kind::File | Kind::ConfigFile => {
                if let Some(text) = given().next_back() {
                    assignments.push(Assignment::new(setting, Raw::Text(text), origin));
                }
            }
        }
    }
    assignments
}

fn taken(sub: Sub) -> impl Iterator<Item = &'static Setting> {
    // It is the agent, with other defaults.
    let sub = if sub == Sub::Cadvisor { Sub::Agent } else { sub };
    SETTINGS.iter().filter(move |setting| setting.on.contains(&sub))
}

fn argument(setting: &'static Setting) -> Arg {
    let argument = Arg::new(setting.key)
        .long(setting.flag)
        .value_name(setting.value_name)
        .help(short_help(setting))
        .long_help(long_help(setting))
        .help_heading(setting.group);
    match setting.kind {
        Kind::Choice(names) => argument.value_parser(PossibleValuesParser::new(names())),
        Kind::Bool => argument
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_parser(PossibleValuesParser::new(["true", "false"])),
        Kind::Folder => argument.value_hint(ValueHint::DirPath),
        Kind::ConfigFile | Kind::File => argument.value_hint(ValueHint::FilePath),
        Kind::List => argument.action(ArgAction::Append),
        Kind::One | Kind::Collectors => argument,
    }
}

/// Two flags for each collector, of which the later one holds. Twenty flags would bury the others, so the first one
/// stands for them in the short help.
fn collectors(setting: &'static Setting) -> Vec<Arg> {
    let mut arguments = Vec::new();
    for (index, name) in COLLECTORS.into_iter().enumerate() {
        let flag = |flag: String, other: String, help: String| {
            Arg::new(flag.clone())
                .long(flag)
                .action(ArgAction::SetTrue)
                .overrides_with(other)
                .help(help)
                .help_heading("Collectors, one by one")
        };
        let on = flag(on_flag(name), off_flag(name), format!("Switch on the collector {name}"));
        let off = flag(off_flag(name), on_flag(name), format!("Switch off the collector {name}"));
        if index == 0 {
            let others = COLLECTORS[1..].join(", ");
            let off = off.help(format!("Switch off the collector {name}; so, too, {others}"));
            arguments.push(on.long_help(format!("Switch on the collector {name}. {}", long_help(setting))));
            arguments.push(off.long_help(format!("Switch off the collector {name}")));
        } else {
            arguments.extend([on.hide_short_help(true), off.hide_short_help(true)]);
        }
    }
    arguments
}

fn on_flag(name: &str) -> String {
    format!("collector.{name}")
}

fn off_flag(name: &str) -> String {
    format!("no-collector.{name}")
}

fn short_help(setting: &Setting) -> String {
    match setting.default_text().as_str() {
        "" => setting.help.into(),
        default => format!("{} [default: {default}]", setting.help),
    }
}

fn long_help(setting: &Setting) -> String {
    let mut help = format!("{}.", setting.help);
    if !setting.long.is_empty() {
        help.push(' ');
        help.push_str(setting.long);
    }
    help.push_str("\n\n[environment: ");
    help.push_str(setting.env);
    for alias in setting.aliases {
        help.push_str(&format!(", or {} ({})", alias.env, alias.help));
    }
    help.push(']');
    if !matches!(setting.kind, Kind::ConfigFile) {
        help.push_str(&format!(" [file: {}]", setting.key));
    }
    let default = setting.default_text();
    if !default.is_empty() {
        help.push_str(&format!(" [default: {default}]"));
    }
    help
}
