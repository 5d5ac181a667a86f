import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.ByteArrayInputStream;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Properties;
import org.apache.zookeeper.server.quorum.QuorumPeer.QuorumServer;
import org.apache.zookeeper.server.quorum.QuorumPeerConfig;
import org.apache.zookeeper.server.quorum.flexible.QuorumMaj;
import org.apache.zookeeper.server.quorum.flexible.QuorumVerifier;

/** Answers questions about configurations with Apache ZooKeeper's own classes: a line
 *  of words in base64 in, a line of base64 out. */
public class Reference {
    public static void main(String[] args) throws Exception {
        System.setProperty("zookeeper.multiAddress.enabled", "true");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null; ) {
            String[] words = line.split(" ", -1);
            byte[][] raw = new byte[words.length][];
            String[] w = new String[words.length];
            for (int i = 0; i < words.length; i++) {
                raw[i] = Base64.getDecoder().decode(words[i]);
                w[i] = new String(raw[i], StandardCharsets.UTF_8);
            }
            String answer;
            try {
                answer = answer(w, raw);
            } catch (Throwable e) {
                Throwable cause = e;
                while (cause.getCause() != null) {
                    cause = cause.getCause();
                }
                answer = "error: " + cause.getMessage();
            }
            System.out.println("=" + Base64.getEncoder().encodeToString(answer.getBytes(StandardCharsets.UTF_8)));
        }
    }

    static String answer(String[] w, byte[][] raw) throws Exception {
        QuorumPeerConfig.setStandaloneEnabled(true);
        QuorumPeerConfig.setReconfigEnabled(false);
        switch (w[0]) {
        case "properties": {
            Properties p = new Properties();
            p.load(new ByteArrayInputStream(raw[1]));
            StringBuilder b = new StringBuilder();
            for (Map.Entry<Object, Object> e : p.entrySet()) {
                b.append(e.getKey()).append('\0').append(e.getValue()).append('\0');
            }
            return b.toString();
        }
        case "member":
            return new QuorumServer(1, w[1]).toString();
        case "verifier":
            return verifier(w[1]).toString();
        case "quorum": {
            HashSet<Long> ids = new HashSet<>();
            for (String id : w[2].split(",")) {
                ids.add(Long.parseLong(id));
            }
            return String.valueOf(verifier(w[1]).containsQuorum(ids));
        }
        case "change": {
            HashMap<Long, QuorumServer> next = new HashMap<>(verifier(w[1]).getAllMembers());
            for (String id : w[3].split(",")) {
                next.remove(id.isEmpty() ? -1L : Long.parseLong(id));
            }
            for (String line : w[2].split(",")) {
                String[] parts = line.split("=");
                long id = Long.parseLong(parts[0].substring(parts[0].lastIndexOf('.') + 1));
                next.remove(id);
                next.put(id, new QuorumServer(id, parts[1]));
            }
            return new QuorumMaj(next).toString();
        }
        case "load": {
            QuorumPeerConfig c = new QuorumPeerConfig();
            c.parse(w[1]);
            return c.getServerId() + " " + c.isDistributed() + " " + c.getPeerType() + " "
                + (c.getClientPortAddress() == null ? "none" : c.getClientPortAddress().getPort()) + " "
                + c.getTickTime() + " " + c.getMinSessionTimeout() + " " + c.getMaxSessionTimeout() + " "
                + c.getSnapRetainCount() + " " + c.getDataLogDir() + "\n" + c.getQuorumVerifier();
        }
        case "dynamic":
            QuorumPeerConfig.writeDynamicConfig(w[1], verifier(w[2]), Boolean.parseBoolean(w[3]));
            return "";
        default:
            throw new IllegalArgumentException(w[0]);
        }
    }

    static QuorumVerifier verifier(String text) throws Exception {
        Properties p = new Properties();
        p.load(new StringReader(text));
        return QuorumPeerConfig.parseDynamicConfig(p, 3, false, false, null);
    }
}
