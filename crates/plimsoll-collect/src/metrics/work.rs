//! What a collector does, as its author writes it, and how that is run.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::BoxError;
use super::value::{MetricType, MetricValue};

/// What a run gives: values, or whatever went wrong.
pub type Collected = Result<Vec<MetricValue>, BoxError>;

/// Collects what belongs to one container, and is asked for each.
///
/// Only [`collect_container_metrics`](Self::collect_container_metrics) has to be written; an `async fn` will do. It is given a
/// time to end in, and may panic: the [`Collector`](super::Collector) around it sees to that. What it must not do is to block
/// its thread: who has to (a slow file system, a library that waits) uses `tokio::task::spawn_blocking`, or
/// [`Collector::blocking`](super::Collector::blocking). It may run for several containers at the same time.
pub trait ContainerMetricsCollector: Send + Sync + 'static {
    /// What the metrics are about.
    fn get_metric_types(&self) -> Vec<MetricType> {
        vec![MetricType::Custom]
    }

    /// Gets ready. Called before the first collection, and again before the next one if it failed.
    fn initialize(&self) -> impl Future<Output = Result<(), BoxError>> + Send {
        async { Ok(()) }
    }

    /// Collects the metrics of one container, by its id.
    fn collect_container_metrics(&self, container_id: &str) -> impl Future<Output = Collected> + Send;

    /// Gives back what [`initialize`](Self::initialize) took.
    fn cleanup(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Collects what belongs to the machine, or to nothing on it in particular. As for
/// [`ContainerMetricsCollector`], one method has to be written, and must not block its thread.
pub trait SystemMetricsCollector: Send + Sync + 'static {
    /// What the metrics are about.
    fn get_metric_types(&self) -> Vec<MetricType> {
        vec![MetricType::System]
    }

    /// Gets ready. Called before the first collection, and again before the next one if it failed.
    fn initialize(&self) -> impl Future<Output = Result<(), BoxError>> + Send {
        async { Ok(()) }
    }

    /// Collects.
    fn collect_system_metrics(&self) -> impl Future<Output = Collected> + Send;

    /// Gives back what [`initialize`](Self::initialize) took.
    fn cleanup(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Both kinds of collectors as one.
pub(super) trait Work: Send + Sync {
    fn types(&self) -> Vec<MetricType>;
    fn initialize(&self) -> Boxed<'_, Result<(), BoxError>>;
    fn collect<'a>(&'a self, subject: &'a str) -> Boxed<'a, Collected>;
    fn cleanup(&self) -> Boxed<'_, ()>;
}

pub(super) struct OfContainer<C>(pub(super) C);

impl<C: ContainerMetricsCollector> Work for OfContainer<C> {
    fn types(&self) -> Vec<MetricType> {
        self.0.get_metric_types()
    }
    fn initialize(&self) -> Boxed<'_, Result<(), BoxError>> {
        Box::pin(self.0.initialize())
    }
    fn collect<'a>(&'a self, subject: &'a str) -> Boxed<'a, Collected> {
        Box::pin(self.0.collect_container_metrics(subject))
    }
    fn cleanup(&self) -> Boxed<'_, ()> {
        Box::pin(self.0.cleanup())
    }
}

pub(super) struct OfSystem<C>(pub(super) C);

impl<C: SystemMetricsCollector> Work for OfSystem<C> {
    fn types(&self) -> Vec<MetricType> {
        self.0.get_metric_types()
    }
    fn initialize(&self) -> Boxed<'_, Result<(), BoxError>> {
        Box::pin(self.0.initialize())
    }
    fn collect<'a>(&'a self, _: &'a str) -> Boxed<'a, Collected> {
        Box::pin(self.0.collect_system_metrics())
    }
    fn cleanup(&self) -> Boxed<'_, ()> {
        Box::pin(self.0.cleanup())
    }
}

/// A function that blocks, run on a thread for such. While a run that was given up still has not come back, no other is
/// begun, so that what hangs for ever costs one thread.
pub(super) struct Blocking<F> {
    run: Arc<F>,
    is_running: Arc<AtomicBool>,
}

impl<F> Blocking<F> {
    pub(super) fn new(run: F) -> Self {
        Self { run: Arc::new(run), is_running: Arc::default() }
    }
}

/// Its last run has not ended.
#[derive(Debug, thiserror::Error)]
#[error("the last run has not ended")]
pub(super) struct StillRunning;

/// Says that the run has ended, however it did.
struct Running(Arc<AtomicBool>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl<F: Fn() -> Collected + Send + Sync + 'static> SystemMetricsCollector for Blocking<F> {
    async fn collect_system_metrics(&self) -> Collected {
        if self.is_running.swap(true, Ordering::Acquire) {
            return Err(StillRunning.into());
        }
        let (run, running) = (Arc::clone(&self.run), Running(Arc::clone(&self.is_running)));
        let run = tokio::task::spawn_blocking(move || {
            let _running = running;
            run()
        });
        match run.await {
            Ok(collected) => collected,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(error.into()),
            },
        }
    }
}
