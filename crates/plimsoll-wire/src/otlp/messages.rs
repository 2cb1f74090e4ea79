//! The messages, as far as this project uses them: numbers as gauges and sums.

/// A body.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ExportMetricsServiceRequest {
    /// What is told, by what it is told of.
    #[prost(message, repeated, tag = "1")]
    pub resource_metrics: Vec<ResourceMetrics>,
}

/// Metrics of one resource.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ResourceMetrics {
    /// The resource.
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    /// The metrics, by who made them.
    #[prost(message, repeated, tag = "2")]
    pub scope_metrics: Vec<ScopeMetrics>,
}

/// What metrics are told of.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Resource {
    /// By what it is known.
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
}

/// Metrics that one program made.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ScopeMetrics {
    /// The program.
    #[prost(message, optional, tag = "1")]
    pub scope: Option<InstrumentationScope>,
    /// The metrics.
    #[prost(message, repeated, tag = "2")]
    pub metrics: Vec<Metric>,
}

/// Who made metrics.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct InstrumentationScope {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The version.
    #[prost(string, tag = "2")]
    pub version: String,
}

/// An attribute.
#[derive(Clone, PartialEq, prost::Message)]
pub struct KeyValue {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value.
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
}

/// The value of an attribute; here it is always a text.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AnyValue {
    /// The text.
    #[prost(string, optional, tag = "1")]
    pub string_value: Option<String>,
}

/// A metric with its data points.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Metric {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What it means.
    #[prost(string, tag = "2")]
    pub description: String,
    /// Its unit in UCUM.
    #[prost(string, tag = "3")]
    pub unit: String,
    /// Its data points.
    #[prost(oneof = "Data", tags = "5, 7")]
    pub data: Option<Data>,
}

/// Data points, by how they behave.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Data {
    /// They go up and down.
    #[prost(message, tag = "5")]
    Gauge(Gauge),
    /// They are sums.
    #[prost(message, tag = "7")]
    Sum(Sum),
}

/// Values that go up and down.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Gauge {
    /// The data points.
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<NumberDataPoint>,
}

/// Values that are sums.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Sum {
    /// The data points.
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<NumberDataPoint>,
    /// Since when they count; [`CUMULATIVE`] here.
    #[prost(int32, tag = "2")]
    pub aggregation_temporality: i32,
    /// Whether they only grow.
    #[prost(bool, tag = "3")]
    pub is_monotonic: bool,
}

/// Since the start, not since the last data point: `AGGREGATION_TEMPORALITY_CUMULATIVE`.
pub const CUMULATIVE: i32 = 2;

/// One value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NumberDataPoint {
    /// By what it is known.
    #[prost(message, repeated, tag = "7")]
    pub attributes: Vec<KeyValue>,
    /// Since when it counts, in Unix nanoseconds; 0 where that is not known.
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    /// When, in Unix nanoseconds.
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    /// The value.
    #[prost(oneof = "Number", tags = "4, 6")]
    pub value: Option<Number>,
    /// [`super::NO_RECORDED_VALUE`], or nothing.
    #[prost(uint32, tag = "8")]
    pub flags: u32,
}

/// A value.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub enum Number {
    /// A decimal.
    #[prost(double, tag = "4")]
    AsDouble(f64),
    /// An integer.
    #[prost(sfixed64, tag = "6")]
    AsInt(i64),
}

/// The answer to a body.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ExportMetricsServiceResponse {
    /// What was not taken.
    #[prost(message, optional, tag = "1")]
    pub partial_success: Option<ExportMetricsPartialSuccess>,
}

/// What a receiver did not take.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ExportMetricsPartialSuccess {
    /// How many data points.
    #[prost(int64, tag = "1")]
    pub rejected_data_points: i64,
    /// Why; a warning where it is none.
    #[prost(string, tag = "2")]
    pub error_message: String,
}
