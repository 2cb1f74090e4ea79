//! Real databases of the test's own, to write to, ask, kill and start again.
//!
//! Each is started by hand on the loopback interface, on ports of its own, with its data in a directory of its own. It is
//! gone when it is dropped, also after a test that panicked; the next test clears up after one that was killed. All of
//! them are a [`Server`]: they can be killed, hung, and restarted with the same port and the same data.
//!
//! - [`Influx`] is InfluxDB 1 (Debian: `influxdb`);
//! - [`Victoria`] is VictoriaMetrics (Debian: `victoria-metrics`), which takes the writes of InfluxDB and of Prometheus;
//! - [`Prometheus`] takes remote writes (Debian: `prometheus`);
//! - [`Nats`] is NATS with JetStream (Debian: `nats-server`), alone or as a cluster;
//! - [`Postgres`] is PostgreSQL (Debian: `postgresql`), which speaks no HTTP and so is no [`Server`];
//! - [`compare`] finds out whether what a database has is what it should have.
//!
//! ```no_run
//! use plimsoll_testkit::databases::Influx;
//!
//! let mut influx = Influx::start();
//! influx.create_database("metrics");
//! influx.write("metrics", "memory,container_name=web usage_bytes=4096i 1700000000000000000\n");
//! influx.kill();
//! influx.restart();
//! let answer = influx.query("metrics", "SELECT usage_bytes FROM memory");
//! assert_eq!(answer["results"][0]["series"][0]["values"][0][1], 4096);
//! ```

pub mod compare;
mod influx;
mod nats;
mod postgres;
mod prometheus;
mod server;
mod victoria;

pub use influx::Influx;
pub use nats::{Message, Nats};
pub use postgres::Postgres;
pub use prometheus::Prometheus;
pub use server::Server;
pub use victoria::Victoria;

/// Milliseconds as the interface of Prometheus reads times and steps: in seconds.
fn seconds(milliseconds: i64) -> String {
    // Exact to the millisecond for thousands of years.
    (milliseconds as f64 / 1000.0).to_string()
}
