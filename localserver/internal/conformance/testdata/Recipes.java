import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.cache.PathChildrenCache;
import org.apache.curator.framework.recipes.cache.TreeCache;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.retry.ExponentialBackoffRetry;
import org.apache.curator.retry.RetryNTimes;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;

/** What Curator's users do, against the server at args[0]. Prints "ok NAME" for each part. */
public class Recipes {
    interface Part { void run(CuratorFramework a, CuratorFramework b) throws Exception; }
    interface Condition { boolean holds() throws Exception; }

    static void await(String what, Condition condition) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!condition.holds()) {
            check(System.nanoTime() < end, "waited in vain until " + what);
            Thread.sleep(10);
        }
    }

    static void check(boolean right, Object what) {
        if (!right) {
            throw new AssertionError(what);
        }
    }

    static byte[] bytes(String s) { return s.getBytes(StandardCharsets.UTF_8); }

    static CuratorFramework connect(String hosts) {
        CuratorFramework c = CuratorFrameworkFactory.newClient(hosts, 10_000, 10_000, new ExponentialBackoffRetry(50, 5));
        c.start();
        return c;
    }

    static void nodes(CuratorFramework a, CuratorFramework b) throws Exception {
        a.create().creatingParentsIfNeeded().forPath("/c/n/x", bytes("one"));
        check(new String(b.getData().forPath("/c/n/x")).equals("one"), "data");
        check(b.setData().withVersion(0).forPath("/c/n/x", bytes("two")).getVersion() == 1, "version");
        try {
            a.setData().withVersion(0).forPath("/c/n/x", bytes("three"));
            check(false, "an old version was taken");
        } catch (KeeperException.BadVersionException expected) {
        }
        String path = a.create().withProtection().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath("/c/n/p-");
        check(path.endsWith("0000000001"), path);
        a.create().orSetData().forPath("/c/n/x", bytes("four"));
        a.create().creatingParentContainersIfNeeded().forPath("/c/containers/x");
        a.delete().guaranteed().deletingChildrenIfNeeded().forPath("/c");
        check(b.checkExists().forPath("/c") == null, "it is still there");
    }

    static void transactions(CuratorFramework a, CuratorFramework b) throws Exception {
        List<CuratorTransactionResult> results = a.transaction().forOperations(
            a.transactionOp().create().forPath("/ct", bytes("1")), a.transactionOp().setData().forPath("/ct", bytes("2")),
            a.transactionOp().check().withVersion(1).forPath("/ct"), a.transactionOp().create().forPath("/ct/x"), a.transactionOp().delete().forPath("/ct/x"));
        check(results.size() == 5 && results.get(1).getResultStat().getVersion() == 1, results);
        try {
            a.transaction().forOperations(a.transactionOp().create().forPath("/ct/y"), a.transactionOp().delete().forPath("/ct/none"));
            check(false, "a transaction that cannot be went well");
        } catch (KeeperException.NoNodeException expected) {
            check(expected.getResults().size() == 2, expected.getResults());
        }
        check(b.checkExists().forPath("/ct/y") == null, "half a transaction");
    }

    static void locks(CuratorFramework a, CuratorFramework b) throws Exception {
        InterProcessMutex first = new InterProcessMutex(a, "/cl"), second = new InterProcessMutex(b, "/cl");
        first.acquire();
        first.acquire(); // reentrant
        check(!second.acquire(50, TimeUnit.MILLISECONDS), "two have the lock");
        first.release();
        first.release();
        check(second.acquire(20, TimeUnit.SECONDS), "nobody has the lock");
        second.release();
        AtomicInteger inside = new AtomicInteger(), most = new AtomicInteger();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            InterProcessMutex lock = new InterProcessMutex(i % 2 == 0 ? a : b, "/cl");
            threads.add(new Thread(() -> {
                try {
                    for (int j = 0; j < 5; j++) {
                        lock.acquire();
                        most.accumulateAndGet(inside.incrementAndGet(), Math::max);
                        inside.decrementAndGet();
                        lock.release();
                    }
                } catch (Exception e) {
                    most.set(100);
                }
            }));
        }
        for (Thread t : threads) {
            t.start();
        }
        for (Thread t : threads) {
            t.join();
        }
        check(most.get() == 1, most);
        InterProcessReadWriteLock rw = new InterProcessReadWriteLock(a, "/crw"), other = new InterProcessReadWriteLock(b, "/crw");
        rw.readLock().acquire();
        check(other.readLock().acquire(20, TimeUnit.SECONDS) && !other.writeLock().acquire(50, TimeUnit.MILLISECONDS), "read and write");
        rw.readLock().release();
        other.readLock().release();
        InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(a, "/cs", 2);
        semaphore.acquire(2);
        check(new InterProcessSemaphoreV2(b, "/cs", 2).acquire(50, TimeUnit.MILLISECONDS) == null, "three leases of two");
    }

    static void leaders(CuratorFramework a, CuratorFramework b) throws Exception {
        LeaderLatch first = new LeaderLatch(a, "/cll", "first"), second = new LeaderLatch(b, "/cll", "second");
        first.start();
        first.await();
        second.start();
        await("both take part", () -> first.getParticipants().size() == 2);
        check(second.getLeader().getId().equals("first"), second.getLeader());
        first.close();
        check(second.await(20, TimeUnit.SECONDS), "no second leader");
        second.close();
    }

    static void caches(CuratorFramework a, CuratorFramework b) throws Exception {
        a.create().forPath("/cc");
        List<String> heard = Collections.synchronizedList(new ArrayList<>());
        CuratorCache cache = CuratorCache.build(b, "/cc"); // a persistent recursive watch
        cache.listenable().addListener((type, old, now) -> heard.add(type + " " + (now == null ? old : now).getPath()));
        cache.start();
        // Not on the same connection: before 3.9 (ZOOKEEPER-4466) a one-shot watch takes the place of a persistent one.
        PathChildrenCache children = new PathChildrenCache(a, "/cc", true);
        children.start(PathChildrenCache.StartMode.BUILD_INITIAL_CACHE);
        TreeCache tree = new TreeCache(a, "/cc");
        tree.start();
        await("the first look", () -> heard.contains("NODE_CREATED /cc") && tree.getCurrentData("/cc") != null);
        a.create().forPath("/cc/x", bytes("1"));
        a.create().forPath("/cc/x/y", bytes("1"));
        await("the creation", () -> heard.contains("NODE_CREATED /cc/x/y") && children.getCurrentData().size() == 1 && tree.getCurrentData("/cc/x/y") != null);
        a.setData().forPath("/cc/x/y", bytes("2"));
        await("the change", () -> heard.contains("NODE_CHANGED /cc/x/y") && Arrays.equals(tree.getCurrentData("/cc/x/y").getData(), bytes("2")));
        a.delete().deletingChildrenIfNeeded().forPath("/cc/x");
        await("the deletion", () -> heard.contains("NODE_DELETED /cc/x") && children.getCurrentData().isEmpty() && tree.getCurrentData("/cc/x") == null);
        cache.close();
        children.close();
        tree.close();
        LinkedBlockingQueue<String> events = new LinkedBlockingQueue<>();
        a.watchers().add().withMode(AddWatchMode.PERSISTENT_RECURSIVE).usingWatcher((org.apache.zookeeper.Watcher) e -> events.add(e.getType() + " " + e.getPath())).forPath("/cc");
        b.create().forPath("/cc/z");
        check("NodeCreated /cc/z".equals(events.poll(20, TimeUnit.SECONDS)), "no event");
        a.watchers().removeAll().forPath("/cc");
    }

    static void queues(CuratorFramework a, CuratorFramework b) throws Exception {
        SimpleDistributedQueue queue = new SimpleDistributedQueue(a, "/cq"), other = new SimpleDistributedQueue(b, "/cq");
        queue.offer(bytes("1"));
        queue.offer(bytes("2"));
        check(new String(other.take()).equals("1") && new String(other.poll(20, TimeUnit.SECONDS)).equals("2"), "order");
        check(other.poll() == null, "more than was put in");
    }

    static void barriers(CuratorFramework a, CuratorFramework b) throws Exception {
        DistributedBarrier barrier = new DistributedBarrier(a, "/cb");
        barrier.setBarrier();
        check(!new DistributedBarrier(b, "/cb").waitOnBarrier(50, TimeUnit.MILLISECONDS), "the barrier is open");
        barrier.removeBarrier();
        check(new DistributedBarrier(b, "/cb").waitOnBarrier(20, TimeUnit.SECONDS), "the barrier is shut");
        CountDownLatch entered = new CountDownLatch(2), left = new CountDownLatch(2);
        for (CuratorFramework c : List.of(a, b)) {
            new Thread(() -> {
                try {
                    DistributedDoubleBarrier both = new DistributedDoubleBarrier(c, "/cdb", 2);
                    both.enter();
                    entered.countDown();
                    both.leave();
                    left.countDown();
                } catch (Exception e) {
                    e.printStackTrace();
                }
            }).start();
        }
        check(entered.await(20, TimeUnit.SECONDS) && left.await(20, TimeUnit.SECONDS), "the double barrier");
    }

    static void counters(CuratorFramework a, CuratorFramework b) throws Exception {
        SharedCount count = new SharedCount(a, "/csc", 7), other = new SharedCount(b, "/csc", 7);
        count.start();
        other.start();
        count.setCount(8);
        await("the count arrives", () -> other.getCount() == 8);
        DistributedAtomicLong number = new DistributedAtomicLong(a, "/cal", new RetryNTimes(50, 10));
        for (int i = 0; i < 10; i++) {
            check(number.increment().succeeded(), "increment");
        }
        check(new DistributedAtomicLong(b, "/cal", new RetryNTimes(5, 10)).get().postValue() == 10, "sum");
        count.close();
        other.close();
    }

    static void persistentNodes(CuratorFramework a, CuratorFramework b) throws Exception {
        PersistentNode node = new PersistentNode(a, CreateMode.EPHEMERAL, false, "/cpn", bytes("x"));
        node.start();
        check(node.waitForInitialCreate(20, TimeUnit.SECONDS), "not made");
        b.delete().forPath("/cpn");
        await("it is made again", () -> b.checkExists().forPath("/cpn") != null);
        node.close();
        await("it goes", () -> b.checkExists().forPath("/cpn") == null);
    }

    public static void main(String[] args) throws Exception {
        CuratorFramework a = connect(args[0]), b = connect(args[0]);
        String[] names = {"nodes", "transactions", "locks", "leaders", "caches", "queues", "barriers", "counters", "persistentNodes"};
        Part[] parts = {Recipes::nodes, Recipes::transactions, Recipes::locks, Recipes::leaders, Recipes::caches, Recipes::queues,
            Recipes::barriers, Recipes::counters, Recipes::persistentNodes};
        for (int i = 0; i < parts.length; i++) {
            try {
                parts[i].run(a, b);
            } catch (Throwable e) {
                e.printStackTrace();
                System.exit(1);
            }
            System.out.println("ok " + names[i]);
        }
        a.close();
        b.close();
        System.exit(0);
    }
}
