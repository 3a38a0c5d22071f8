//! Remote write as a receiver reads it, with messages that prost decodes.

use super::host::Driven;
use docker_stat_prom::{
    collector::{Feed, Message as Ask, View, Visitor},
    encode::{Format, Readings, Text},
};
use prost::Message as _;
use std::collections::{BTreeMap, HashMap};

/// `prometheus.WriteRequest` and `io.prometheus.write.v2.Request`, as their specifications give them.
pub mod v1 {
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct WriteRequest {
        #[prost(message, repeated, tag = "1")]
        pub timeseries: Vec<TimeSeries>,
        #[prost(message, repeated, tag = "3")]
        pub metadata: Vec<MetricMetadata>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct TimeSeries {
        #[prost(message, repeated, tag = "1")]
        pub labels: Vec<Label>,
        #[prost(message, repeated, tag = "2")]
        pub samples: Vec<Sample>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Label {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(string, tag = "2")]
        pub value: String,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Sample {
        #[prost(double, tag = "1")]
        pub value: f64,
        #[prost(int64, tag = "2")]
        pub timestamp: i64,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct MetricMetadata {
        #[prost(int32, tag = "1")]
        pub r#type: i32,
        #[prost(string, tag = "2")]
        pub metric_family_name: String,
        #[prost(string, tag = "4")]
        pub help: String,
        #[prost(string, tag = "5")]
        pub unit: String,
    }
}

pub mod v2 {
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Request {
        #[prost(string, repeated, tag = "4")]
        pub symbols: Vec<String>,
        #[prost(message, repeated, tag = "5")]
        pub timeseries: Vec<TimeSeries>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct TimeSeries {
        #[prost(uint32, repeated, tag = "1")]
        pub labels_refs: Vec<u32>,
        #[prost(message, repeated, tag = "2")]
        pub samples: Vec<Sample>,
        #[prost(message, optional, tag = "5")]
        pub metadata: Option<Metadata>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Sample {
        #[prost(double, tag = "1")]
        pub value: f64,
        #[prost(int64, tag = "2")]
        pub timestamp: i64,
        #[prost(int64, tag = "3")]
        pub start_timestamp: i64,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Metadata {
        #[prost(int32, tag = "1")]
        pub r#type: i32,
        #[prost(uint32, tag = "3")]
        pub help_ref: u32,
        #[prost(uint32, tag = "4")]
        pub unit_ref: u32,
    }
}

pub const STALE: u64 = 0x7ff0_0000_0000_0002;

pub type Labels = BTreeMap<String, String>;

/// A sample as it was decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Got {
    pub bits: u64,
    pub at: i64,
    pub began: i64,
    pub kind: i32,
    pub help: String,
    pub unit: String,
}

/// The samples of a page in the text format.
pub fn samples(page: &str) -> HashMap<Labels, f64> {
    let mut all = HashMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, mut rest) = series.split_once('{').unwrap_or((series, ""));
        let mut labels = Labels::from([("__name__".to_owned(), name.to_owned())]);
        while let Some((name, after)) = rest.split_once("=\"") {
            let (mut value, mut escaped, mut end) = (String::new(), false, 0);
            for (at, letter) in after.char_indices() {
                match (escaped, letter) {
                    (false, '\\') => escaped = true,
                    (false, '"') => {
                        end = at;
                        break;
                    }
                    (_, letter) => {
                        value.push(if escaped && letter == 'n' { '\n' } else { letter });
                        escaped = false;
                    }
                }
            }
            labels.insert(name.trim_start_matches(',').to_owned(), value);
            rest = &after[end + 1..];
        }
        let value = value.replace("+Inf", "inf").parse().unwrap();
        assert!(all.insert(labels, value).is_none(), "twice: {line}");
    }
    all
}

fn put(all: &mut HashMap<Labels, Got>, labels: Vec<(String, String)>, got: Got) {
    assert!(labels.is_sorted_by(|one, next| one.0 < next.0), "{labels:?}");
    assert!(labels.iter().all(|(_, value)| !value.is_empty()), "{labels:?}");
    assert!(all.insert(labels.clone().into_iter().collect(), got).is_none(), "twice: {labels:?}");
}

pub fn decoded_v1(bodies: &[(Vec<u8>, usize)]) -> HashMap<Labels, Got> {
    let mut all = HashMap::new();
    for (body, samples) in bodies {
        let request = v1::WriteRequest::decode(&body[..]).unwrap();
        assert_eq!(request.timeseries.len(), *samples);
        for series in request.timeseries {
            let labels = series.labels.into_iter().map(|label| (label.name, label.value)).collect();
            let [sample] = &series.samples[..] else { panic!("{} samples", series.samples.len()) };
            let (bits, at) = (sample.value.to_bits(), sample.timestamp);
            let (help, unit) = (String::new(), String::new());
            put(&mut all, labels, Got { bits, at, began: 0, kind: 0, help, unit });
        }
    }
    all
}

pub fn decoded_v2(bodies: &[(Vec<u8>, usize)]) -> HashMap<Labels, Got> {
    let mut all = HashMap::new();
    for (body, samples) in bodies {
        let request = v2::Request::decode(&body[..]).unwrap();
        assert_eq!((request.timeseries.len(), request.symbols[0].as_str()), (*samples, ""));
        let symbol = |place: u32| request.symbols[place as usize].clone();
        for series in request.timeseries {
            let refs = series.labels_refs.chunks_exact(2);
            let labels = refs.map(|pair| (symbol(pair[0]), symbol(pair[1]))).collect();
            let [sample] = &series.samples[..] else { panic!("{} samples", series.samples.len()) };
            let metadata = series.metadata.unwrap();
            let got = Got {
                bits: sample.value.to_bits(),
                at: sample.timestamp,
                began: sample.start_timestamp,
                kind: metadata.r#type,
                help: symbol(metadata.help_ref),
                unit: symbol(metadata.unit_ref),
            };
            put(&mut all, labels, got);
        }
    }
    all
}

/// How many series a 1.0 request has.
pub fn series(body: &[u8]) -> usize {
    v1::WriteRequest::decode(body).unwrap().timeseries.len()
}

/// The families that a 1.0 request tells about.
pub fn v1_metadata(body: &[u8]) -> Vec<v1::MetricMetadata> {
    v1::WriteRequest::decode(body).unwrap().metadata
}

/// Regroups the pass, and writes it as text too.
struct Both {
    readings: Readings,
    page: Text,
}

impl Visitor for Both {
    fn visit(&mut self, view: &View<'_>) {
        self.readings.take(view.page.now, 1_700_000_000.0, |sink| view.feed(sink));
        view.render(Format::Text, &mut self.page);
    }
}

pub fn pass(driven: &mut Driven, readings: Readings) -> (Readings, String) {
    let (feed, mut answer) = Feed::new(Both { readings, page: Text::default() });
    driven.collector.take(Ask::Feed(feed));
    driven.collector.answer();
    let both = answer.try_recv().unwrap();
    (both.readings, String::from_utf8(both.page.as_bytes().to_vec()).unwrap())
}
