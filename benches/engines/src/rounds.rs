//! Measures beside each other: in rounds, each round all of them, on the clock of this thread's own processor time.

use rustix::time::{ClockId, clock_gettime};

/// Processor time of this thread, in seconds.
fn processor_s() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

/// Rounds that a measure has: `ADIT_BENCH_ROUNDS`, 15 without.
pub fn rounds() -> usize {
    std::env::var("ADIT_BENCH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(15)
}

/// The median over `rounds` of the seconds of processor time that each measure takes. They take turns within a round, so
/// that what the machine does beside them hits all alike; one round before the first is not counted.
pub fn medians<const N: usize>(rounds: usize, mut measures: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut times: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    for round in 0..=rounds {
        for (measure, times) in measures.iter_mut().zip(&mut times) {
            let began = processor_s();
            measure();
            if round > 0 {
                times.push(processor_s() - began);
            }
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}
