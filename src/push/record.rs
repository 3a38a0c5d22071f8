//! What waits to be sent.

use hyper::{Method, body::Bytes};

/// The form of a request's body, and so the headers that it is sent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Remote write 1.0, compressed with snappy.
    WriteV1,
    /// Remote write 2.0, compressed with snappy.
    WriteV2,
    /// OTLP in protobuf.
    Otlp,
    /// OTLP in protobuf, compressed with gzip.
    OtlpGzip,
    /// A page in Prometheus' text format, for a Pushgateway.
    Text,
    /// No body: a Pushgateway forgets our page.
    Delete,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::WriteV1, Self::WriteV2, Self::Otlp, Self::OtlpGzip, Self::Text, Self::Delete];

    /// Its number in files. Never give one another meaning.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::WriteV1 => 1,
            Self::WriteV2 => 2,
            Self::Otlp => 3,
            Self::OtlpGzip => 4,
            Self::Text => 5,
            Self::Delete => 6,
        }
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    pub(super) fn method(self) -> Method {
        match self {
            Self::WriteV1 | Self::WriteV2 | Self::Otlp | Self::OtlpGzip => Method::POST,
            Self::Text => Method::PUT,
            Self::Delete => Method::DELETE,
        }
    }

    /// The headers that the protocol demands.
    pub(super) fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::WriteV1 => &[
                ("content-type", "application/x-protobuf"),
                ("content-encoding", "snappy"),
                ("x-prometheus-remote-write-version", "0.1.0"),
            ],
            Self::WriteV2 => &[
                ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
                ("content-encoding", "snappy"),
                ("x-prometheus-remote-write-version", "2.0.0"),
            ],
            Self::Otlp => &[("content-type", "application/x-protobuf")],
            Self::OtlpGzip => &[("content-type", "application/x-protobuf"), ("content-encoding", "gzip")],
            Self::Text => &[("content-type", "text/plain; version=0.0.4; charset=utf-8")],
            Self::Delete => &[],
        }
    }
}

/// One request that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The form of the body.
    pub kind: Kind,
    /// How many samples are in it.
    pub samples: u32,
    /// When they were read, in Unix milliseconds.
    pub timestamp: i64,
    /// The body, compressed.
    pub body: Bytes,
}

impl Record {
    /// How much room it needs, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.body.len() as u64
    }
}

/// Samples that will not be sent, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loss {
    /// The value of the label `reason`.
    pub(super) reason: &'static str,
    pub(super) samples: u64,
}
