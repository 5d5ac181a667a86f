import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.retry.RetryNTimes;

/**
 * Contends for locks at the server args[0] as the lines on stdin say: "mutex PATH" or "latch PATH" prints "held" once that is so, "release" lets
 * go and prints "released".
 */
public class Contend {
    public static void main(String[] args) throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.newClient(args[0], 20_000, 10_000, new RetryNTimes(3, 100));
        client.start();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        InterProcessMutex mutex = null;
        LeaderLatch latch = null;
        System.out.println("ready");
        for (String line; (line = in.readLine()) != null;) {
            String[] words = line.split(" ");
            if (words[0].equals("mutex")) {
                mutex = new InterProcessMutex(client, words[1]);
                mutex.acquire();
                System.out.println("held");
            } else if (words[0].equals("latch")) {
                latch = new LeaderLatch(client, words[1], "curator");
                latch.start();
                latch.await(60, TimeUnit.SECONDS);
                System.out.println("held");
            } else {
                if (mutex != null) {
                    mutex.release();
                }
                if (latch != null) {
                    latch.close();
                }
                mutex = null;
                latch = null;
                System.out.println("released");
            }
        }
        client.close();
    }
}
