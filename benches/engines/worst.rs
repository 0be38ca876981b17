//! The known worst cases through both engines; `engines-table worst` prints their ratios.
#![allow(missing_docs, reason = "criterion's macros make functions without")]

use std::hint::black_box;
use std::time::Duration;

use adit_benches::kernel::KernelJob;
use adit_benches::{FLAGS, worst};
use adit_domain::script::{Interpreter, ScriptVerifier};
use criterion::{Criterion, criterion_group, criterion_main};

fn cases(criterion: &mut Criterion) {
    for (name, job) in worst::cases() {
        let kernel = KernelJob::new(&job);
        let mut group = criterion.benchmark_group(name);
        group
            .sample_size(10)
            .measurement_time(Duration::from_secs(1))
            .warm_up_time(Duration::from_millis(200));
        group.bench_function("adit", |b| b.iter(|| Interpreter.verify_tx(black_box(&job.spend()), FLAGS)));
        group.bench_function("kernel", |b| b.iter(|| black_box(&kernel).verify_tx()));
        group.finish();
    }
}

criterion_group!(benches, cases);
criterion_main!(benches);
