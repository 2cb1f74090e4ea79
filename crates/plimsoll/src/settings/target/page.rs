//! The keys of a target as a page of the documentation, `docs/targets.md`.

use plimsoll_deliver::config::TargetConfig;
use toml::Value;

use crate::settings::target::key::{Shown, TargetKey, kinds_text};
use crate::settings::target::{KEY, MAX_TARGETS, PREFIX, keys};

const BEGIN: &str = "\
# Targets, key by key

A target is a database, a message queue or a file to which the agent delivers what it measures. Each is a `[[target]]` table of the
configuration file. What is wrong with one is told with its line, and the agent does not start; on `SIGHUP` everything stays as it was.

```toml
[[target]]
name = \"tsdb\"
type = \"influxdb-v2\"
url = \"http://localhost:8086\"
org = \"home\"
bucket = \"containers\"
token_file = \"/run/secrets/influxdb-token\"
families = [\"cpu\", \"memory\"]
tags = { region = \"eu-1\" }

[[target]]
name = \"audit\"
type = \"file\"
path = \"/var/log/plimsoll/points.jsonl\"
format = \"json\"
every = 60
```

`plimsoll agent --print-config` shows what is in force, with the origin of each value. Passwords, tokens, the values of headers and the
queries of addresses are never shown: not there, not in a message, not in the log.

<!-- the table: generated from the program's own; PLIMSOLL_BLESS=1 cargo test -p plimsoll writes this page anew -->

";

const END: &str = "\
\n\
## NATS

Targets of the type `nats` are in programs that were built with `cargo build --release --features nats`. Each batch is a message in line
protocol with the headers `Nats-Msg-Id`, `Content-Type`, `Content-Encoding`, `Plimsoll-Format` and `Plimsoll-Points`. It counts as delivered
once a stream of JetStream has acknowledged it, so there has to be one that takes the subject:

```sh
nats stream add metrics --subjects plimsoll.metrics --replicas 3 --dupe-window 1h --defaults
```

A batch whose acknowledgement was lost is sent again with the same id, and the stream drops it as a duplicate if it comes within the
window: let that be as long as the longest outage. A name with permissions needs those to publish the subject and to subscribe to `_INBOX.>`.
";

/// The whole page.
pub(super) fn markdown() -> String {
    let mut out = BEGIN.to_owned();
    out.push_str("| key | takes | types | default | what it is |\n|---|---|---|---|---|\n");
    for key in keys() {
        let (takes, kinds) = (key.value_name, kinds_text(key.kinds));
        let help = key.help.replace('|', "\\|");
        out.push_str(&format!("| `{}` | {takes} | {kinds} | {} | {help}. |\n", key.key, default(key)));
    }
    let [url, token, labels, tags] =
        ["URL", "TOKEN_FILE", "LABELS", "TAGS"].map(|key| format!("{PREFIX}{key}"));
    out.push_str(&format!(
        "\n\
         There may be {MAX_TARGETS} targets. Sizes are as 500kB, 50MB, 256MiB or plain bytes; durations as 500ms, 10s, 1m or plain seconds; \
         lists are arrays,\ntables are tables of texts.\n\n\
         ## Without a file\n\n\
         `{PREFIX}` and a key in capitals sets that key of one target: `{url}`, `{token}`. The target is that\n\
         of the file whose name is in `{PREFIX}NAME`, and the variables are stronger than its table; if there is none of that name, they\n\
         make one. Without a name it is `default`. Lists have commas, as `{labels}=container_*,interface`, and tables, too, as\n\
         `{tags}=region=eu-1,rack=7`.\n\n\
         ```sh\n\
         {PREFIX}TYPE=influxdb-v3 {url}=http://localhost:8181 {PREFIX}DATABASE=containers plimsoll agent\n\
         ```\n\n\
         A `[[{KEY}]]` can do what these variables can, and there may be more than one.\n",
    ));
    out.push_str(END);
    out
}

/// The default of a key, by type where it differs.
fn default(key: &TargetKey) -> String {
    let mut texts: Vec<(String, Vec<&'static str>)> = Vec::new();
    for kind in key.kinds {
        let text = match (key.show)(&TargetConfig::new("", *kind)) {
            _ if key.needed => "needed".to_owned(),
            Shown::Plain(Value::String(text)) => format!("`{text}`"),
            Shown::Plain(value) => format!("`{value}`"),
            Shown::Nothing | Shown::Hidden(_) => String::new(),
        };
        match texts.iter_mut().find(|(other, _)| *other == text) {
            Some((_, kinds)) => kinds.push(kind.name()),
            None => texts.push((text, vec![kind.name()])),
        }
    }
    // What most types have stands first, and needs no names.
    texts.sort_by_key(|(_, kinds)| std::cmp::Reverse(kinds.len()));
    let texts = texts.iter().enumerate().map(|(at, (text, kinds))| match at {
        0 => text.clone(),
        _ => format!("{text} for {}", kinds.join(", ")),
    });
    texts.collect::<Vec<_>>().join("; ")
}
