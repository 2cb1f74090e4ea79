//! Names of images: under which one is counted, where it comes from, and what a report gives away of it.
//!
//! ```
//! use plimsoll_wire::census::images::{normalise, registry, trend_name};
//!
//! let name = "quay.io/prometheus/prometheus:v3.1.0";
//! assert_eq!(normalise(name), "prometheus/prometheus:v3.1.0");
//! assert_eq!(trend_name(name), "prometheus/prometheus");
//! assert_eq!(registry(name).title, "Quay.io");
//! ```

use std::borrow::Cow;
use std::fmt::Write;

use sha2::{Digest, Sha256};

/// What v1 takes off the front of a name before it counts it.
const REGISTRIES: [&str; 7] = [
    "ghcr.io/",
    "docker.io/",
    "hub.docker.com/",
    "registry.hub.docker.com/",
    "quay.io/",
    "gcr.io/",
    "mcr.microsoft.com/",
];

/// How a digest starts, and the name that stands for an image without one: the id of an image that lost its name, or a
/// hashed name ([`Naming::Hashed`]).
const DIGEST: &str = "sha256:";

/// The name without the registry, for the large public ones: what v1 counts an image under. The tag stays.
#[must_use]
pub fn normalise(name: &str) -> &str {
    REGISTRIES.iter().find_map(|registry| without(name, registry)).unwrap_or(name)
}

/// The name without registry, `library/`, tag and digest: what a trend is counted under.
#[must_use]
pub fn trend_name(name: &str) -> &str {
    if name.starts_with(DIGEST) {
        return name;
    }
    let name = without(name, "lscr.io/").unwrap_or_else(|| normalise(name));
    let name = without(name, "library/").unwrap_or(name);
    let short = name.split_once('@').map_or(name, |(name, _)| name);
    let last = short.rfind('/').map_or(0, |slash| slash + 1);
    let short = short[last..].rfind(':').map_or(short, |colon| &short[..last + colon]);
    if short.is_empty() { name } else { short }
}

/// What is behind the prefix, if there is anything.
fn without<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    name.strip_prefix(prefix).filter(|rest| !rest.is_empty())
}

/// Where an image comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Registry<'a> {
    /// Its host, with the port if the name has one; `docker.io` for Docker Hub under all of its names, and empty for a name
    /// that is a hash.
    pub host: &'a str,
    /// What people call it: `Docker Hub`, `GitHub Container Registry`; the host for those without a name of their own, and
    /// `Unknown` for a name that is a hash.
    pub title: &'a str,
}

impl<'a> Registry<'a> {
    /// What v1's list of images calls it: the host, but for Docker Hub.
    #[must_use]
    pub fn short(&self) -> &'a str {
        if matches!(self.host, "docker.io" | "") { self.title } else { self.host }
    }
}

/// The registry of an image, by the rule that engines pull by: what stands before the first slash is a host if it has a dot,
/// a colon or an uppercase letter, or is `localhost`. Without one it is Docker Hub.
#[must_use]
pub fn registry(name: &str) -> Registry<'_> {
    if name.starts_with(DIGEST) {
        return Registry { host: "", title: "Unknown" };
    }
    let is_host = |part: &str| {
        part == "localhost" || part.contains(['.', ':']) || part.contains(|c: char| c.is_ascii_uppercase())
    };
    let host = name.split_once('/').map(|(first, _)| first).filter(|first| is_host(first));
    let Some(host) = host else { return HUB };
    let known = KNOWN.iter().find(|(known, _)| host.eq_ignore_ascii_case(known));
    match known {
        Some((_, "Docker Hub")) => HUB,
        Some((host, title)) => Registry { host, title },
        None if ends_with_ignoring_case(host, ".gcr.io") => Registry { host, title: GOOGLE },
        None => Registry { host, title: host },
    }
}

fn ends_with_ignoring_case(text: &str, end: &str) -> bool {
    let start = text.len().saturating_sub(end.len());
    text.get(start..).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

const HUB: Registry<'static> = Registry { host: "docker.io", title: "Docker Hub" };

const GOOGLE: &str = "Google Container Registry";

/// Hosts that have a name of their own. Regional mirrors of Google's have it as well.
const KNOWN: [(&str, &str); 9] = [
    ("docker.io", "Docker Hub"),
    ("index.docker.io", "Docker Hub"),
    ("registry-1.docker.io", "Docker Hub"),
    ("hub.docker.com", "Docker Hub"),
    ("registry.hub.docker.com", "Docker Hub"),
    ("ghcr.io", "GitHub Container Registry"),
    ("quay.io", "Quay.io"),
    ("gcr.io", GOOGLE),
    ("mcr.microsoft.com", "Microsoft Container Registry"),
];

/// What a report says of the names of images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// The names as they are, with registries and tags.
    #[default]
    Plain,
    /// Without the large public registries ([`normalise`]).
    Normalised,
    /// Hashes in their place, salted with these bytes. Two installations with salts of their own have no name in common.
    Hashed(Vec<u8>),
    /// No images at all.
    Omitted,
}

impl Naming {
    /// What a report calls an image; `None` if it does not.
    ///
    /// ```
    /// use plimsoll_wire::census::images::Naming;
    ///
    /// assert_eq!(Naming::Normalised.name("ghcr.io/a/b:1").as_deref(), Some("a/b:1"));
    /// assert_eq!(Naming::Omitted.name("ghcr.io/a/b:1"), None);
    /// ```
    #[must_use]
    pub fn name<'a>(&self, image: &'a str) -> Option<Cow<'a, str>> {
        match self {
            Self::Plain => Some(Cow::Borrowed(image)),
            Self::Normalised => Some(Cow::Borrowed(normalise(image))),
            Self::Hashed(salt) => Some(Cow::Owned(hashed(image, salt))),
            Self::Omitted => None,
        }
    }
}

/// `sha256:` and half of the digest of the salt's length, the salt, and the name, in hexadecimal. The length keeps what is
/// salt from running into what is name.
fn hashed(image: &str, salt: &[u8]) -> String {
    let length = salt.len() as u64;
    let digest =
        Sha256::new().chain_update(length.to_be_bytes()).chain_update(salt).chain_update(image).finalize();
    let mut name = DIGEST.to_owned();
    for byte in digest.iter().take(16) {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_under_what_is_left_of_them() {
        // The name, what v1's list of top images has, and what a trend has.
        let table = [
            ("nginx", "nginx", "nginx"),
            ("nginx:latest", "nginx:latest", "nginx"),
            ("docker.io/library/busybox", "library/busybox", "busybox"),
            ("library/busybox:1.36", "library/busybox:1.36", "busybox"),
            ("hub.docker.com/a/b", "a/b", "a/b"),
            ("registry.hub.docker.com/a/b:1", "a/b:1", "a/b"),
            (
                "ghcr.io/home-assistant/home-assistant:stable",
                "home-assistant/home-assistant:stable",
                "home-assistant/home-assistant",
            ),
            ("quay.io/prometheus/prometheus:v3.1.0", "prometheus/prometheus:v3.1.0", "prometheus/prometheus"),
            ("gcr.io/distroless/static", "distroless/static", "distroless/static"),
            ("mcr.microsoft.com/mssql/server:2022", "mssql/server:2022", "mssql/server"),
            ("lscr.io/linuxserver/plex:latest", "lscr.io/linuxserver/plex:latest", "linuxserver/plex"),
            ("localhost:5000/x", "localhost:5000/x", "localhost:5000/x"),
            ("localhost:5000/x:dev", "localhost:5000/x:dev", "localhost:5000/x"),
            (
                "registry.mycorp.io/team/app:1.2",
                "registry.mycorp.io/team/app:1.2",
                "registry.mycorp.io/team/app",
            ),
            ("nginx@sha256:0123abcd", "nginx@sha256:0123abcd", "nginx"),
            ("ghcr.io/a/b:1@sha256:0123abcd", "a/b:1@sha256:0123abcd", "a/b"),
            ("sha256:0123abcd", "sha256:0123abcd", "sha256:0123abcd"),
            ("ghcr.io.example/a/b", "ghcr.io.example/a/b", "ghcr.io.example/a/b"),
            // Only what is in front is a registry, and what is left is something.
            ("a/ghcr.io/b", "a/ghcr.io/b", "a/ghcr.io/b"),
            ("ghcr.io/", "ghcr.io/", "ghcr.io/"),
            (":latest", ":latest", ":latest"),
            ("@", "@", "@"),
            ("", "", ""),
            ("\u{e9}/\u{1f6a2}:\u{e9}", "\u{e9}/\u{1f6a2}:\u{e9}", "\u{e9}/\u{1f6a2}"),
        ];
        for (name, normalised, trend) in table {
            assert_eq!((normalise(name), trend_name(name)), (normalised, trend), "{name}");
        }
    }

    #[test]
    fn registries_are_found_as_engines_find_them() {
        let table = [
            ("nginx", "docker.io", "Docker Hub"),
            ("library/nginx:1", "docker.io", "Docker Hub"),
            ("docker.io/library/nginx", "docker.io", "Docker Hub"),
            ("index.docker.io/library/nginx", "docker.io", "Docker Hub"),
            ("registry.hub.docker.com/a/b", "docker.io", "Docker Hub"),
            ("node:18.1/x", "node:18.1", "node:18.1"),
            ("a.b", "docker.io", "Docker Hub"),
            ("team/app.io/x", "docker.io", "Docker Hub"),
            ("ghcr.io/a/b", "ghcr.io", "GitHub Container Registry"),
            ("GHCR.io/a/b", "ghcr.io", "GitHub Container Registry"),
            ("quay.io/prometheus/prometheus:v3.1.0", "quay.io", "Quay.io"),
            ("gcr.io/a/b", "gcr.io", "Google Container Registry"),
            ("eu.gcr.io/a/b", "eu.gcr.io", "Google Container Registry"),
            ("notgcr.io/a/b", "notgcr.io", "notgcr.io"),
            ("mcr.microsoft.com/a/b", "mcr.microsoft.com", "Microsoft Container Registry"),
            ("registry.mycorp.io/team/app", "registry.mycorp.io", "registry.mycorp.io"),
            ("lscr.io/linuxserver/plex", "lscr.io", "lscr.io"),
            ("codeberg.org/forgejo/forgejo:9", "codeberg.org", "codeberg.org"),
            ("registry.gitlab.com/a/b", "registry.gitlab.com", "registry.gitlab.com"),
            ("localhost:5000/x", "localhost:5000", "localhost:5000"),
            ("localhost/x", "localhost", "localhost"),
            ("[::1]:5000/x", "[::1]:5000", "[::1]:5000"),
            ("Registry/x", "Registry", "Registry"),
            ("localhost", "docker.io", "Docker Hub"),
            ("", "docker.io", "Docker Hub"),
            ("sha256:0123abcd", "", "Unknown"),
        ];
        for (name, host, title) in table {
            assert_eq!(registry(name), Registry { host, title }, "{name}");
        }
        assert_eq!(registry("nginx").short(), "Docker Hub");
        assert_eq!(registry("ghcr.io/a/b").short(), "ghcr.io");
        assert_eq!(registry("sha256:00").short(), "Unknown");
    }

    #[test]
    fn reports_give_away_what_they_are_told_to() {
        let image = "ghcr.io/a/b:1";
        assert_eq!(Naming::Plain.name(image).as_deref(), Some(image));
        assert_eq!(Naming::Normalised.name(image).as_deref(), Some("a/b:1"));
        assert_eq!(Naming::Omitted.name(image), None);

        let hashed =
            |salt: &[u8], image: &str| Naming::Hashed(salt.to_vec()).name(image).unwrap().into_owned();
        let name = hashed(b"salt", image);
        assert_eq!(name.len(), "sha256:".len() + 32);
        assert_eq!(hashed(b"salt", image), name, "an image has one name, for ever");
        assert_ne!(hashed(b"tlas", image), name);
        assert_ne!(hashed(b"salt", "ghcr.io/a/b:2"), name);
        assert_ne!(hashed(b"a", "bc"), hashed(b"ab", "c"), "what is salt and what is name is told apart");
        assert_eq!((trend_name(&name), registry(&name).title), (name.as_str(), "Unknown"));
    }

    #[test]
    fn hashes_stay_what_they_are() {
        // printf '\0\0\0\0\0\0\0\4saltnginx' | sha256sum
        let name = Naming::Hashed(b"salt".to_vec()).name("nginx").unwrap().into_owned();
        assert_eq!(name, "sha256:74a3e68a80d89a41dadb261e0a45a3d0");
    }
}
