//! Sums over the rows of a file. They are known only if every row was read.

use std::time::{Duration, Instant};

/// How long a smaller or missing row is doubted. Rows of a file come and go, and counters start over, but
/// rarely and for good. A row that is missing for a moment was not read, and a sum without it would be wrong.
/// So no sum is given until the change has lasted for this long.
const DOUBT: Duration = Duration::from_secs(10);

/// Two counters per row of a file, as last read.
#[derive(Debug)]
pub(super) struct Tally<K> {
    known: Vec<(K, u64, u64)>,
    doubted_since: Option<Instant>,
    overflows: bool,
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self { known: Vec::new(), doubted_since: None, overflows: false }
    }
}

impl<K: Copy + PartialEq> Tally<K> {
    /// The sums over rows with different keys. `None` if a counter is missing, if a row is missing that was
    /// there before, if a counter fell, or if a sum is 2⁶⁴ or more.
    pub(super) fn add(
        &mut self,
        rows: impl Iterator<Item = (K, Option<u64>, Option<u64>)> + Clone,
    ) -> Option<(u64, u64)> {
        let mut sums = (0_u64, 0_u64);
        self.overflows = false;
        let mut overflows = false;
        let (mut next, mut met, mut count) = (0, 0, 0);
        let mut fell = false;
        for (key, first, second) in rows.clone() {
            let (first, second) = first.zip(second)?;
            let (total, is_over) = sums.0.overflowing_add(first);
            let (other_total, is_other_over) = sums.1.overflowing_add(second);
            sums = (total, other_total);
            overflows |= is_over | is_other_over;
            count += 1;
            if let Some((at, before)) = self.find(next, key) {
                fell |= first < before.0 || second < before.1;
                met += 1;
                next = at + 1;
            }
        }
        if (fell || met < self.known.len()) && !self.is_believed() {
            return None;
        }
        self.doubted_since = None;
        let rows = rows.filter_map(|(key, first, second)| Some((key, first?, second?)));
        if count == self.known.len() {
            self.known.iter_mut().zip(rows).for_each(|(known, row)| *known = row);
        } else {
            self.known.clear();
            self.known.reserve_exact(count);
            self.known.extend(rows);
        }
        self.overflows = overflows;
        (!overflows).then_some(sums)
    }

    /// How many of the rows last added have no place in a sum: 1 if a sum was 2⁶⁴ or more.
    pub(super) fn rows_beyond(&self) -> u64 {
        u64::from(self.overflows)
    }

    /// Rows keep their order, so the wanted row is nearly always the next.
    #[inline]
    fn find(&self, next: usize, key: K) -> Option<(usize, (u64, u64))> {
        match self.known.get(next) {
            Some((known, first, second)) if *known == key => Some((next, (*first, *second))),
            _ => self.search(next, key),
        }
    }

    #[cold]
    fn search(&self, next: usize, key: K) -> Option<(usize, (u64, u64))> {
        let (before, after) = self.known.split_at_checked(next)?;
        let rows = after.iter().zip(next..).chain(before.iter().zip(0..));
        rows.into_iter()
            .find(|((known, ..), _)| *known == key)
            .map(|((_, first, second), at)| (at, (*first, *second)))
    }

    #[cold]
    fn is_believed(&mut self) -> bool {
        self.doubted_since.get_or_insert_with(Instant::now).elapsed() >= DOUBT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(tally: &mut Tally<u32>, rows: &[(u32, u64, u64)]) -> Option<(u64, u64)> {
        tally.add(rows.iter().map(|(key, first, second)| (*key, Some(*first), Some(*second))))
    }

    #[test]
    fn a_missing_or_fallen_row_makes_the_sums_unknown_until_it_is_back() {
        let mut tally = Tally::default();
        assert_eq!(add(&mut tally, &[]), Some((0, 0)));
        assert_eq!(add(&mut tally, &[(1, 10, 20), (2, 1, 2)]), Some((11, 22)));
        assert_eq!(add(&mut tally, &[(2, 1, 2)]), None);
        assert_eq!(add(&mut tally, &[(3, 7, 7), (2, 1, 2)]), None);
        assert_eq!(add(&mut tally, &[(1, 9, 20), (2, 1, 2)]), None);
        assert_eq!(tally.add([(1, Some(10), None), (2, Some(1), Some(2))].into_iter()), None);
        assert_eq!(add(&mut tally, &[(2, 2, 2), (3, 5, 5), (1, 10, 20)]), Some((17, 27)));
        assert_eq!(add(&mut tally, &[(2, 2, 2), (3, 5, 5), (1, 11, 20)]), Some((18, 27)));
    }

    #[test]
    fn a_sum_that_does_not_fit_is_unknown_and_counted() {
        let mut tally = Tally::default();
        assert_eq!(add(&mut tally, &[(1, u64::MAX - 1, 0), (2, 1, u64::MAX)]), Some((u64::MAX, u64::MAX)));
        assert_eq!(tally.rows_beyond(), 0);
        for rows in [[(1, u64::MAX, 0), (2, 1, u64::MAX)], [(1, u64::MAX, 1), (2, 1, u64::MAX)]] {
            assert_eq!(add(&mut tally, &rows), None);
            assert_eq!(tally.rows_beyond(), 1);
        }
        // Another reason is not counted as this one.
        assert_eq!(add(&mut tally, &[(1, u64::MAX, 1)]), None);
        assert_eq!(tally.rows_beyond(), 0);
    }

    #[test]
    fn rows_that_stay_away_are_believed_in_the_end() {
        let mut tally = Tally::default();
        add(&mut tally, &[(1, 10, 20), (2, 1, 2)]);
        assert_eq!(add(&mut tally, &[(2, 1, 2)]), None);
        tally.doubted_since = Instant::now().checked_sub(DOUBT);
        assert_eq!(add(&mut tally, &[(2, 1, 2)]), Some((1, 2)));
        assert_eq!(add(&mut tally, &[(2, 1, 2)]), Some((1, 2)));
        assert_eq!(add(&mut tally, &[]), None);
    }
}
