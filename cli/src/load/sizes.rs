//! How long requests are.

use std::sync::Arc;

use rand::Rng;
use rand_distr::{Distribution, LogNormal};
use serde::{Deserialize, Serialize};

/// A distribution of sizes, in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Sizes {
    /// All the same.
    Fixed(usize),
    /// From the first to the second, each as likely.
    Uniform(usize, usize),
    /// Most near the median, few of them far above it: `sigma` is the spread of the logarithm.
    LogNormal { median: f64, sigma: f64 },
    /// Each of these as likely; what is in it more often comes more often.
    Listed(Arc<[usize]>),
}

/// No request is longer: the largest ring.
const LONGEST: usize = 1 << 30;

const FORMS: &str = "give 64, uniform:64-4096, lognormal:MEDIAN,SIGMA such as lognormal:512,1.5, or file:PATH with a size on each line";

impl Sizes {
    /// Reads an option.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || FORMS.to_owned();
        let size = |text: &str| {
            let size = text.parse().ok().filter(|size| *size <= LONGEST);
            size.ok_or_else(wrong)
        };
        match text.split_once(':') {
            None => size(text).map(Sizes::Fixed),
            Some(("fixed", bytes)) => size(bytes).map(Sizes::Fixed),
            Some(("uniform", range)) => {
                let (least, most) = range.split_once('-').ok_or_else(wrong)?;
                let (least, most) = (size(least)?, size(most)?);
                if least <= most {
                    Ok(Sizes::Uniform(least, most))
                } else {
                    Err(format!("{least} is more than {most}"))
                }
            }
            Some(("lognormal", shape)) => {
                let (median, sigma) = shape.split_once(',').ok_or_else(wrong)?;
                let number = |text: &str| text.parse::<f64>().map_err(|_| wrong());
                let (median, sigma) = (number(median)?, number(sigma)?);
                // NaN is in no range.
                if (1.0..=1e9).contains(&median) && (0.0..=10.0).contains(&sigma) {
                    Ok(Sizes::LogNormal { median, sigma })
                } else {
                    Err("the median is from 1 to 1e9 bytes, sigma from 0 to 10".to_owned())
                }
            }
            Some(("file", path)) => {
                let text =
                    std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
                Self::listed(&text).map_err(|error| format!("{path}: {error}"))
            }
            Some(_) => Err(wrong()),
        }
    }

    /// A size on each line; empty lines and what follows a `#` mean nothing.
    fn listed(text: &str) -> Result<Self, String> {
        let mut sizes = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            match line.parse() {
                Ok(size) if size <= LONGEST => sizes.push(size),
                _ => return Err(format!("line {}: {line:?} is no size", number + 1)),
            }
        }
        if sizes.is_empty() {
            return Err("no line with a size".to_owned());
        }
        Ok(Sizes::Listed(sizes.into()))
    }

    /// One of them.
    #[expect(clippy::cast_sign_loss, reason = "clamped")]
    pub(crate) fn draw(&self, random: &mut impl Rng) -> usize {
        match self {
            Sizes::Fixed(bytes) => *bytes,
            Sizes::Uniform(least, most) => random.random_range(*least..=*most),
            Sizes::LogNormal { median, sigma } => match LogNormal::new(median.ln(), *sigma) {
                Ok(sizes) => sizes.sample(random).clamp(1.0, 1e9) as usize,
                Err(_) => unreachable!("the spread was checked"),
            },
            Sizes::Listed(sizes) => sizes[random.random_range(0..sizes.len())],
        }
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "a test's numbers are small")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    fn drawn(sizes: &Sizes, seed: u64) -> Vec<usize> {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut drawn: Vec<usize> = (0..4001).map(|_| sizes.draw(&mut random)).collect();
        drawn.sort_unstable();
        drawn
    }

    proptest! {
        #[test]
        fn uniform_sizes_stay_in_their_range_and_fill_it(seed in any::<u64>(), least in 0usize..1000, more in 1usize..100_000) {
            let sizes = Sizes::parse(&format!("uniform:{least}-{}", least + more)).unwrap();
            let drawn = drawn(&sizes, seed);
            prop_assert!(drawn[0] >= least && drawn[4000] <= least + more);
            let middle = drawn[2000].abs_diff(least + more / 2);
            prop_assert!(middle <= more / 10 + 1, "the median is off by {middle} of {more}");
        }

        #[test]
        fn half_of_a_lognormal_is_below_its_median(seed in any::<u64>(), median in 20.0f64..1e6, sigma in 0.1f64..2.0) {
            let drawn = drawn(&Sizes::parse(&format!("lognormal:{median},{sigma}")).unwrap(), seed);
            // The logarithm's median is within some 5 standard errors: 1.25 sigma / sqrt(4001), and rounding down.
            let off = (drawn[2000] as f64).ln() - median.ln();
            prop_assert!(off.abs() < 0.1 * sigma + 1.0 / 19.0, "{} for {median}", drawn[2000]);
            prop_assert!(drawn[3900] as f64 > median, "some are longer");
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[a-z0-9:,.-]{0,30}") {
            let _ = Sizes::parse(&text);
        }
    }

    #[test]
    fn every_form_is_read_and_nonsense_is_not() {
        assert_eq!(Sizes::parse("64"), Ok(Sizes::Fixed(64)));
        assert_eq!(Sizes::parse("fixed:0"), Ok(Sizes::Fixed(0)));
        assert_eq!(
            Sizes::listed("1 # a\n\n5\n"),
            Ok(Sizes::Listed([1, 5].into()))
        );
        assert!(
            drawn(&Sizes::Listed([1, 5].into()), 3)
                .iter()
                .all(|size| [1, 5].contains(size))
        );
        for wrong in [
            "",
            "big",
            "uniform:5",
            "uniform:9-5",
            "lognormal:5",
            "lognormal:NaN,1",
            "lognormal:5,-1",
            "2000000000",
            "file:/no/such",
            "x:1",
        ] {
            assert!(Sizes::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Sizes::listed("ten").unwrap_err().contains("line 1"));
    }
}
