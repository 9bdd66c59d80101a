// The exact block indexes of Dynamo (RadixTree) and SMG (ChainIndex) on a Mooncake trace over 64 workers: the same
// finds and stores in the same order as `weir bench blocks TRACE`, and the same figures, one JSON object a line.
//
// usage: blocks-peers chain|dynamo TRACE.jsonl
//
// A prompt is looked up, then its worker stores the blocks that it does not hold yet, as an engine would report them.
// Hashing and the building of events are outside the clock.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashSet;
use std::hint::black_box;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use dynamo_kv_router::protocols::{
    ExternalSequenceBlockHash, KvCacheEvent, KvCacheEventData, KvCacheStoreData, KvCacheStoredBlockData, LocalBlockHash,
    RouterEvent,
};
use kv_index::{ChainBlockMap, ChainIndex, ContentHash, SequenceHash, StoredBlock};

const WORKERS: u64 = 64;

// Counts the bytes that the allocator handed out.
struct Counting;
static HANDED_OUT: AtomicI64 = AtomicI64::new(0);

fn count(block: *mut u8, sign: i64) -> *mut u8 {
    if !block.is_null() {
        let size = unsafe { libc::malloc_usable_size(block.cast()) } as i64;
        HANDED_OUT.fetch_add(sign * size, Ordering::Relaxed);
    }
    block
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(System.alloc(layout), 1)
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(System.alloc_zeroed(layout), 1)
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        System.dealloc(count(block, -1), layout)
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(System.realloc(count(block, -1), layout, size), 1)
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
    z ^ (z >> 31)
}

// One prompt: content and chain hash of each block, and how many leading blocks its worker holds already.
struct Request {
    content: Vec<u64>,
    chain: Vec<u64>,
    held: usize,
}

fn read(path: &str, blocks_per_id: u64) -> Vec<Request> {
    let text = std::fs::read_to_string(path).expect("trace");
    let mut held: HashSet<(u64, u64)> = HashSet::new();
    let mut requests = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let row: serde_json::Value = serde_json::from_str(line).expect("a JSON object a line");
        let ids: Vec<u64> = row["hash_ids"].as_array().expect("hash_ids").iter().map(|id| id.as_u64().unwrap()).collect();
        let worker = i as u64 % WORKERS;
        let mut request = Request { content: Vec::new(), chain: Vec::new(), held: 0 };
        let mut history = 0;
        let mut all_held = true;
        for &id in &ids {
            let fresh = held.insert((worker, id));
            all_held &= !fresh;
            for j in 0..blocks_per_id {
                let content = mix(id * 32 + j);
                history = if request.chain.is_empty() { content } else { mix(history ^ mix(content)) };
                request.content.push(content);
                request.chain.push(history);
            }
            if all_held {
                request.held = request.content.len();
            }
        }
        requests.push(request);
    }
    requests
}

trait Index {
    fn find(&self, request: &Request) -> (f64, Vec<(u64, u32)>);
    fn store(&mut self, worker: u64, request: &Request) -> f64;
}

struct Chain {
    index: ChainIndex,
    maps: Vec<ChainBlockMap>,
}

impl Index for Chain {
    fn find(&self, request: &Request) -> (f64, Vec<(u64, u32)>) {
        let content: Vec<ContentHash> = request.content.iter().map(|&hash| ContentHash(hash)).collect();
        let start = Instant::now();
        let found = black_box(self.index.find_matches(&content, false));
        let seconds = start.elapsed().as_secs_f64();
        (seconds, found.scores.iter().map(|(&worker, &score)| (worker as u64, score)).collect())
    }
    fn store(&mut self, worker: u64, request: &Request) -> f64 {
        let blocks: Vec<StoredBlock> = (request.held..request.chain.len())
            .map(|i| StoredBlock { seq_hash: SequenceHash(request.chain[i]), content_hash: ContentHash(request.content[i]) })
            .collect();
        if blocks.is_empty() {
            return 0.0;
        }
        let parent = (request.held > 0).then(|| SequenceHash(request.chain[request.held - 1]));
        let start = Instant::now();
        self.index.apply_stored(worker as u32, &blocks, parent, &mut self.maps[worker as usize]).expect("store");
        start.elapsed().as_secs_f64()
    }
}

struct Dynamo(dynamo_kv_router::RadixTree);

impl Index for Dynamo {
    fn find(&self, request: &Request) -> (f64, Vec<(u64, u32)>) {
        let content: Vec<LocalBlockHash> = request.content.iter().map(|&hash| LocalBlockHash(hash)).collect();
        let start = Instant::now();
        let found = black_box(self.0.find_matches(content, false));
        let seconds = start.elapsed().as_secs_f64();
        (seconds, found.scores.iter().map(|(worker, &score)| (worker.worker_id, score)).collect())
    }
    fn store(&mut self, worker: u64, request: &Request) -> f64 {
        let blocks: Vec<KvCacheStoredBlockData> = (request.held..request.chain.len())
            .map(|i| KvCacheStoredBlockData {
                block_hash: ExternalSequenceBlockHash(request.chain[i]),
                tokens_hash: LocalBlockHash(request.content[i]),
                mm_extra_info: None,
            })
            .collect();
        if blocks.is_empty() {
            return 0.0;
        }
        let parent_hash = (request.held > 0).then(|| ExternalSequenceBlockHash(request.chain[request.held - 1]));
        let data = KvCacheEventData::Stored(KvCacheStoreData { parent_hash, start_position: None, blocks });
        let event = RouterEvent::new(worker, KvCacheEvent { event_id: 0, data, dp_rank: 0 });
        let start = Instant::now();
        self.0.apply_event(event).expect("store");
        start.elapsed().as_secs_f64()
    }
}

fn open(which: &str) -> (&'static str, Box<dyn Index>) {
    if which == "chain" {
        let index = ChainIndex::with_max_workers(WORKERS as usize);
        for worker in 0..WORKERS {
            assert_eq!(index.intern_worker(&format!("worker-{worker}")).expect("intern"), worker as u32);
        }
        let maps = (0..WORKERS).map(|_| ChainBlockMap::new()).collect();
        return ("SMG ChainIndex 2.0.0", Box::new(Chain { index, maps }));
    }
    ("Dynamo RadixTree 1.6.1", Box::new(Dynamo(dynamo_kv_router::RadixTree::new())))
}

fn replay(which: &str, case: &str, requests: &[Request]) {
    let asked: usize = requests.iter().map(|request| request.content.len()).sum();
    let stored: usize = requests.iter().map(|request| request.content.len() - request.held).sum();
    let mut finds: Vec<f64> = Vec::with_capacity(requests.len());
    let before = HANDED_OUT.load(Ordering::Relaxed);
    let (name, mut index) = open(which);
    let mut store_seconds = 0.0;
    let mut digest = 0u64;
    for (i, request) in requests.iter().enumerate() {
        let (seconds, scores) = index.find(request);
        finds.push(seconds);
        for (worker, score) in scores {
            digest = digest.wrapping_add(mix(mix(i as u64 * WORKERS + worker).wrapping_add(score as u64)));
        }
        store_seconds += index.store(i as u64 % WORKERS, request);
    }
    let heap = HANDED_OUT.load(Ordering::Relaxed) - before;
    let scores = format!("{digest:016x}");
    let emit = |metric: &str, value: f64, unit: &str| {
        println!(
            "{}",
            serde_json::json!({"bench": "blocks", "case": case, "metric": metric, "value": value, "unit": unit, "index": name,
                "requests": requests.len(), "asked": asked, "stored": stored, "scores": scores})
        );
    };
    let summarise = |finds: &mut Vec<f64>, prefix: &str| {
        let sum: f64 = finds.iter().sum();
        finds.sort_by(f64::total_cmp);
        emit(&format!("{prefix}_p50"), finds[finds.len() / 2] * 1e6, "us");
        emit(&format!("{prefix}_p99"), finds[finds.len() * 99 / 100] * 1e6, "us");
        emit(prefix, asked as f64 / sum / 1e6, "Mblocks/s");
    };
    summarise(&mut finds, "find");
    emit("store", stored as f64 / store_seconds / 1e6, "Mblocks/s");
    emit("heap", heap as f64 / stored as f64, "bytes/entry");
    finds.clear();
    for request in requests {
        finds.push(index.find(request).0);
    }
    summarise(&mut finds, "refind");
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    assert!(arguments.len() == 3, "usage: blocks-peers chain|dynamo TRACE.jsonl");
    for (case, blocks_per_id) in [("mooncake, ids", 1), ("mooncake, 16 tokens", 32)] {
        replay(&arguments[1], case, &read(&arguments[2], blocks_per_id));
    }
}
