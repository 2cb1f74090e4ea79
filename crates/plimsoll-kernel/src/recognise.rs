//! Which container a cgroup belongs to, told by its path alone.
//!
//! Every engine leaves its mark in the names of the cgroups it makes: a prefix in systemd's scopes
//! (`docker-ID.scope`), a parent of its own (`libpod_parent`), or at least the id. The names are those that
//! the engines' own sources put together: runc's and crun's systemd managers, Podman's `libpod`, containerd's
//! and CRI-O's CRI servers, the kubelet's cgroup manager.
//!
//! ```
//! use plimsoll_kernel::{Runtime, recognise};
//!
//! let id = "35e34b673642d5878aec4b8e8e8631f7ad7aba443b9ec94788326463016bd4f1";
//! let found = recognise(&format!("/machine.slice/libpod-{id}.scope/container")).expect("a container");
//! assert_eq!((found.runtime, &*found.id), (Runtime::Podman, id));
//! assert!(recognise(&format!("/machine.slice/libpod-conmon-{id}.scope")).is_none());
//! ```

/// Who made a container, as far as its cgroup tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// Docker, and what takes its place (Moby).
    Docker,
    /// Podman.
    Podman,
    /// containerd, by its CRI server, by `nerdctl` or by `ctr`.
    Containerd,
    /// CRI-O.
    Crio,
    /// A container by its id, and nothing tells whose.
    Other,
}

impl Runtime {
    /// The runtime's name in lower case; `other` where nothing tells.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Containerd => "containerd",
            Self::Crio => "cri-o",
            Self::Other => "other",
        }
    }
}

/// A container that was recognised by its cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// Its full id; a free name where containerd's user gave one.
    pub id: String,
    /// Who made it.
    pub runtime: Runtime,
    /// Its cgroup below the hierarchy's root, with a slash before it.
    pub path: String,
    /// The pod it belongs to: Kubernetes' uid of it, or Podman's id.
    pub pod_uid: Option<String>,
    /// The user whose rootless engine made it.
    pub user: Option<u32>,
    /// One of its processes, the first where that can be told; `None` where only the path is known, or
    /// where this program does not see the container's processes.
    pub pid: Option<u32>,
}

/// Ids of Docker, Podman, CRI-O and containerd's CRI server have this many hexadecimal digits.
const ID_LENGTH: usize = 64;

/// What stands before the id, and who writes that.
const PREFIXES: &[(&str, Runtime)] = &[
    ("docker", Runtime::Docker),
    ("libpod", Runtime::Podman),
    // Below a service of systemd, with `--cgroups=split`: Quadlet's default.
    ("libpod-payload", Runtime::Podman),
    ("cri-containerd", Runtime::Containerd),
    ("nerdctl", Runtime::Containerd),
    ("crio", Runtime::Crio),
];

/// containerd's namespaces that are cgroups at the root; in these a container may have any name.
const NAMESPACES: &[&str] = &["default", "k8s.io"];

/// Podman's parent of all, with the cgroupfs manager.
const PODMAN_PARENT: &str = "libpod_parent";

/// The container that a cgroup is of, or lies in. Of containers that lie in each other it is the outermost:
/// what is inside a container, be it an init system's slices or a whole engine, is counted as the
/// container's.
#[must_use]
pub fn recognise(path: &str) -> Option<Recognised> {
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    // No cgroup is called so, and an id may become part of a path.
    if names.iter().any(|name| matches!(*name, "." | "..")) {
        return None;
    }
    let (mut user, mut pod_uid) = (None, None);
    for (at, name) in names.iter().enumerate() {
        user = user_of(name).or(user);
        pod_uid = pod_of(&names, at).or(pod_uid);
        let Some((id, runtime)) = container(&names, at, pod_uid.is_some()) else { continue };
        return Some(Recognised {
            id: id.to_owned(),
            runtime,
            path: format!("/{}", names[..=at].join("/")),
            // A dash nests systemd's slices, so the kubelet writes the uid without.
            pod_uid: pod_uid.map(|uid| uid.replace('_', "-")),
            user,
            pid: None,
        });
    }
    None
}

/// The id and the runtime, if the cgroup at this place of a path is a container's own.
fn container<'a>(names: &[&'a str], at: usize, in_pod: bool) -> Option<(&'a str, Runtime)> {
    let (name, parent) = (names[at], above(names, at));
    let in_namespace = at == 1 && NAMESPACES.contains(&parent);
    let Some((prefix, id)) = split_id(name) else {
        return (in_namespace && !is_unit(name)).then_some((name, Runtime::Containerd));
    };
    if is_monitor(prefix) || is_podman_pod(names, at) {
        return None;
    }
    let runtime = match prefix {
        "" if parent == "docker" => Runtime::Docker,
        // Kubernetes with the cgroupfs driver: containerd's CRI server adds nothing to the id.
        "" if in_pod || in_namespace => Runtime::Containerd,
        _ => {
            let known = PREFIXES.iter().find(|(known, _)| *known == prefix);
            known.map_or(Runtime::Other, |(_, runtime)| *runtime)
        }
    };
    Some((id, runtime))
}

fn above<'a>(names: &[&'a str], at: usize) -> &'a str {
    at.checked_sub(1).map_or("", |above| names[above])
}

/// What stands before the id, and the id. containerd that is given a slice for the cgroupfs driver writes
/// `SLICE:PREFIX:ID`.
fn split_id(name: &str) -> Option<(&str, &str)> {
    let stem = name.strip_suffix(".scope").unwrap_or(name);
    let (before, id) = stem.split_at_checked(stem.len().checked_sub(ID_LENGTH)?)?;
    if !id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let prefix = if before.is_empty() { before } else { before.strip_suffix(['-', ':'])? };
    Some((prefix.rsplit(':').next().unwrap_or(prefix), id))
}

/// Whether a cgroup's name says that it is the container's with this id, and not that of the process that
/// watches over it.
pub(crate) fn is_named_after(name: &str, id: &str) -> bool {
    let stem = name.strip_suffix(".scope").unwrap_or(name);
    let Some(before) = stem.strip_suffix(id).filter(|_| !id.is_empty()) else { return false };
    // Kata's hypervisor has `kata_ID`.
    before.is_empty() || before.strip_suffix(['-', ':', '_']).is_some_and(|prefix| !is_monitor(prefix))
}

/// `libpod-conmon`, `crio-conmon`: conmon keeps a container's terminal and exit code, in a scope with the
/// container's id.
fn is_monitor(prefix: &str) -> bool {
    prefix.rsplit(['-', ':']).next() == Some("conmon")
}

fn is_unit(name: &str) -> bool {
    [".scope", ".slice", ".service"].iter().any(|suffix| name.ends_with(suffix))
}

/// With the cgroupfs manager a pod of Podman is called by its bare id.
fn is_podman_pod(names: &[&str], at: usize) -> bool {
    let is_bare = split_id(names[at]).is_some_and(|(prefix, _)| prefix.is_empty());
    let below = names.get(at + 1).and_then(|name| split_id(name));
    is_bare
        && match above(names, at) {
            PODMAN_PARENT => true,
            "docker" => false,
            _ => below.is_some_and(|(prefix, _)| prefix == "libpod"),
        }
}

/// The pod whose cgroup this is.
fn pod_of(names: &[&str], at: usize) -> Option<String> {
    let name = names[at];
    let uid = if let Some((_, rest)) = name.split_once("libpod_pod_") {
        rest.strip_suffix(".slice")?
    } else if is_podman_pod(names, at) {
        name
    } else if let Some((_, rest)) = name.rsplit_once("-pod").filter(|_| name.contains("kubepods")) {
        rest.split_once(".slice")?.0
    } else {
        let is_below = names[..at].iter().any(|above| above.contains("kubepods"));
        name.strip_prefix("pod").filter(|_| is_below)?
    };
    (!uid.is_empty()).then(|| uid.to_owned())
}

/// The user whose slice or service manager this is. Root has no rootless engine.
fn user_of(name: &str) -> Option<u32> {
    let uid = match name.strip_prefix("user-") {
        Some(rest) => rest.strip_suffix(".slice")?,
        None => name.strip_prefix("user@")?.strip_suffix(".service")?,
    };
    uid.parse().ok().filter(|uid| *uid != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const POD: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
    const UID: &str = "2c48913c-b29f-11e7-9350-020968147796";
    const SERVICE: &str = "/user.slice/user-1000.slice/user@1000.service";
    const BURSTABLE: &str = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_D.slice";

    /// `ID`, `POD` and `UID` stand for these, `U_D` for the uid as systemd's names have it, `$` for a user's
    /// service manager, `BURSTABLE` for a pod's slice.
    fn full(path: &str) -> String {
        let path = path.replace('$', SERVICE).replace("BURSTABLE", BURSTABLE);
        let path = path.replace("U_D", &UID.replace('-', "_")).replace("UID", UID);
        path.replace("POD", POD).replace("ID", ID)
    }

    #[test]
    fn containers_of_every_engine_driver_and_user() {
        use Runtime::{Containerd, Crio, Docker, Other, Podman};
        // The container's own path, what may follow it, the runtime, the pod, whether rootless.
        type Case = (&'static str, &'static str, Runtime, Option<&'static str>, bool);
        #[rustfmt::skip]
        let cases: &[Case] = &[
            ("/docker/ID", "", Docker, None, false),
            ("/system.slice/docker-ID.scope", "", Docker, None, false),
            ("/a.slice/a-b.slice/docker-ID.scope", "", Docker, None, false),
            ("/teams/red/ID", "", Other, None, false),
            ("$/user.slice/docker-ID.scope", "", Docker, None, true),
            ("$/docker.service/docker/ID", "", Docker, None, true),
            // An init system inside, and an engine inside.
            ("/docker/ID", "/init.scope", Docker, None, false),
            ("/docker/ID", "/system.slice/ssh.service", Docker, None, false),
            ("/docker/ID", "/docker/POD", Docker, None, false),
            ("/docker/ID", "/libpod_parent/libpod-POD", Docker, None, false),
            ("/docker/ID", "/libpod-POD", Docker, None, false),
            ("/docker/ID", "/kubelet/kubepods/podUID/POD", Docker, None, false),
            // Podman.
            ("/libpod_parent/libpod-ID", "", Podman, None, false),
            ("/libpod_parent/POD/libpod-ID", "", Podman, Some("POD"), false),
            ("/teams/POD/libpod-ID", "/x", Podman, Some("POD"), false),
            ("/machine.slice/libpod-ID.scope", "", Podman, None, false),
            ("/machine.slice/libpod-ID.scope", "/container", Podman, None, false),
            ("/machine.slice/machine-libpod_pod_POD.slice/libpod-ID.scope", "/container/init.scope", Podman, Some("POD"), false),
            ("/system.slice/web.service/libpod-payload-ID", "", Podman, None, false),
            ("$/user.slice/libpod-ID.scope", "/container", Podman, None, true),
            ("$/user.slice/user-libpod_pod_POD.slice/libpod-ID.scope", "", Podman, Some("POD"), true),
            ("$/app.slice/web.service/libpod-payload-ID", "", Podman, None, true),
            // containerd.
            ("/default/ID", "", Containerd, None, false),
            ("/k8s.io/ID", "", Containerd, None, false),
            ("/system.slice/nerdctl-ID.scope", "", Containerd, None, false),
            ("$/user.slice/nerdctl-ID.scope", "", Containerd, None, true),
            ("/system.slice/containerd.service/kubepods-burstable-podU_D.slice:cri-containerd:ID", "", Containerd, Some("UID"), false),
            // Kubernetes.
            ("/kubepods/podUID/ID", "", Containerd, Some("UID"), false),
            ("/kubepods/besteffort/podUID/ID", "", Containerd, Some("UID"), false),
            ("/kubepods/burstable/podUID/crio-ID", "", Crio, Some("UID"), false),
            ("BURSTABLE/cri-containerd-ID.scope", "", Containerd, Some("UID"), false),
            ("BURSTABLE/crio-ID.scope", "/container", Crio, Some("UID"), false),
            ("BURSTABLE/docker-ID.scope", "", Docker, Some("UID"), false),
            ("/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podU_D.slice/cri-containerd-ID.scope", "", Containerd, Some("UID"), false),
            // Somebody else's.
            ("/system.slice/boat-ID.scope", "", Other, None, false),
        ];
        for (own, below, runtime, pod_uid, is_rootless) in cases {
            let expected = Recognised {
                id: ID.to_owned(),
                runtime: *runtime,
                path: full(own),
                pod_uid: pod_uid.map(full),
                user: is_rootless.then_some(1000),
                pid: None,
            };
            let path = full(&format!("{own}{below}"));
            assert_eq!(recognise(&path), Some(expected.clone()), "{own}{below}");
            assert_eq!(recognise(&path[1..]), Some(expected), "{own}{below}");
        }
    }

    #[test]
    fn a_free_name_stands_in_containerds_own_namespaces_alone() {
        for path in ["/default/web", "/default/web/below", "/k8s.io/web"] {
            let found = recognise(path).unwrap();
            assert_eq!((&*found.id, found.runtime), ("web", Runtime::Containerd), "{path}");
        }
    }

    #[test]
    fn what_is_no_container() {
        let odd = format!("/docker/{}", "\u{fffd}".repeat(22));
        for path in [
            "",
            "/",
            "/docker",
            "/docker/buildkit",
            "/docker/buildkit/kz1n4rwg8wf7oz0ybsrqd8swy",
            "/docker/0123456789ab",
            "/system.slice/docker.service",
            "/system.slice/docker-abc.scope",
            "/libpod_parent",
            "/libpod_parent/conmon",
            "/libpod_parent/POD",
            "/libpod_parent/POD/conmon",
            "/libpod_parent/libpod-conmon-ID",
            "/machine.slice/libpod-conmon-ID.scope",
            "/machine.slice/libpod-conmon-ID.scope/supervisor",
            "/machine.slice/machine-libpod_pod_POD.slice",
            "/system.slice/web.service/runtime",
            "/system.slice/web.service/supervisor",
            "/system.slice/crio-conmon-ID.scope",
            "BURSTABLE/crio-conmon-ID.scope",
            "/kubepods/besteffort/podUID",
            "BURSTABLE",
            "/default",
            "/default/web.service",
            "/system.slice/default/web",
            "/user.slice/user-1000.slice/session-2.scope",
            "/x/0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF",
            "/x/0ID",
            "/docker/../ID",
            // Found by fuzzing.
            "/default/.",
            &odd,
        ] {
            assert_eq!(recognise(&full(path)), None, "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_cgroup_is_called(parts in proptest::collection::vec(
            proptest::prop_oneof!["\\PC{0,80}", "(docker|libpod|libpod_parent|kubepods|pod|default|\\.\\.)?[-:_]?[0-9a-f]{0,70}(\\.scope)?"],
            0..6,
        )) {
            let path = parts.join("/");
            if let Some(found) = recognise(&path) {
                let again = recognise(&found.path);
                assert_eq!(again.map(|again| again.id), Some(found.id), "{path}");
            }
        }
    }

    #[test]
    fn roots_own_slice_is_not_rootless() {
        let path = full("/user.slice/user-0.slice/user@0.service/user.slice/libpod-ID.scope");
        assert_eq!(recognise(&path).unwrap().user, None);
    }

    #[test]
    fn an_id_has_to_be_the_whole_of_the_name() {
        let cases = [
            ("ID", true),
            ("docker-ID.scope", true),
            ("libpod-ID", true),
            ("libpod-payload-ID", true),
            ("x.slice:cri-containerd:ID", true),
            ("kata_ID", true),
            ("libpod-conmon-ID.scope", false),
            ("crio-conmon-ID", false),
            ("conmon-ID.scope", false),
            ("xID", false),
            ("IDx", false),
            ("ID.slice", false),
            ("", false),
        ];
        for (name, expected) in cases {
            assert_eq!(is_named_after(&full(name), ID), expected, "{name}");
        }
        assert!(!is_named_after("web-server", "web") && is_named_after("web", "web"));
        assert!(!is_named_after("docker", ""));
    }
}
