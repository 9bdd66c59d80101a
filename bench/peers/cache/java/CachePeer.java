import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;

/**
 * Caffeine on the workload of src/bench/cache_workload.h, line by line.
 *
 * <p>usage: CachePeer CASE FILE, the file as `cache_peers keys` writes it. Prints one JSON object a figure.
 *
 * <p>Cases: get95-64, get95-1536, rt-64, rt-1536, shrink. Maintenance runs on the calling thread, so that its time is
 * counted; that
 * of the garbage collector is not. What an entry costs in memory is not measured: the heap is sized beforehand.
 */
public final class CachePeer {
  private static final int STREAMS = 3;
  private static final int SHRINK_VALUE_BYTES = 1536;
  private static final VarHandle LONGS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final String[] PHASES = {"warm", "quiet", "shrinking"};

  private static long[] fill;
  private static final long[][] streams = new long[STREAMS][];
  private static long digest;
  private static String currentCase;
  private static volatile long sink;
  private static volatile int phase;
  private static volatile boolean stopped;

  private static final class Tally {
    double cpuSeconds;
    long operations;
    long gets;
    long hits;
    long wrong;

    void add(Tally other) {
      cpuSeconds += other.cpuSeconds;
      operations += other.operations;
      gets += other.gets;
      hits += other.hits;
      wrong += other.wrong;
    }
  }

  private static final class Reader {
    long sum;
    long wrong;

    void read(long key, byte[] value) {
      if ((long) LONGS.get(value, 0) != key) ++wrong;
      for (int at = 0; at < value.length; at += 64) sum += (long) LONGS.get(value, at);
      sum += (long) LONGS.get(value, value.length - 8);
    }
  }

  private static void emit(String metric, double value, String unit) {
    System.out.printf(
        "{\"bench\":\"pool\",\"case\":\"%s\",\"metric\":\"%s\",\"value\":%s,\"unit\":\"%s\",\"engine\":\"Caffeine 3.1.8\","
            + "\"keys\":%d,\"operations\":%d,\"digest\":\"%016x\"}%n",
        currentCase, metric, value, unit, fill.length, streams[0].length, digest);
  }

  private static long[] readLongs(FileChannel file, int count) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(count * 8).order(ByteOrder.LITTLE_ENDIAN);
    while (bytes.hasRemaining()) {
      if (file.read(bytes) < 0) throw new IOException("the file of keys is too short");
    }
    long[] words = new long[count];
    bytes.flip().asLongBuffer().get(words);
    return words;
  }

  private static Cache<Long, byte[]> make(long capacity) {
    return Caffeine.newBuilder().maximumSize(capacity).executor(Runnable::run).build();
  }

  private static void put(Cache<Long, byte[]> cache, long key, byte[] template) {
    byte[] value = template.clone();
    LONGS.set(value, 0, key);
    cache.put(key, value);
  }

  private static Tally runOperations(Cache<Long, byte[]> cache, int valueBytes, boolean readThrough, long[] operations, int from) {
    Tally tally = new Tally();
    Reader reader = new Reader();
    byte[] template = new byte[valueBytes];
    long start = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    for (int i = from; i < operations.length; ++i) {
      long key = operations[i] & ~1L;
      if (!readThrough && (operations[i] & 1) != 0) {
        put(cache, key, template);
        continue;
      }
      ++tally.gets;
      byte[] value = cache.getIfPresent(key);
      if (value != null) {
        reader.read(key, value);
        ++tally.hits;
      } else if (readThrough) {
        put(cache, key, template);
      }
    }
    tally.cpuSeconds = (ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - start) * 1e-9;
    tally.operations = operations.length - from;
    tally.wrong = reader.wrong;
    sink += reader.sum;
    return tally;
  }

  private static Tally runStreams(Cache<Long, byte[]> cache, int valueBytes, boolean readThrough, long[][] used, int from)
      throws InterruptedException {
    Tally[] tallies = new Tally[used.length];
    Thread[] threads = new Thread[used.length];
    CountDownLatch start = new CountDownLatch(used.length);
    for (int i = 0; i < used.length; ++i) {
      int which = i;
      threads[i] =
          new Thread(
              () -> {
                start.countDown();
                try {
                  start.await();
                } catch (InterruptedException stop) {
                  return;
                }
                tallies[which] = runOperations(cache, valueBytes, readThrough, used[which], from);
              });
      threads[i].start();
    }
    Tally total = new Tally();
    for (int i = 0; i < used.length; ++i) {
      threads[i].join();
      total.add(tallies[i]);
    }
    return total;
  }

  private static long entries(Cache<Long, byte[]> cache) {
    cache.cleanUp();
    return cache.estimatedSize();
  }

  private static void runReads(int valueBytes, boolean readThrough) throws InterruptedException {
    Cache<Long, byte[]> cache = make(readThrough ? fill.length / 10 : fill.length + fill.length / 10);
    Tally total = new Tally();
    if (!readThrough) {
      byte[] template = new byte[valueBytes];
      for (long key : fill) put(cache, key, template);
      emit("entries", entries(cache), "entries");
    }
    int warm = streams[0].length / 3;
    total.add(runStreams(cache, valueBytes, readThrough, new long[][] {Arrays.copyOf(streams[0], warm)}, 0));
    for (int threads = 1; threads <= 2; ++threads) {
      long[][] used = Arrays.copyOfRange(streams, threads - 1, 2 * threads - 1);
      Tally tally = runStreams(cache, valueBytes, readThrough, used, warm);
      emit("cpu_t" + threads, tally.cpuSeconds * 1e9 / tally.operations, "ns/op");
      emit("hit_t" + threads, 100.0 * tally.hits / tally.gets, "%");
      total.add(tally);
    }
    if (readThrough) emit("entries", entries(cache), "entries");
    emit("wrong", total.wrong, "values");
  }

  private static double residentBytes() throws IOException {
    return Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ")[1]) * 4096.0;
  }

  private static void runShrink() throws IOException, InterruptedException {
    long[] keys = Arrays.copyOf(fill, fill.length / 2);
    Cache<Long, byte[]> cache = make(keys.length + keys.length / 10);
    byte[] template = new byte[SHRINK_VALUE_BYTES];
    Reader reader = new Reader();
    for (long key : keys) put(cache, key, template);
    for (int pass = 0; pass < 2; ++pass) {
      for (long key : keys) {
        if ((key & 2) == 0) continue;
        byte[] value = cache.getIfPresent(key);
        if (value != null) reader.read(key, value);
      }
    }
    double[] worst = new double[PHASES.length];
    long[] gets = new long[PHASES.length];
    Thread other =
        new Thread(
            () -> {
              Reader timed = new Reader();
              for (long i = 0; !stopped; ++i) {
                long key = keys[(int) Long.remainderUnsigned(i * 0x9e3779b97f4a7c15L, keys.length)];
                int before = phase;
                long start = System.nanoTime();
                byte[] value = cache.getIfPresent(key);
                if (value != null) timed.read(key, value);
                double took = (System.nanoTime() - start) * 1e-3;
                int now = Math.max(before, phase);
                worst[now] = Math.max(worst[now], took);
                ++gets[now];
              }
              sink += timed.sum;
            });
    double entriesBefore = entries(cache);
    other.start();
    Thread.sleep(50);
    phase = 1;
    Thread.sleep(200);
    double residentBefore = residentBytes();
    long start = System.nanoTime();
    phase = 2;
    cache.policy().eviction().orElseThrow().setMaximum((long) entriesBefore / 2);
    cache.cleanUp();
    double seconds = (System.nanoTime() - start) * 1e-9;
    double residentAfter = residentBytes();
    stopped = true;
    other.join();
    double entriesAfter = entries(cache);
    double evicted = (entriesBefore - entriesAfter) * SHRINK_VALUE_BYTES;
    emit("time", seconds * 1e3, "ms");
    emit("entries_before", entriesBefore, "entries");
    emit("entries_after", entriesAfter, "entries");
    emit("evicted", evicted / (1 << 20), "MiB");
    emit("rss_before", residentBefore / (1 << 20), "MiB");
    emit("rss_after", residentAfter / (1 << 20), "MiB");
    emit("give_back", evicted > 0 ? 100 * (residentBefore - residentAfter) / evicted : 0, "%");
    emit("worst_get", worst[2], "us");
    emit("worst_get_quiet", worst[1], "us");
    emit("gets_meanwhile", gets[2], "gets");
    emit("wrong", reader.wrong, "values");
    sink += reader.sum;
  }

  public static void main(String[] arguments) throws IOException, InterruptedException {
    if (arguments.length != 2) throw new IllegalArgumentException("usage: CachePeer CASE FILE");
    currentCase = arguments[0];
    try (FileChannel file = FileChannel.open(Path.of(arguments[1]))) {
      long[] head = readLongs(file, 3);
      digest = head[2];
      fill = readLongs(file, (int) head[0]);
      for (int i = 0; i < STREAMS; ++i) streams[i] = readLongs(file, (int) head[1]);
    }
    switch (currentCase) {
      case "get95-64" -> runReads(64, false);
      case "get95-1536" -> runReads(1536, false);
      case "rt-64" -> runReads(64, true);
      case "rt-1536" -> runReads(1536, true);
      case "shrink" -> runShrink();
      default -> throw new IllegalArgumentException("no case " + currentCase);
    }
  }
}
