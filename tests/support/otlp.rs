//! OTLP as a receiver reads it, with messages that prost decodes. Numbers are those of opentelemetry-proto.

use prost::Message as _;
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, prost::Message)]
pub struct Request {
    #[prost(message, repeated, tag = "1")]
    pub resource_metrics: Vec<ResourceMetrics>,
}
#[derive(Clone, PartialEq, prost::Message)]
pub struct ResourceMetrics {
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub scope_metrics: Vec<ScopeMetrics>,
}
#[derive(Clone, PartialEq, prost::Message)]
pub struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
}
#[derive(Clone, PartialEq, prost::Message)]
pub struct KeyValue {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
}
#[derive(Clone, PartialEq, prost::Message)]
pub struct AnyValue {
    #[prost(string, optional, tag = "1")]
    pub string: Option<String>,
    #[prost(message, optional, tag = "5")]
    pub array: Option<ArrayValue>,
}
#[derive(Clone, PartialEq, prost::Message)]
pub struct ArrayValue {
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<AnyValue>,
}
#[derive(Clone, PartialEq, prost::Message)]
pub struct ScopeMetrics {
    #[prost(message, optional, tag = "1")]
    pub scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    pub metrics: Vec<Metric>,
}
#[derive(Clone, PartialEq, prost::Message)]
pub struct Scope {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub version: String,
}
#[derive(Clone, PartialEq, prost::Message)]
pub struct Metric {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub description: String,
    #[prost(string, tag = "3")]
    pub unit: String,
    #[prost(message, optional, tag = "5")]
    pub gauge: Option<Gauge>,
    #[prost(message, optional, tag = "7")]
    pub sum: Option<Sum>,
    #[prost(message, optional, tag = "9")]
    pub histogram: Option<Histogram>,
}
#[derive(Clone, PartialEq, prost::Message)]
pub struct Gauge {
    #[prost(message, repeated, tag = "1")]
    pub points: Vec<Point>,
}
#[derive(Clone, PartialEq, prost::Message)]
pub struct Sum {
    #[prost(message, repeated, tag = "1")]
    pub points: Vec<Point>,
    #[prost(int32, tag = "2")]
    pub temporality: i32,
    #[prost(bool, tag = "3")]
    pub is_monotonic: bool,
}
#[derive(Clone, PartialEq, prost::Message)]
pub struct Point {
    #[prost(fixed64, tag = "2")]
    pub start: u64,
    #[prost(fixed64, tag = "3")]
    pub time: u64,
    #[prost(double, optional, tag = "4")]
    pub value: Option<f64>,
    #[prost(message, repeated, tag = "7")]
    pub attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "8")]
    pub flags: u32,
}
#[derive(Clone, PartialEq, prost::Message)]
pub struct Histogram {
    #[prost(message, repeated, tag = "1")]
    pub points: Vec<HistogramPoint>,
    #[prost(int32, tag = "2")]
    pub temporality: i32,
}
#[derive(Clone, PartialEq, prost::Message)]
pub struct HistogramPoint {
    #[prost(fixed64, tag = "2")]
    pub start: u64,
    #[prost(fixed64, tag = "3")]
    pub time: u64,
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    #[prost(double, optional, tag = "5")]
    pub sum: Option<f64>,
    #[prost(fixed64, repeated, tag = "6")]
    pub counts: Vec<u64>,
    #[prost(double, repeated, tag = "7")]
    pub bounds: Vec<f64>,
    #[prost(uint32, tag = "10")]
    pub flags: u32,
}

/// The attributes, with lists as their only text.
pub fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for pair in pairs {
        let value = pair.value.clone().unwrap();
        let text = value.string.or_else(|| value.array.and_then(|array| array.values[0].string.clone()));
        assert!(all.insert(pair.key.clone(), text.unwrap()).is_none(), "{} twice", pair.key);
    }
    all
}

pub fn decoded(body: &[u8]) -> Request {
    Request::decode(body).unwrap()
}

/// Each metric has its name once in a resource.
pub fn metrics(resource: &ResourceMetrics) -> BTreeMap<String, Metric> {
    let mut all = BTreeMap::new();
    for metric in &resource.scope_metrics[0].metrics {
        assert!(all.insert(metric.name.clone(), metric.clone()).is_none(), "{} twice", metric.name);
    }
    all
}

impl Metric {
    pub fn points(&self) -> &[Point] {
        let gauge = self.gauge.as_ref().map(|gauge| &gauge.points[..]);
        gauge.or(self.sum.as_ref().map(|sum| &sum.points[..])).unwrap_or_default()
    }

    /// The value of the point with these attributes.
    pub fn value(&self, wanted: &[(&str, &str)]) -> Option<f64> {
        let wanted: BTreeMap<String, String> =
            wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.points().iter().find(|point| attributes(&point.attributes) == wanted)?.value
    }
}
