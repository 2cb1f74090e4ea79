//! Keys of where a target is, and how it is opened.

use plimsoll_deliver::config::{FileFormat, RemoteWriteVersion, Secret, TargetKind};

use crate::settings::target::key::{Form, HTTP, NETWORK, Shown, TargetKey, WITH_PASSWORD};
use crate::settings::target::{pairs, url, word};
use crate::settings::value;

/// The keys.
pub(super) static KEYS: &[TargetKey] = &[
    TargetKey {
        key: "name",
        env: "PLIMSOLL_TARGET_NAME",
        form: Form::One,
        value_name: "NAME",
        help: "Its name in metrics, messages and the spool, unlike that of any other: letters, digits, `.`, `_` and `-`, at most 64",
        kinds: TargetKind::ALL,
        needed: true,
        apply: |target, raw| word::name(raw).map(|name| target.name = name),
        show: |target| Shown::text(&target.name),
    },
    TargetKey {
        key: "type",
        env: "PLIMSOLL_TARGET_TYPE",
        form: Form::One,
        value_name: "TYPE",
        help: "What it is: `influxdb-v1`, `influxdb-v2`, `influxdb-v3`, `remote-write`, `otlp`, `nats`, `file` or `stdout`",
        kinds: TargetKind::ALL,
        needed: true,
        apply: |target, raw| value::choice(raw).map(|kind| target.kind = kind),
        show: |target| Shown::text(target.kind.name()),
    },
    TargetKey {
        key: "url",
        env: "PLIMSOLL_TARGET_URL",
        form: Form::Address,
        value_name: "URL",
        help: "Its address: `http://HOST:PORT` or `https://…`, with the path where it is not the usual one of the type; for NATS \
               `nats://HOST:PORT` or `tls://…`, several with commas. A user's name and password have keys of their own",
        kinds: NETWORK,
        needed: true,
        apply: |target, raw| url::read(target.kind, raw).map(|url| target.url = url),
        show: |target| match url::without_query(&target.url) {
            Some(shown) => Shown::Hidden(format!("{shown}?…")),
            None => Shown::text(&target.url),
        },
    },
    TargetKey {
        key: "path",
        env: "PLIMSOLL_TARGET_PATH",
        form: Form::One,
        value_name: "FILE",
        help: "The file that is appended to",
        kinds: &[TargetKind::File],
        needed: true,
        apply: |target, raw| value::path(raw).map(|path| target.path = path),
        show: |target| Shown::text(target.path.display().to_string()),
    },
    TargetKey {
        key: "format",
        env: "PLIMSOLL_TARGET_FORMAT",
        form: Form::One,
        value_name: "FORMAT",
        help: "What is written: `line-protocol`, or `json` for one object a line",
        kinds: &[TargetKind::File, TargetKind::Stdout],
        needed: false,
        apply: |target, raw| value::choice::<FileFormat>(raw).map(|format| target.format = format),
        show: |target| Shown::text(value::Choice::name(target.format)),
    },
    TargetKey {
        key: "database",
        env: "PLIMSOLL_TARGET_DATABASE",
        form: Form::One,
        value_name: "NAME",
        help: "The database",
        kinds: &[TargetKind::InfluxV1, TargetKind::InfluxV3],
        needed: true,
        apply: |target, raw| word::name_of_theirs(raw).map(|name| target.database = name),
        show: |target| Shown::text(&target.database),
    },
    TargetKey {
        key: "retention_policy",
        env: "PLIMSOLL_TARGET_RETENTION_POLICY",
        form: Form::One,
        value_name: "NAME",
        help: "The retention policy; the database's default one where nothing is said",
        kinds: &[TargetKind::InfluxV1],
        needed: false,
        apply: |target, raw| word::name_of_theirs(raw).map(|name| target.retention_policy = name),
        show: |target| Shown::text(&target.retention_policy),
    },
    TargetKey {
        key: "bucket",
        env: "PLIMSOLL_TARGET_BUCKET",
        form: Form::One,
        value_name: "NAME",
        help: "The bucket",
        kinds: &[TargetKind::InfluxV2],
        needed: true,
        apply: |target, raw| word::name_of_theirs(raw).map(|name| target.bucket = name),
        show: |target| Shown::text(&target.bucket),
    },
    TargetKey {
        key: "org",
        env: "PLIMSOLL_TARGET_ORG",
        form: Form::One,
        value_name: "NAME",
        help: "The organisation. InfluxDB 2 itself wants one; some that speak its protocol do not",
        kinds: &[TargetKind::InfluxV2],
        needed: false,
        apply: |target, raw| word::name_of_theirs(raw).map(|name| target.org = name),
        show: |target| Shown::text(&target.org),
    },
    TargetKey {
        key: "subject",
        env: "PLIMSOLL_TARGET_SUBJECT",
        form: Form::One,
        value_name: "SUBJECT",
        help: "The subject under which batches are published",
        kinds: &[TargetKind::Nats],
        needed: false,
        apply: |target, raw| word::subject(raw).map(|subject| target.subject = subject),
        show: |target| Shown::text(&target.subject),
    },
    TargetKey {
        key: "remote_write_version",
        env: "PLIMSOLL_TARGET_REMOTE_WRITE_VERSION",
        form: Form::One,
        value_name: "VERSION",
        help: "Which remote write is spoken: `1.0`, `2.0`, or `auto` for 2.0, and 1.0 where the target does not understand that",
        kinds: &[TargetKind::RemoteWrite],
        needed: false,
        apply: |target, raw| {
            value::choice(&word::version(raw))
                .map(|version: RemoteWriteVersion| target.remote_write = version)
        },
        show: |target| Shown::text(value::Choice::name(target.remote_write)),
    },
    TargetKey {
        key: "username",
        env: "PLIMSOLL_TARGET_USERNAME",
        form: Form::Secret,
        value_name: "NAME",
        help: "The user's name",
        kinds: WITH_PASSWORD,
        needed: false,
        apply: |target, raw| word::username(target.kind, raw).map(|name| target.username = name),
        show: |target| Shown::text(&target.username),
    },
    TargetKey {
        key: "password",
        env: "PLIMSOLL_TARGET_PASSWORD",
        form: Form::Secret,
        value_name: "TEXT",
        help: "The user's password. A file of its own is the better place",
        kinds: WITH_PASSWORD,
        needed: false,
        apply: |target, raw| {
            word::secret(raw).map(|password| target.password = Some(Secret::Inline(password)))
        },
        show: |target| hidden(target.password.as_ref()),
    },
    TargetKey {
        key: "password_file",
        env: "PLIMSOLL_TARGET_PASSWORD_FILE",
        form: Form::One,
        value_name: "FILE",
        help: "The file that holds the user's password. It is read again for each request, with nats for each connection",
        kinds: WITH_PASSWORD,
        needed: false,
        apply: |target, raw| value::path(raw).map(|path| target.password = Some(Secret::File(path))),
        show: |target| file(target.password.as_ref()),
    },
    TargetKey {
        key: "token",
        env: "PLIMSOLL_TARGET_TOKEN",
        form: Form::Secret,
        value_name: "TEXT",
        help: "The token. A file of its own is the better place",
        kinds: NETWORK,
        needed: false,
        apply: |target, raw| word::secret(raw).map(|token| target.token = Some(Secret::Inline(token))),
        show: |target| hidden(target.token.as_ref()),
    },
    TargetKey {
        key: "token_file",
        env: "PLIMSOLL_TARGET_TOKEN_FILE",
        form: Form::One,
        value_name: "FILE",
        help: "The file that holds the token. It is read again for each request, with nats for each connection",
        kinds: NETWORK,
        needed: false,
        apply: |target, raw| value::path(raw).map(|path| target.token = Some(Secret::File(path))),
        show: |target| file(target.token.as_ref()),
    },
    TargetKey {
        key: "headers",
        env: "PLIMSOLL_TARGET_HEADERS",
        form: Form::SecretPairs,
        value_name: "TABLE",
        help: "Headers that every request gets. Their values are never shown",
        kinds: HTTP,
        needed: false,
        apply: |target, raw| pairs::headers(raw).map(|headers| target.headers = headers),
        show: |target| {
            let names: Vec<String> = target.headers.iter().map(|(name, _)| format!("{name} = …")).collect();
            if names.is_empty() {
                Shown::Nothing
            } else {
                Shown::Hidden(format!("{{ {} }}", names.join(", ")))
            }
        },
    },
    TargetKey {
        key: "ca_file",
        env: "PLIMSOLL_TARGET_CA_FILE",
        form: Form::One,
        value_name: "FILE",
        help: "Certificates that are trusted instead of the system's, in PEM",
        kinds: NETWORK,
        needed: false,
        apply: |target, raw| value::path(raw).map(|path| target.tls.ca_file = Some(path)),
        show: |target| path(target.tls.ca_file.as_deref()),
    },
    TargetKey {
        key: "cert_file",
        env: "PLIMSOLL_TARGET_CERT_FILE",
        form: Form::One,
        value_name: "FILE",
        help: "The certificate that is shown to the target, in PEM; with `key_file`",
        kinds: NETWORK,
        needed: false,
        apply: |target, raw| value::path(raw).map(|path| target.tls.cert_file = Some(path)),
        show: |target| path(target.tls.cert_file.as_deref()),
    },
    TargetKey {
        key: "key_file",
        env: "PLIMSOLL_TARGET_KEY_FILE",
        form: Form::One,
        value_name: "FILE",
        help: "The key of that certificate, in PEM",
        kinds: NETWORK,
        needed: false,
        apply: |target, raw| value::path(raw).map(|path| target.tls.key_file = Some(path)),
        show: |target| path(target.tls.key_file.as_deref()),
    },
    TargetKey {
        key: "insecure_skip_verify",
        env: "PLIMSOLL_TARGET_INSECURE_SKIP_VERIFY",
        form: Form::One,
        value_name: "BOOL",
        help: "Whether any certificate of the target is trusted. For a try alone: whoever is in between reads token and password",
        kinds: NETWORK,
        needed: false,
        apply: |target, raw| value::bool(raw).map(|on| target.tls.insecure_skip_verify = on),
        show: |target| Shown::Plain(target.tls.insecure_skip_verify.into()),
    },
    TargetKey {
        key: "timeout",
        env: "PLIMSOLL_TARGET_TIMEOUT",
        form: Form::One,
        value_name: "DURATION",
        help: "How long a request may take, 1ms to 1h",
        kinds: NETWORK,
        needed: false,
        apply: |target, raw| value::timeout(raw).map(|timeout| target.timeout = timeout),
        show: |target| Shown::text(value::show_duration(target.timeout)),
    },
];

fn hidden(secret: Option<&Secret>) -> Shown {
    match secret {
        Some(Secret::Inline(_)) => Shown::Hidden("…".to_owned()),
        _ => Shown::Nothing,
    }
}

fn file(secret: Option<&Secret>) -> Shown {
    match secret {
        Some(Secret::File(file)) => path(Some(file)),
        _ => Shown::Nothing,
    }
}

fn path(path: Option<&std::path::Path>) -> Shown {
    path.map_or(Shown::Nothing, |path| Shown::text(path.display().to_string()))
}
