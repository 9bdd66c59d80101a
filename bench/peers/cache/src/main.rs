// The engines from crates: quick_cache, moka and foyer, on the workload of src/bench/cache_workload.h.
//
// usage: cache-peers ENGINE CASE FILE      FILE as `cache_peers keys` writes it; one JSON object a figure
// Engines: quick_cache, moka, foyer. Cases: get95-64, get95-1536, rt-64, rt-1536, shrink, flight (all but foyer).
//
// A value is one counted block of bytes (Arc<[u8]>; foyer counts its entries itself and gets a Box<[u8]>), so that a get
// holds it while it reads.

mod flight;
mod workload;

use std::sync::Arc;

use workload::{Engine, Figures, Operations, SHARDS};

struct QuickCache(quick_cache::sync::Cache<u64, Arc<[u8]>>);

impl Engine for QuickCache {
    const NAME: &'static str = "quick_cache 0.7.0";
    fn new(capacity: u64) -> Self {
        let options = quick_cache::OptionsBuilder::new()
            .shards(SHARDS)
            .estimated_items_capacity(capacity as usize)
            .weight_capacity(capacity)
            .build()
            .expect("options");
        QuickCache(quick_cache::sync::Cache::with_options(
            options,
            quick_cache::UnitWeighter,
            quick_cache::DefaultHashBuilder::default(),
            quick_cache::sync::DefaultLifecycle::default(),
        ))
    }
    fn get(&self, key: u64, read: &mut impl FnMut(&[u8])) -> bool {
        self.0.get(&key).map(|value| read(&value)).is_some()
    }
    fn put(&self, key: u64, value: &[u8]) {
        self.0.insert(key, Arc::from(value));
    }
    fn entries(&self) -> u64 {
        self.0.len() as u64
    }
    fn shrink_to_half(&self) -> bool {
        self.0.set_capacity(self.entries() / 2);
        true
    }
}

struct Moka(moka::sync::SegmentedCache<u64, Arc<[u8]>>);

impl Engine for Moka {
    const NAME: &'static str = "moka 0.12.16";
    fn new(capacity: u64) -> Self {
        Moka(moka::sync::SegmentedCache::new(capacity, SHARDS))
    }
    fn get(&self, key: u64, read: &mut impl FnMut(&[u8])) -> bool {
        self.0.get(&key).map(|value| read(&value)).is_some()
    }
    fn put(&self, key: u64, value: &[u8]) {
        self.0.insert(key, Arc::from(value));
    }
    fn entries(&self) -> u64 {
        self.0.run_pending_tasks();
        self.0.entry_count()
    }
    // Its capacity is fixed.
    fn shrink_to_half(&self) -> bool {
        false
    }
}

struct Foyer(foyer_memory::Cache<u64, Box<[u8]>>);

impl Engine for Foyer {
    const NAME: &'static str = "foyer 0.22.6 S3-FIFO";
    fn new(capacity: u64) -> Self {
        let builder = foyer_memory::CacheBuilder::new(capacity as usize)
            .with_shards(SHARDS)
            .with_eviction_config(foyer_memory::S3FifoConfig::default());
        Foyer(builder.build::<foyer_memory::CacheProperties>())
    }
    fn get(&self, key: u64, read: &mut impl FnMut(&[u8])) -> bool {
        self.0.get(&key).map(|entry| read(entry.value())).is_some()
    }
    fn put(&self, key: u64, value: &[u8]) {
        self.0.insert(key, Box::from(value));
    }
    fn entries(&self) -> u64 {
        self.0.entries() as u64
    }
    fn shrink_to_half(&self) -> bool {
        self.0.resize(self.0.entries() / 2).is_ok()
    }
}

fn run<E: Engine>(case: &str, operations: &Operations) {
    let figures = Figures { engine: E::NAME, case, operations };
    match case {
        "shrink" => workload::run_shrink::<E>(operations, &figures),
        "flight" => panic!("{} has no flight case", E::NAME),
        _ => workload::run_reads::<E>(case, operations, &figures),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    assert!(arguments.len() == 4, "usage: cache-peers ENGINE CASE FILE");
    let (engine, case) = (arguments[1].as_str(), arguments[2].as_str());
    let operations = Operations::read(&arguments[3]);
    match (engine, case) {
        ("quick_cache", "flight") => {
            flight::run::<flight::QuickCacheFlight>(&Figures { engine: QuickCache::NAME, case, operations: &operations })
        }
        ("moka", "flight") => {
            flight::run::<flight::MokaFlight>(&Figures { engine: Moka::NAME, case, operations: &operations })
        }
        ("quick_cache", _) => run::<QuickCache>(case, &operations),
        ("moka", _) => run::<Moka>(case, &operations),
        ("foyer", _) => run::<Foyer>(case, &operations),
        _ => panic!("no engine {engine}"),
    }
}
