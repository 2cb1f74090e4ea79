//! The agent as a Container Census server sees it: what there is here, in the words of its agent API.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plimsoll_collect::Samples;
use plimsoll_engine::{ImageSummary, Mount, Port, Resident};
use plimsoll_model::State;
use plimsoll_model::agent::Engine;
use plimsoll_web::security::{Login, Security};
use plimsoll_web::{CensusAgent, CensusQuestion, Limits, MAX_TOKEN, census_agent_router, serve_router_on};
use plimsoll_wire::census::agent as wire;
use plimsoll_wire::census::agent::{Container, Health, Image, ImageCount, Info, Telemetry, encode, sizes};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::engine::{Told, Used};
use super::{identity, snapshot};
use crate::failure::{self, Failure};
use crate::pipeline::BUILD;
use crate::settings::Settings;

/// How long the engines may take for an answer.
const WITHIN: Duration = Duration::from_secs(20);

const PROJECT: &str = "com.docker.compose.project";

/// Answers scans by others.
pub(crate) struct Role {
    listener: TcpListener,
    agent: Agent,
    token: String,
    security: Arc<Security>,
}

impl Role {
    /// Begins to listen, if the settings want that. Of `security`, everything but passwords and tokens is in force: who scans
    /// has the token of this port, and no way to show another.
    ///
    /// # Errors
    /// If it cannot listen, or there is no token.
    pub(crate) fn listen(
        settings: &Settings,
        samples: &Samples,
        security: &Arc<Security>,
        bind: impl Fn(std::net::SocketAddr) -> Result<TcpListener, Failure>,
    ) -> Result<Option<Self>, Failure> {
        let Some(address) = settings.census.agent_listen else { return Ok(None) };
        let file = settings.census_token_file();
        let token = identity::secret_in(&file, identity::token)?;
        if token.len() > MAX_TOKEN || token.chars().any(char::is_control) {
            return Err(Failure::world(format!("{} holds no token", file.display()))
                .remedy("it has to be a single line; remove the file, to have it made anew"));
        }
        let listener = bind(address)?;
        let address = listener.local_addr().unwrap_or(address);
        let scheme = if security.has_tls() { "https" } else { "http" };
        info!(
            "answering scans by Census servers at {scheme}://{address}/, with the token in {}",
            file.display()
        );
        if !address.ip().is_loopback() && !security.has_tls() {
            warn!("{address} can be reached from other machines, and tokens travel there in the clear");
        }
        let agent = Agent {
            settings: settings.clone(),
            samples: samples.clone(),
            started_ms: now_ms(),
            one_at_a_time: Arc::default(),
        };
        Ok(Some(Self { listener, agent, token, security: Arc::clone(security) }))
    }

    /// Answers for as long as it is let; where it is not to answer, it waits for ever.
    pub(crate) async fn serve(role: Option<Self>) {
        if let Some(Self { listener, agent, token, security }) = role {
            let router = census_agent_router(agent, token);
            let (listeners, never) = (vec![listener.into()], std::future::pending());
            let served =
                serve_router_on(listeners, router, Limits::default(), security, Login::Routes, never).await;
            if let Err(error) = served {
                warn!("scans by Census servers are not answered any more: {error}");
            }
        }
        std::future::pending::<()>().await;
    }
}

/// What the routes ask.
struct Agent {
    settings: Settings,
    samples: Samples,
    started_ms: i64,
    /// However many ask, engines are asked by one of them after the other.
    one_at_a_time: Arc<Mutex<()>>,
}

impl CensusAgent for Agent {
    async fn answer(&self, question: CensusQuestion) -> Result<String, String> {
        match question {
            CensusQuestion::Health => self.health(),
            CensusQuestion::Info => Ok(encode(&Info {
                version: BUILD.version.to_owned(),
                hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
                os: std::env::consts::OS.to_owned(),
                arch: arch().to_owned(),
                docker_version: self.engine_version(),
                started_at: Some(self.started_ms),
            })),
            CensusQuestion::Containers { stats } => {
                let machine = self.samples.latest().agent.machine.memory;
                let told = self.told().await?;
                let (now, mut all) = (now_ms(), Vec::new());
                for Told { residents, images, numbers, .. } in told {
                    let images = images.into_iter().map(image).collect::<Vec<_>>();
                    let sizes = sizes(&images);
                    for resident in residents {
                        let used = numbers.get(&resident.id).copied().unwrap_or_default();
                        let size = sizes.get(&resident.image_id).copied().unwrap_or(0);
                        let tags = images.iter().find(|image| image.id == resident.image_id);
                        let tags = tags.and_then(|image| image.repo_tags.clone()).unwrap_or_default();
                        let mut container = container(resident, used, now);
                        (container.image_size, container.image_tags) = (size, tags);
                        if stats && container.state == "running" {
                            with_stats(&mut container, used, machine);
                        }
                        all.push(container);
                    }
                }
                Ok(encode(&all))
            }
            CensusQuestion::Images => {
                let told = self.told().await?;
                let images: Vec<Image> = told.into_iter().flat_map(|told| told.images).map(image).collect();
                Ok(encode(&images))
            }
            CensusQuestion::Telemetry => {
                let told = self.told().await?;
                let mut counts = std::collections::BTreeMap::<&str, u64>::new();
                for resident in told.iter().flat_map(|told| &told.residents) {
                    *counts.entry(&resident.image).or_default() += 1;
                }
                let image_stats = counts
                    .iter()
                    .map(|(image, count)| ImageCount { image: (*image).to_owned(), count: *count });
                Ok(encode(&Telemetry {
                    version: BUILD.version.to_owned(),
                    container_count: counts.values().sum(),
                    image_stats: image_stats.collect(),
                    docker_version: self.engine_version(),
                    os: std::env::consts::OS.to_owned(),
                    arch: arch().to_owned(),
                }))
            }
        }
    }
}

impl Agent {
    fn health(&self) -> Result<String, String> {
        let snapshot = self.samples.latest();
        let engines = &snapshot.agent.engines;
        if engines.iter().any(Engine::is_up) {
            let status = "healthy".to_owned();
            return Ok(encode(&Health { status, time: Some(now_ms()), ..Health::default() }));
        }
        let trouble = engines.first().map_or("no engine was found", |engine| &*engine.trouble);
        Err(encode(&Health {
            status: "unhealthy".to_owned(),
            time: Some(now_ms()),
            docker_error: trouble.to_owned(),
        }))
    }

    /// What the engines tell.
    async fn told(&self) -> Result<Vec<Told>, String> {
        let asking = async {
            let _turn = self.one_at_a_time.lock().await;
            let snapshot = self.samples.fresh().await;
            snapshot::told(&self.settings, &snapshot).await
        };
        match tokio::time::timeout(WITHIN, asking).await {
            Ok(Ok(told)) => Ok(told.into_iter().map(|(_, told)| told).collect()),
            Ok(Err(why)) => {
                Err(serde_json::json!({ "error": failure::in_one_line(&why.into()) }).to_string())
            }
            Err(_) => Err(serde_json::json!({ "error": "the engines take too long" }).to_string()),
        }
    }

    fn engine_version(&self) -> String {
        let snapshot = self.samples.latest();
        let facts = snapshot.agent.engines.iter().find_map(|engine| engine.facts.as_ref());
        facts.map(|facts| facts.version.clone()).unwrap_or_default()
    }
}

fn container(resident: Resident, used: Used, now_ms: i64) -> Container {
    let port = |port: Port| wire::Port {
        private_port: u16::try_from(port.private).unwrap_or(0),
        public_port: port.public.and_then(|port| u16::try_from(port).ok()).unwrap_or(0),
        protocol: port.protocol,
        ip: port.ip,
    };
    let mount = |mount: Mount| wire::Mount {
        name: mount.name,
        destination: mount.destination,
        kind: mount.kind,
        rw: mount.writable,
    };
    Container {
        compose_project: resident.labels.get(PROJECT).cloned().unwrap_or_default(),
        state: State::from_engine(&resident.state).word().to_owned(),
        restart_count: used.restarts.map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX)),
        created: resident.created.map(millis),
        scanned_at: Some(now_ms),
        started_at: used.started.map(millis),
        ports: resident.ports.into_iter().map(port).collect(),
        volumes: resident.mounts.into_iter().map(mount).collect(),
        id: resident.id,
        name: resident.name,
        image: resident.image,
        image_id: resident.image_id,
        status: resident.status,
        labels: resident.labels,
        networks: resident.networks,
        ..Container::default()
    }
}

/// What it uses, as `docker stats` shows it: where there is no limit, the machine is the limit.
fn with_stats(container: &mut Container, used: Used, machine: Option<u64>) {
    let limit = used.limit.or(machine).filter(|_| used.memory.is_some());
    container.cpu_percent = used.cpu;
    container.memory_usage = used.memory;
    container.memory_limit = limit;
    container.memory_percent = used.memory.zip(limit).map(|(used, limit)| used as f64 / limit as f64 * 100.0);
}

fn image(summary: ImageSummary) -> Image {
    let size = summary.size.and_then(|size| i64::try_from(size).ok()).unwrap_or(0);
    Image {
        containers: -1,
        created: summary.created.and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(0),
        id: summary.id,
        labels: None,
        parent_id: String::new(),
        repo_digests: Some(summary.digests).filter(|digests| !digests.is_empty()),
        repo_tags: Some(summary.tags),
        shared_size: -1,
        size,
        virtual_size: size,
    }
}

fn millis(nanos: u64) -> i64 {
    i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX)
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// The processor's name in Go's words.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}
