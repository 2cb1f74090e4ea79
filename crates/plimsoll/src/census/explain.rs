//! What each part of a report reveals, in words.

use plimsoll_model::census::Report;

use crate::settings::census::Images;

/// A part of a report: its keys, what they tell, and to whom that is of use.
pub(super) struct Part {
    pub(super) keys: &'static [&'static str],
    pub(super) reveals: &'static str,
}

/// Every part, in the order of the report. Together they have every key.
pub(super) const PARTS: [Part; 12] = [
    Part {
        keys: &["installation_id"],
        reveals: "tells your reports from those of others, and ties them to each other. It is random, was made up on this \
                  machine, and says nothing of it; `plimsoll census id --rotate` makes up another",
    },
    Part { keys: &["version"], reveals: "which Plimsoll this is" },
    Part {
        keys: &["timestamp", "timezone"],
        reveals: "when the report was made, and in which part of the world the machine's clock thinks it is",
    },
    Part {
        keys: &["host_count", "agent_count", "agent_versions"],
        reveals: "how many hosts were scanned, how many of them through agents, and of which versions. No names, no addresses",
    },
    Part {
        keys: &[
            "total_containers",
            "containers_running",
            "containers_stopped",
            "containers_paused",
            "containers_other",
            "scan_interval_seconds",
        ],
        reveals: "how many containers there are, in which states, and how often that is looked at. No names, no labels",
    },
    Part { keys: &["image_stats"], reveals: "" },
    Part {
        keys: &["avg_cpu_percent", "avg_memory_bytes"],
        reveals: "what a running container uses on average, over all of them",
    },
    Part {
        keys: &["total_memory_limit"],
        reveals: "the sum of memory limits that were set; containers without a limit take no part in it",
    },
    Part {
        keys: &["avg_restarts", "high_restart_containers"],
        reveals: "how often containers are restarted on average, and how many of them more than ten times",
    },
    Part {
        keys: &["total_image_size", "unique_images"],
        reveals: "how many images are in use, and how large they are together",
    },
    Part {
        keys: &[
            "compose_project_count",
            "containers_in_compose",
            "containers_with_deps",
            "total_dependencies",
        ],
        reveals: "how many Compose projects there are, and how many of their containers depend on others. No names",
    },
    Part {
        keys: &[
            "network_count",
            "custom_network_count",
            "shared_volume_count",
            "avg_connections_per_container",
        ],
        reveals: "how many networks and shared volumes there are. No names, no addresses",
    },
];

/// What the list of images reveals under each way to name them.
fn of_images(images: Images) -> &'static str {
    match images {
        Images::Plain => {
            "each image's name with its registry and tag, how many containers were made from it, and its size. Names of your \
             own images and registries may tell who you are: --census-images normalised, hashed or omitted say less"
        }
        Images::Normalised => {
            "each image's name with its tag, without the large public registries, how many containers were made from it, and \
             its size. Names of your own images and registries stay, and may tell who you are: --census-images hashed or \
             omitted say less"
        }
        Images::Hashed => {
            "for each image a hash that this installation alone can make, how many containers were made from it, and its \
             size. Nobody can tell which image it is, unless its size gives it away"
        }
        Images::Omitted => "nothing: images are left out",
    }
}

/// The explanation of a report.
pub(super) fn explain(report: &Report, images: Images) -> String {
    let mut out = String::from("What this report reveals:\n");
    for part in &PARTS {
        let reveals = if part.keys == ["image_stats"] { of_images(images) } else { part.reveals };
        out.push_str(&format!("  {}\n      {reveals}.\n", part.keys.join(", ")));
    }
    out.push_str(&format!(
        "Whoever receives it also sees the address that it comes from, as with any request. It names {} of {} images. What is \
         zero or not known is left out where the format allows that.\n",
        report.images.len(),
        report.unique_images,
    ));
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use plimsoll_model::census::ImageUse;
    use plimsoll_wire::census::encode;
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_key_is_explained_once() {
        let report = Report {
            avg_cpu_percent: 1.0,
            avg_memory_bytes: 1,
            total_memory_limit: 1,
            avg_restarts: 1.0,
            high_restart_containers: 1,
            total_image_size: 1,
            unique_images: 1,
            timezone: "UTC".to_owned(),
            compose_project_count: 1,
            containers_in_compose: 1,
            network_count: 1,
            custom_network_count: 1,
            shared_volume_count: 1,
            containers_with_deps: 1,
            total_dependencies: 1,
            avg_connections_per_container: 1.0,
            images: vec![ImageUse { image: "a".to_owned(), containers: 1, size_bytes: 1 }],
            agent_versions: BTreeMap::from([("1".to_owned(), 1)]),
            ..Report::default()
        };
        let mut body = String::new();
        encode(&report, &mut body);
        let body: Value = serde_json::from_str(&body).unwrap();
        let mut keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        let mut explained: Vec<_> = PARTS.iter().flat_map(|part| part.keys).copied().collect();
        keys.sort_unstable();
        explained.sort_unstable();
        assert_eq!(explained, keys);
        assert!(explain(&report, Images::Hashed).contains("this installation alone"));
    }
}
