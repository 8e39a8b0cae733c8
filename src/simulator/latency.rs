//! How long a task takes, and the seeded numbers behind it.
//!
//! The ranges are Evolink's own for gpt-image-2 (1K low 5–15 s, 1K medium 10–30 s, 2K high 20–60 s, 4K high 30–90 s,
//! four pictures and more 30–120 s); what lies between is interpolated.

use std::time::Duration;

use crate::image::{Quality, Tier};

/// Shortest and longest time in seconds of one picture.
const fn seconds(tier: Tier, quality: Quality) -> (u64, u64) {
    let tier = match tier {
        Tier::K0_5 => Tier::K1,
        Tier::K1_5 => Tier::K2,
        Tier::K3 => Tier::K4,
        tier => tier,
    };
    match (tier, quality) {
        (Tier::K1, Quality::Low) => (5, 15),
        (Tier::K1, Quality::High) => (15, 45),
        (Tier::K2, Quality::Low) => (7, 20),
        (Tier::K4, Quality::High) => (30, 90),
        (Tier::K2, Quality::XHigh) => (30, 80),
        (Tier::K4, Quality::XHigh) => (40, 110),
        (_, Quality::Max) => (45, 120),
        (Tier::K2, Quality::High) | (Tier::K1, Quality::XHigh) => (20, 60),
        (Tier::K1, _) | (Tier::K4, Quality::Low) => (10, 30),
        (Tier::K2, _) => (14, 42),
        (_, _) => (18, 55),
    }
}

/// The range of times of a task with `n` pictures.
pub(super) fn range(tier: Tier, quality: Quality, n: u32) -> (Duration, Duration) {
    let (shortest, longest) = if n >= 4 { (30, 120) } else { seconds(tier, quality) };
    (Duration::from_secs(shortest), Duration::from_secs(longest))
}

/// A time spread evenly over the range, by a random number, divided by the speed.
pub(super) fn drawn(range: (Duration, Duration), random: u64, speed: f64) -> Duration {
    let (shortest, longest) = range;
    let share = f64::from(u32::try_from(random >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
    let time = shortest + longest.saturating_sub(shortest).mul_f64(share);
    let speed = if speed.is_finite() && speed > 0.0 { speed } else { 1.0 };
    Duration::try_from_secs_f64(time.as_secs_f64() / speed).unwrap_or(time)
}

/// SplitMix64: the `index`th number of the sequence that `seed` starts.
pub(super) const fn random(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// FNV-1a: a number for a text, the same in every run.
pub(super) fn number_of(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spread_over_the_documented_range() {
        let range = range(Tier::K1, Quality::Medium, 1);
        let times: Vec<Duration> = (0..1000).map(|index| drawn(range, random(7, index), 1.0)).collect();
        let mean = times.iter().sum::<Duration>() / 1000;
        assert!(times.iter().all(|time| (range.0..=range.1).contains(time)));
        assert!((Duration::from_secs(19)..Duration::from_secs(21)).contains(&mean), "{mean:?}");
    }

    #[test]
    fn speed_divides_the_time_and_nonsense_speeds_do_not() {
        let ten = (Duration::from_secs(10), Duration::from_secs(10));
        assert_eq!(drawn(ten, 5, 20.0), Duration::from_millis(500));
        for speed in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(drawn(ten, 5, speed), Duration::from_secs(10));
        }
    }

    #[test]
    fn better_and_larger_pictures_take_longer() {
        for tier in Tier::ALL {
            assert!(range(tier, Quality::Low, 1).1 < range(tier, Quality::Medium, 1).1);
            assert!(range(tier, Quality::Medium, 1).1 < range(tier, Quality::High, 1).1);
        }
        assert_eq!(range(Tier::K1, Quality::Low, 4), (Duration::from_secs(30), Duration::from_mins(2)));
    }
}
