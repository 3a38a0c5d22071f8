//! One reading of a histogram.

use prometheus::proto;

/// One reading of a histogram: its buckets, and the sum of all observations.
#[derive(Debug, Clone, Copy)]
pub struct HistogramReading<'a>(pub(super) &'a proto::Histogram);

impl HistogramReading<'_> {
    /// The upper bound of each bucket, and how many observations are not above it. The last bound is finite;
    /// [`Self::count`] is the count of the infinite bucket.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        self.0.get_bucket().iter().map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
    }

    /// The sum of all observations.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.0.get_sample_sum()
    }

    /// How many observations there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.get_sample_count()
    }
}
