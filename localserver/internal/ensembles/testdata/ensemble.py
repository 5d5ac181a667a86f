"""What kazoo does with an ensemble: its sessions move, its members fail and are reconfigured.

Each part prints "ok NAME" when it went well. "please VERB [ID]" asks the test to do something
to the ensemble; the answer is a line on stdin."""

import socket
import sys
import threading
import time

from kazoo.client import KazooClient, KeeperState
from kazoo.exceptions import BadVersionError, ConnectionLoss, NewConfigNoQuorumError, NotReadOnlyCallError

PATIENCE = 60


def please(*words):
    print("please", *words, flush=True)
    return sys.stdin.readline().strip()


def ok(name):
    print("ok", name, flush=True)


def until(what, condition):
    deadline = time.time() + PATIENCE
    while not condition():
        if time.time() > deadline:
            raise Exception("waited in vain until " + what)
        time.sleep(0.01)


def client(hosts, **options):
    zk = KazooClient(hosts=hosts, timeout=20, **options)
    zk.start(timeout=PATIENCE)
    return zk


def retry(f, *args):
    """Again after a lost connection, for writes that may be done twice."""
    deadline = time.time() + PATIENCE
    while True:
        try:
            return f(*args)
        except ConnectionLoss:
            if time.time() > deadline:
                raise
            time.sleep(0.05)


def addresses():
    """The address of each member, by its number."""
    return dict(pair.split("=") for pair in please("members").split())


def reconfig():
    members = addresses()
    # Member 4 will leave: it would close the connection.
    zk = client(",".join(members[i] for i in ("1", "2", "3")))
    fired = threading.Event()
    text, stat = zk.get("/zookeeper/config", watch=lambda event: fired.set())
    lines = dict(line.split("=", 1) for line in text.decode().splitlines())
    answer, stat = zk.reconfig(joining=None, leaving="4", new_members=None)
    assert b"server.4" not in answer and b"server.3" in answer, answer
    assert fired.wait(PATIENCE), "the watch of the configuration did not fire"
    answer, stat = zk.reconfig(joining="server.4=" + lines["server.4"], leaving=None, new_members=None)
    assert ("server.4=" + lines["server.4"]).encode() in answer, answer
    try:
        zk.reconfig(joining=None, leaving="4", new_members=None, from_config=int(lines["version"], 16))
        raise Exception("an old version was taken")
    except BadVersionError:
        pass
    try:
        zk.reconfig(joining=None, leaving=None,
                    new_members="server.7=127.0.0.1:1:2:participant;3,server.8=127.0.0.1:4:5:participant;6")
        raise Exception("members that do not exist were taken")
    except NewConfigNoQuorumError:
        pass
    whole = ",".join(k + "=" + v for k, v in lines.items() if k.startswith("server."))
    answer, stat = zk.reconfig(joining=None, leaving=None, new_members=whole, from_config=stat.mzxid)
    assert answer.decode().splitlines()[:-1] == text.decode().splitlines()[:-1], answer
    zk.stop()
    ok("reconfig")


def failover():
    zk = client(",".join(addresses().values()))
    session = zk.client_id[0]
    zk.create("/kazoo", b"0", ephemeral=True)
    changes = []
    zk.DataWatch("/kazoo", lambda data, stat: changes.append(data))
    for i in range(2):
        killed = please("kill leader")
        retry(zk.set, "/kazoo", str(i + 1).encode())
        assert zk.client_id[0] == session, "the session was lost"
        until("the watch tells", lambda: changes[-1] == str(i + 1).encode())
        please("start", killed)
    zk.stop()
    ok("failover")


def moves():
    members = list(addresses().values())
    first = client(members[0])
    first.create("/kazoo-moves", b"", ephemeral=True)
    for host in members[1:]:
        second = client(host, client_id=first.client_id)
        assert second.client_id == first.client_id, "another session"
        second.sync("/")
        assert second.exists("/kazoo-moves").ephemeralOwner == first.client_id[0]
        second.set("/kazoo-moves", host.encode())
        # The first one must not come back for its session, nor close it.
        first._stopped.set()
        first._connection._socket.shutdown(socket.SHUT_RDWR)
        first = second
    first.stop()
    zk = client(members[0])
    zk.sync("/")
    assert not zk.exists("/kazoo-moves"), "the session was closed, its ephemeral is there"
    zk.stop()
    ok("moves")


def read_only():
    members = addresses()
    number = please("partition")
    states = []
    zk = KazooClient(hosts=members[number], timeout=20, read_only=True)
    zk.start(timeout=PATIENCE)
    assert zk.client_state == KeeperState.CONNECTED_RO, zk.client_state
    zk.get_children("/")
    try:
        zk.create("/kazoo-ro", b"")
        raise Exception("a member without a quorum writes")
    except NotReadOnlyCallError:
        pass
    please("heal")
    until("the client writes", lambda: zk.client_state == KeeperState.CONNECTED)
    retry(zk.ensure_path, "/kazoo-ro")
    zk.stop()
    ok("read_only")


for part in (reconfig, failover, moves, read_only):
    part()
