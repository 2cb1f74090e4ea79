//! The messages of both versions, as far as this project uses them: no histograms, no exemplars. The numbers of the fields are
//! those of `prompb/types.proto`, `prompb/remote.proto` and `prompb/io/prometheus/write/v2/types.proto` of Prometheus.

/// A body of 1.0: `prometheus.WriteRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WriteRequest {
    /// The series.
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
}

/// A series of 1.0.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TimeSeries {
    /// Its labels, sorted by name.
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    /// Its samples, sorted by time.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
}

/// A label.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Label {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// A sample. 1.0 has no start.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Sample {
    /// The value.
    #[prost(double, tag = "1")]
    pub value: f64,
    /// When, in milliseconds of Unix time.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
    /// Since when it counts, in milliseconds of Unix time; 0 where that is not known.
    #[prost(int64, tag = "3")]
    pub start_timestamp: i64,
}

/// A body of 2.0: `io.prometheus.write.v2.Request`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Request {
    /// Every text, once; the first is empty.
    #[prost(string, repeated, tag = "4")]
    pub symbols: Vec<String>,
    /// The series.
    #[prost(message, repeated, tag = "5")]
    pub timeseries: Vec<SymbolSeries>,
}

/// A series of 2.0.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SymbolSeries {
    /// Name and value of each label, sorted by name, as numbers of symbols.
    #[prost(uint32, repeated, tag = "1")]
    pub labels_refs: Vec<u32>,
    /// Its samples, sorted by time.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
    /// What is known of it.
    #[prost(message, optional, tag = "5")]
    pub metadata: Option<Metadata>,
}

/// What is known of a series of 2.0.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Metadata {
    /// How its values behave.
    #[prost(enumeration = "MetricType", tag = "1")]
    pub r#type: i32,
    /// What it means, as the number of a symbol.
    #[prost(uint32, tag = "3")]
    pub help_ref: u32,
    /// Its unit, as the number of a symbol.
    #[prost(uint32, tag = "4")]
    pub unit_ref: u32,
}

/// How the values of a series behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum MetricType {
    /// Nobody says.
    Unspecified = 0,
    /// Only grows.
    Counter = 1,
    /// Goes up and down.
    Gauge = 2,
    /// Always 1; the labels are the message.
    Info = 6,
}
