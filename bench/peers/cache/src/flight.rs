// Single flight, as src/bench/pool_bench.cc measures it: 64 callers miss one key at once, again and again. The caller that
// loads waits until all have called, and 3 ms more, so that the others sleep.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use crate::workload::Figures;

const CALLERS: usize = 64;
const FLIGHTS: usize = 100;
const FAILING_FLIGHTS: usize = 10;

pub trait Flight: Send + Sync {
    fn new() -> Self;
    // True: a value; false: the loader's error.
    fn load(&self, key: u64, loader: &dyn Fn() -> Result<Arc<[u8]>, ()>) -> bool;
}

pub struct QuickCacheFlight(quick_cache::sync::Cache<u64, Arc<[u8]>>);

impl Flight for QuickCacheFlight {
    fn new() -> Self {
        QuickCacheFlight(quick_cache::sync::Cache::new(10_000))
    }
    fn load(&self, key: u64, loader: &dyn Fn() -> Result<Arc<[u8]>, ()>) -> bool {
        self.0.get_or_insert_with(&key, loader).is_ok()
    }
}

pub struct MokaFlight(moka::sync::Cache<u64, Arc<[u8]>>);

impl Flight for MokaFlight {
    fn new() -> Self {
        MokaFlight(moka::sync::Cache::new(10_000))
    }
    fn load(&self, key: u64, loader: &dyn Fn() -> Result<Arc<[u8]>, ()>) -> bool {
        self.0.try_get_with(key, loader).is_ok()
    }
}

// What happened in each flight; index: its number.
struct Flights {
    called: Vec<AtomicUsize>,
    loads: Vec<AtomicUsize>,
    answered: Vec<AtomicUsize>,
    finished_ns: Vec<AtomicU64>,
}

// Runs `count` flights over the keys from `first_key` on. Returns loads and answered callers per flight, and how long after
// the end of the load each of the other callers was back, in us and ascending.
fn fly<F: Flight>(cache: &F, first_key: u64, count: usize, fails: bool) -> (f64, f64, Vec<f64>) {
    let numbers = || (0..count).map(|_| AtomicUsize::new(0)).collect::<Vec<_>>();
    let flights = Flights {
        called: numbers(),
        loads: numbers(),
        answered: numbers(),
        finished_ns: (0..count).map(|_| AtomicU64::new(0)).collect(),
    };
    let barrier = Barrier::new(CALLERS);
    let start = Instant::now();
    let mut wakes: Vec<f64> = Vec::new();
    std::thread::scope(|scope| {
        let call = || {
            let mut woken = Vec::with_capacity(count);
            for i in 0..count {
                let loaded = Cell::new(false);
                let loader = || {
                    loaded.set(true);
                    if flights.loads[i].fetch_add(1, Ordering::Relaxed) == 0 {
                        while flights.called[i].load(Ordering::Relaxed) < CALLERS {
                            std::thread::yield_now();
                        }
                        std::thread::sleep(Duration::from_millis(3));
                    }
                    flights.finished_ns[i].store(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
                    if fails { Err(()) } else { Ok(Arc::from([7u8; 64])) }
                };
                barrier.wait();
                flights.called[i].fetch_add(1, Ordering::Relaxed);
                let answered = cache.load(first_key + i as u64, &loader);
                let now = start.elapsed().as_nanos() as u64;
                flights.answered[i].fetch_add(answered as usize, Ordering::Relaxed);
                if !loaded.get() {
                    woken.push(now.saturating_sub(flights.finished_ns[i].load(Ordering::Relaxed)) as f64 * 1e-3);
                }
            }
            woken
        };
        let threads: Vec<_> = (0..CALLERS).map(|_| scope.spawn(call)).collect();
        for thread in threads {
            wakes.extend(thread.join().unwrap());
        }
    });
    wakes.sort_by(f64::total_cmp);
    let mean = |list: &[AtomicUsize]| {
        list.iter().map(|one| one.load(Ordering::Relaxed)).sum::<usize>() as f64 / count as f64
    };
    (mean(&flights.loads), mean(&flights.answered), wakes)
}

pub fn run<F: Flight>(figures: &Figures) {
    let cache = F::new();
    let (loads, answered, wakes) = fly(&cache, 0, FLIGHTS, false);
    figures.emit("loads", loads, "loads/flight");
    figures.emit("answered", answered, "callers/flight");
    figures.emit("wake_p50", wakes[wakes.len() / 2], "us");
    figures.emit("wake_p99", wakes[wakes.len() * 99 / 100], "us");
    let (loads, answered, _) = fly(&cache, FLIGHTS as u64, FAILING_FLIGHTS, true);
    figures.emit("failed_loads", loads, "loads/flight");
    figures.emit("failed_callers", CALLERS as f64 - answered, "callers/flight");
}
