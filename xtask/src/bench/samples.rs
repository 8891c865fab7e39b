//! Samples of one quantity, in rounds.

use anyhow::{Context as _, Result, ensure};

/// Nanoseconds, as they were measured, round by round.
#[derive(Debug, Default, Clone)]
pub(super) struct Samples {
    rounds: Vec<Vec<f64>>,
}

impl Samples {
    /// Adds a round of at least one sample.
    pub(super) fn add(&mut self, round: Vec<f64>) {
        if !round.is_empty() {
            self.rounds.push(round);
        }
    }

    /// The value below which this share of all samples lies, by the nearest rank.
    pub(super) fn percentile(&self, share: f64) -> f64 {
        let mut all: Vec<f64> = self.rounds.iter().flatten().copied().collect();
        rank(&mut all, share)
    }

    /// The median of all samples.
    pub(super) fn median(&self) -> f64 {
        self.percentile(0.5)
    }

    /// The lowest and the highest median of a round.
    pub(super) fn spread(&self) -> (f64, f64) {
        let medians = self.rounds.iter().map(|round| rank(&mut round.clone(), 0.5));
        medians.fold((f64::INFINITY, 0.0), |(low, high), median| (median.min(low), median.max(high)))
    }

    /// The medians of rounds by those of the other side's rounds at the same time: the median of these ratios, the lowest and the
    /// highest. What a machine does to one round it does to both sides of it.
    pub(super) fn ratios_to(&self, peer: &Self) -> Ratios {
        let median = |round: &Vec<f64>| rank(&mut round.clone(), 0.5);
        let mut all: Vec<f64> = self.rounds.iter().zip(&peer.rounds).map(|(one, other)| median(one) / median(other)).collect();
        Ratios { median: rank(&mut all, 0.5), lowest: rank(&mut all, 0.0), highest: rank(&mut all, 1.0) }
    }

    /// How many samples there are.
    pub(super) fn count(&self) -> usize {
        self.rounds.iter().map(Vec::len).sum()
    }
}

/// Ratios of rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ratios {
    pub(super) median: f64,
    pub(super) lowest: f64,
    pub(super) highest: f64,
}

fn rank(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a list that fits in memory")]
    let place = (share * values.len() as f64).ceil() as usize;
    values.get(place.clamp(1, values.len().max(1)) - 1).copied().unwrap_or(f64::NAN)
}

/// Numbers, one a line, as the measuring programs print them.
pub(super) fn parse(output: &str) -> Result<Vec<f64>> {
    let numbers = output.lines().map(|line| line.trim().parse::<f64>().with_context(|| format!("{line:?} is not a number")));
    let numbers = numbers.collect::<Result<Vec<_>>>()?;
    ensure!(!numbers.is_empty(), "nothing was measured");
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let mut samples = Samples::default();
        samples.add((1..=50).map(f64::from).collect());
        samples.add((51..=100).map(f64::from).collect());
        samples.add(vec![]);
        assert_eq!((samples.median(), samples.percentile(0.99), samples.percentile(1.0), samples.count()), (50.0, 99.0, 100.0, 100));
        assert_eq!(samples.spread(), (25.0, 75.0));
        let mut one = Samples::default();
        one.add(vec![7.0]);
        assert_eq!((one.median(), one.percentile(0.99), one.spread()), (7.0, 7.0, (7.0, 7.0)));
    }

    #[test]
    fn ratios_are_those_of_rounds() {
        let (mut one, mut other) = (Samples::default(), Samples::default());
        for (round, peer) in [(2.0, 1.0), (30.0, 10.0), (4.0, 1.0)] {
            one.add(vec![round, round, 1000.0]);
            other.add(vec![peer]);
        }
        assert_eq!(one.ratios_to(&other), Ratios { median: 3.0, lowest: 2.0, highest: 4.0 });
    }

    #[test]
    fn what_is_not_a_number_is_told() {
        assert_eq!(parse("1\n2.5\n").unwrap(), [1.0, 2.5]);
        assert!(parse("").is_err());
        assert!(parse("12\nmeter: fork: Resource temporarily unavailable\n").is_err());
    }
}
