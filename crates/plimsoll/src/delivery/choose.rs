//! Which targets of the configuration a command is about.

use clap::{Arg, ArgAction, ArgMatches};

use crate::failure::Failure;
use crate::settings::Settings;
use crate::settings::target::TargetTable;
use crate::text;

/// `--target NAME`, as often as one likes.
pub(super) fn target_argument(help: &'static str) -> Arg {
    Arg::new("target").long("target").value_name("NAME").action(ArgAction::Append).help(help)
}

/// What `--target` names.
pub(super) fn targets_named(matches: &ArgMatches) -> Vec<String> {
    matches.get_many("target").into_iter().flatten().cloned().collect()
}

/// The targets of the settings with these names, in the order of the settings; all where there is no name.
///
/// # Errors
/// There is none at all, or none of a name; the nearest that is there is told.
pub(super) fn chosen<'a>(settings: &'a Settings, names: &[String]) -> Result<Vec<&'a TargetTable>, Failure> {
    let all = &settings.target;
    if all.is_empty() {
        return Err(Failure::caller("there is no target")
            .remedy("add a [[target]] table to the configuration, or set PLIMSOLL_TARGET_TYPE and PLIMSOLL_TARGET_URL"));
    }
    let known = || all.iter().map(|table| table.config.name.as_str());
    if let Some(name) = names.iter().find(|name| !known().any(|known| known == name.as_str())) {
        return Err(unknown("--target: ", name, known()));
    }
    Ok(all.iter().filter(|table| names.is_empty() || names.contains(&table.config.name)).collect())
}

/// That there is no target of this name; the nearest that there is is told.
pub(super) fn unknown<'a>(flag: &str, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Failure {
    let failure = Failure::caller(format!("{flag}there is no target {}", text::quoted(name)));
    match text::nearest(name, known.clone()) {
        Some(near) => failure.remedy(format!("the nearest is `{near}`")),
        None => failure.remedy(format!("there are {}", known.collect::<Vec<_>>().join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::environment::Environment;
    use crate::settings::load;

    #[test]
    fn targets_are_chosen_by_name() {
        let settings =
            |file: &str| load(Vec::new(), &Environment::default(), |_| Ok(file.to_owned())).unwrap().settings;
        let two = settings(
            "[[target]]\nname = 'one'\ntype = 'stdout'\n[[target]]\nname = 'two'\ntype = 'stdout'\n",
        );
        for (names, expected) in [
            (&[][..], Ok("one two")),
            (&["two"], Ok("two")),
            (&["two", "one", "two"], Ok("one two")),
            (&["twoo"], Err("--target: there is no target `twoo`\n  to do: the nearest is `two`")),
            (&["one", "x"], Err("--target: there is no target `x`\n  to do: there are one, two")),
        ] {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let found = chosen(&two, &names)
                .map(|found| {
                    found.iter().map(|table| table.config.name.as_str()).collect::<Vec<_>>().join(" ")
                })
                .map_err(Failure::told);
            assert_eq!(found.as_deref().map_err(String::as_str), expected);
        }
        assert!(chosen(&settings(""), &[]).unwrap_err().told().starts_with("there is no target\n"));
    }
}
