//! Spends by script type through both engines, and the bare operations of the curve.
//!
//! `cargo bench -p adit-benches --bench verify`. Sources are those of the table (`engines-table`), whose ratios are the ones to quote: it lets
//! the engines take turns.
#![allow(missing_docs, reason = "criterion's macros make functions without")]

use std::hint::black_box;
use std::time::Duration;

use adit_benches::curve::CurveJob;
use adit_benches::kernel::KernelJob;
use adit_benches::{FLAGS, Job, sources};
use adit_domain::script::{Interpreter, ScriptVerifier, forget_keys};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Transactions of one type in one measure.
const JOBS_MAX: usize = 100;

fn spends(criterion: &mut Criterion) {
    for (source, jobs) in sources::all() {
        for (kind, mut jobs) in jobs {
            jobs.truncate(JOBS_MAX);
            let inputs: usize = jobs.iter().map(Job::inputs).sum();
            let kernel: Vec<KernelJob> = jobs.iter().map(KernelJob::new).collect();
            let curve: Vec<CurveJob> = jobs.iter().map(CurveJob::new).collect();
            let mut group = criterion.benchmark_group(format!("{source}/{kind}"));
            group.throughput(Throughput::Elements(inputs.try_into().unwrap_or(u64::MAX)));
            group
                .sample_size(10)
                .measurement_time(Duration::from_secs(1))
                .warm_up_time(Duration::from_millis(200));
            group.bench_function("adit", |b| {
                b.iter(|| {
                    forget_keys();
                    jobs.iter().all(|job| Interpreter.verify_tx(black_box(&job.spend()), FLAGS).is_ok())
                });
            });
            group
                .bench_function("kernel", |b| b.iter(|| kernel.iter().all(|job| black_box(job).verify_tx())));
            group.bench_function("curve", |b| b.iter(|| curve.iter().all(|job| black_box(job).run())));
            group.finish();
        }
    }
}

criterion_group!(benches, spends);
criterion_main!(benches);
