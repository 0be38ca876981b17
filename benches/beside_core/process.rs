//! What a process has used: wall, processor, memory. Linux's /proc says it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::state_and_cpu;
use crate::harness::Process;
use crate::plan::{Setting, Work};

/// How often a process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One program's run.
#[derive(Clone, Debug)]
pub struct Run {
    /// From its start to its end, the last flush included.
    pub seconds: f64,
    /// From its start to the tip, where that was asked for.
    pub tip_seconds: Option<f64>,
    /// User and system.
    pub cpu_seconds: f64,
    /// The most memory that was resident.
    pub peak_mib: f64,
}

impl Run {
    pub fn line(&self, who: &str, work: Work, setting: Setting, round: usize) -> Value {
        json!({
            "work": work.to_string(), "who": who, "cores": setting.cores, "cache_mib": setting.cache_mib, "round": round,
            "seconds": self.seconds, "tip_seconds": self.tip_seconds, "cpu_seconds": self.cpu_seconds,
            "peak_mib": self.peak_mib,
        })
    }
}

/// Looks at a process that began at `from` until it has ended.
pub fn to_its_end(process: &mut Process, from: Instant, tip_seconds: Option<f64>) -> Run {
    let mut peak_mib: f64 = 0.0;
    loop {
        peak_mib = peak_mib.max(peak_memory_mib(process.id()).unwrap_or(0.0));
        // Its memory does not stay, its times do.
        let (state, cpu_seconds) = state_and_cpu(process.id());
        if state == "Z" {
            let seconds = from.elapsed().as_secs_f64();
            let status = process.wait();
            assert!(status.success(), "{status}: {}", process.err());
            return Run { seconds, tip_seconds, cpu_seconds, peak_mib };
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn peak_memory_mib(id: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}
