// The timed loops of src/bench/cache_workload.h, line by line.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Barrier;
use std::time::{Duration, Instant};

pub const SHARDS: usize = 16;
const SHRINK_VALUE_BYTES: usize = 1536;
const STREAMS: usize = 3;

pub trait Engine: Send + Sync {
    const NAME: &'static str;
    fn new(capacity: u64) -> Self;
    fn get(&self, key: u64, read: &mut impl FnMut(&[u8])) -> bool;
    fn put(&self, key: u64, value: &[u8]);
    fn entries(&self) -> u64;
    // False: this engine cannot.
    fn shrink_to_half(&self) -> bool;
}

// An operation is a key, with the lowest bit set when it is a put.
pub struct Operations {
    pub fill: Vec<u64>,
    pub streams: Vec<Vec<u64>>,
    pub digest: u64,
}

impl Operations {
    pub fn read(path: &str) -> Operations {
        let bytes = std::fs::read(path).expect("the file of keys");
        let mut words = bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
        let mut next = || words.next().expect("a whole file of keys");
        let (keys, operations, digest) = (next() as usize, next() as usize, next());
        let mut list = |count: usize| -> Vec<u64> { (0..count).map(|_| next()).collect() };
        let fill = list(keys);
        let streams = (0..STREAMS).map(|_| list(operations)).collect();
        Operations { fill, streams, digest }
    }
}

pub struct Figures<'a> {
    pub engine: &'static str,
    pub case: &'a str,
    pub operations: &'a Operations,
}

impl Figures<'_> {
    pub fn emit(&self, metric: &str, value: f64, unit: &str) {
        println!(
            "{{\"bench\":\"pool\",\"case\":\"{}\",\"metric\":\"{metric}\",\"value\":{value},\"unit\":\"{unit}\",\
             \"engine\":\"{}\",\"keys\":{},\"operations\":{},\"digest\":\"{:016x}\"}}",
            self.case,
            self.engine,
            self.operations.fill.len(),
            self.operations.streams[0].len(),
            self.operations.digest
        );
    }
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("statm");
    let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64
}

fn thread_seconds() -> f64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) };
    now.tv_sec as f64 + 1e-9 * now.tv_nsec as f64
}

fn word(bytes: &[u8]) -> u64 {
    u64::from_ne_bytes(bytes[..8].try_into().unwrap())
}

// Reads one word of every cache line.
#[derive(Default)]
struct Reader {
    sum: u64,
    wrong: u64,
}

impl Reader {
    fn read(&mut self, key: u64, value: &[u8]) {
        self.wrong += (word(value) != key) as u64;
        for line in value.chunks_exact(64) {
            self.sum = self.sum.wrapping_add(word(line));
        }
        self.sum = self.sum.wrapping_add(word(&value[value.len() - 8..]));
    }
}

#[derive(Default)]
struct Tally {
    cpu_seconds: f64,
    operations: u64,
    gets: u64,
    hits: u64,
    wrong: u64,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.cpu_seconds += other.cpu_seconds;
        self.operations += other.operations;
        self.gets += other.gets;
        self.hits += other.hits;
        self.wrong += other.wrong;
    }
}

fn value_for(buffer: &mut [u8], key: u64) -> &[u8] {
    buffer[..8].copy_from_slice(&key.to_ne_bytes());
    buffer
}

fn run_operations<E: Engine>(engine: &E, value_bytes: usize, read_through: bool, operations: &[u64]) -> Tally {
    let mut tally = Tally::default();
    let mut reader = Reader::default();
    let mut value = vec![7u8; value_bytes];
    let start = thread_seconds();
    for &operation in operations {
        let key = operation & !1;
        if !read_through && operation & 1 != 0 {
            engine.put(key, value_for(&mut value, key));
            continue;
        }
        tally.gets += 1;
        if engine.get(key, &mut |bytes| reader.read(key, bytes)) {
            tally.hits += 1;
        } else if read_through {
            engine.put(key, value_for(&mut value, key));
        }
    }
    tally.cpu_seconds = thread_seconds() - start;
    tally.operations = operations.len() as u64;
    tally.wrong = reader.wrong;
    black_box(reader.sum);
    tally
}

fn run_streams<E: Engine>(engine: &E, value_bytes: usize, read_through: bool, streams: &[&[u64]]) -> Tally {
    let start = Barrier::new(streams.len());
    let mut total = Tally::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = streams
            .iter()
            .map(|stream| {
                scope.spawn(|| {
                    start.wait();
                    run_operations(engine, value_bytes, read_through, stream)
                })
            })
            .collect();
        for thread in threads {
            total.add(&thread.join().unwrap());
        }
    });
    total
}

pub fn run_reads<E: Engine>(case: &str, operations: &Operations, figures: &Figures) {
    let (value_bytes, read_through) = match case {
        "get95-64" => (64, false),
        "get95-1536" => (1536, false),
        "rt-64" => (64, true),
        "rt-1536" => (1536, true),
        _ => panic!("no case {case}"),
    };
    let keys = operations.fill.len() as u64;
    let resident_before = resident_bytes();
    let engine = E::new(if read_through { keys / 10 } else { keys + keys / 10 });
    let mut total = Tally::default();
    if !read_through {
        let mut value = vec![7u8; value_bytes];
        for &key in &operations.fill {
            engine.put(key, value_for(&mut value, key));
        }
        let entries = engine.entries() as f64;
        let grown = resident_bytes() as f64 - resident_before as f64;
        figures.emit("entries", entries, "entries");
        figures.emit("overhead", grown / entries - value_bytes as f64, "bytes/entry");
    }
    let warm = operations.streams[0].len() / 3;
    total.add(&run_streams(&engine, value_bytes, read_through, &[&operations.streams[0][..warm]]));
    let streams: Vec<&[u64]> = operations.streams.iter().map(|stream| &stream[warm..]).collect();
    for threads in 1..=2 {
        let tally = run_streams(&engine, value_bytes, read_through, &streams[threads - 1..threads - 1 + threads]);
        figures.emit(&format!("cpu_t{threads}"), tally.cpu_seconds * 1e9 / tally.operations as f64, "ns/op");
        figures.emit(&format!("hit_t{threads}"), 100.0 * tally.hits as f64 / tally.gets as f64, "%");
        total.add(&tally);
    }
    if read_through {
        figures.emit("entries", engine.entries() as f64, "entries");
    }
    figures.emit("wrong", total.wrong as f64, "values");
}

const QUIET: usize = 1;
const SHRINKING: usize = 2;

// How often the kernel took the processor from this thread.
fn thread_preemptions() -> i64 {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, &mut usage) };
    usage.ru_nivcsw
}

// Per phase the worst get in microseconds, of all and of those during which the thread kept its processor; the number of
// gets; and of wrong values.
#[derive(Default)]
struct TimedGets {
    worst: [f64; 3],
    worst_running: [f64; 3],
    gets: [u64; 3],
    wrong: u64,
}

fn time_gets<E: Engine>(engine: &E, keys: &[u64], phase: &AtomicUsize, stopped: &AtomicBool) -> TimedGets {
    let (mut timed, mut reader) = (TimedGets::default(), Reader::default());
    let mut i = 0u64;
    while !stopped.load(Ordering::Relaxed) {
        let key = keys[(i.wrapping_mul(0x9e3779b97f4a7c15) % keys.len() as u64) as usize];
        let before = phase.load(Ordering::Relaxed);
        let preempted = thread_preemptions();
        let start = Instant::now();
        engine.get(key, &mut |bytes| reader.read(key, bytes));
        let took = start.elapsed().as_nanos() as f64 * 1e-3;
        let now = before.max(phase.load(Ordering::Relaxed));
        timed.worst[now] = timed.worst[now].max(took);
        if thread_preemptions() == preempted {
            timed.worst_running[now] = timed.worst_running[now].max(took);
        }
        timed.gets[now] += 1;
        i += 1;
    }
    black_box(reader.sum);
    timed.wrong = reader.wrong;
    timed
}

pub fn run_shrink<E: Engine>(operations: &Operations, figures: &Figures) {
    const MIB: f64 = (1 << 20) as f64;
    let keys = &operations.fill[..operations.fill.len() / 2];
    let engine = E::new((keys.len() + keys.len() / 10) as u64);
    let mut value = vec![7u8; SHRINK_VALUE_BYTES];
    let mut reader = Reader::default();
    for &key in keys {
        engine.put(key, value_for(&mut value, key));
    }
    for _ in 0..2 {
        for &key in keys.iter().filter(|&&key| key & 2 != 0) {
            engine.get(key, &mut |bytes| reader.read(key, bytes));
        }
    }
    let (phase, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    let entries_before = engine.entries() as f64;
    std::thread::scope(|scope| {
        let other = scope.spawn(|| time_gets(&engine, keys, &phase, &stopped));
        std::thread::sleep(Duration::from_millis(50));
        phase.store(QUIET, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(200));
        let resident_before = resident_bytes() as f64;
        let start = Instant::now();
        phase.store(SHRINKING, Ordering::Relaxed);
        let done = engine.shrink_to_half();
        let seconds = start.elapsed().as_secs_f64();
        let resident_after = resident_bytes() as f64;
        stopped.store(true, Ordering::Relaxed);
        let timed = other.join().unwrap();
        if !done {
            eprintln!("{}: its capacity cannot be changed; no figures of shrink", E::NAME);
            return;
        }
        let entries_after = engine.entries() as f64;
        let evicted = (entries_before - entries_after) * SHRINK_VALUE_BYTES as f64;
        let share = |resident: f64| if evicted > 0.0 { 100.0 * (resident_before - resident) / evicted } else { 0.0 };
        figures.emit("time", seconds * 1e3, "ms");
        figures.emit("entries_before", entries_before, "entries");
        figures.emit("entries_after", entries_after, "entries");
        figures.emit("evicted", evicted / MIB, "MiB");
        figures.emit("rss_before", resident_before / MIB, "MiB");
        figures.emit("rss_after", resident_after / MIB, "MiB");
        figures.emit("give_back", share(resident_after), "%");
        figures.emit("worst_get", timed.worst[SHRINKING], "us");
        figures.emit("worst_get_running", timed.worst_running[SHRINKING], "us");
        figures.emit("worst_get_quiet", timed.worst[QUIET], "us");
        figures.emit("gets_meanwhile", timed.gets[SHRINKING] as f64, "gets");
        unsafe { libc::malloc_trim(0) };
        figures.emit("give_back_trim", share(resident_bytes() as f64), "%");
        figures.emit("wrong", (reader.wrong + timed.wrong) as f64, "values");
    });
    black_box(reader.sum);
}
